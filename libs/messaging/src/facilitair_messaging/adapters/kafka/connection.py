"""The address of a cluster and how to get in; and why it cannot be reached."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import KafkaError
from msgspec import Struct

from facilitair_messaging.adapters.kafka.errors import as_log_error
from facilitair_messaging.adapters.kafka.timing import Timing
from facilitair_messaging.errors import LogAccessError, LogUnavailableError, MessagingError
from facilitair_messaging.security import SecuritySettings

RETRY_MS: Final = 50

_NO_REASON: Final = "it answers now"


class Connection(Struct, frozen=True, kw_only=True):
    """What every client of one log is opened with."""

    bootstrap: str
    client_id: str
    timing: Timing
    security: SecuritySettings
    tls: ssl.SSLContext | None

    def options(self, *, request_s: float) -> dict[str, Any]:
        """Arguments that producers, consumers and plain clients of aiokafka share."""
        return {
            "bootstrap_servers": self.bootstrap,
            "client_id": self.client_id,
            "request_timeout_ms": round(request_s * 1000),
            "retry_backoff_ms": RETRY_MS,
            **self._security_options(),
        }

    async def until(self, start: Callable[[], Awaitable[None]], *, wanted: str) -> None:
        """Start a client, trying again for ``connect_s``.

        Raises LogAccessError at once when the cluster refuses this client, LogUnavailableError at
        the deadline.
        """
        reason: MessagingError | None = None
        try:
            async with asyncio.timeout(self.timing.connect_s):
                while True:
                    try:
                        return await start()
                    except KafkaError as error:
                        reason = await self._why_unreachable(wanted=wanted)
                        # A failed TLS handshake leaves its socket to the loop's next turns, and
                        # the caller may end the loop: the pause comes before the error, too.
                        await asyncio.sleep(RETRY_MS / 1000)
                        if isinstance(reason, LogAccessError):
                            raise reason from error
        except TimeoutError as error:
            unanswered = as_log_error(error, address=self.bootstrap, wanted=wanted)
            raise (reason or unanswered) from error

    async def _why_unreachable(self, *, wanted: str) -> MessagingError:
        """Connect to every address once, as clients log why they cannot and do not raise it."""
        error: Exception | None = None
        for host, port, _ in collect_hosts(self.bootstrap):
            try:
                connection = await create_conn(
                    host,
                    port,
                    client_id=self.client_id,
                    request_timeout_ms=round(self.timing.stop_s * 1000),
                    **self._security_options(),
                )
            except (OSError, KafkaError, TimeoutError) as caught:
                error = caught
            else:
                connection.close()
        if error is None:
            return LogUnavailableError(address=self.bootstrap, wanted=wanted, reason=_NO_REASON)
        return as_log_error(error, address=self.bootstrap, wanted=wanted)

    def _security_options(self) -> dict[str, Any]:
        sasl: dict[str, Any] = {}
        if self.security.protocol.startswith("SASL_"):
            sasl = {
                "sasl_mechanism": self.security.mechanism,
                "sasl_plain_username": self.security.username,
                "sasl_plain_password": self.security.password,
            }
        return {"security_protocol": self.security.protocol, "ssl_context": self.tls, **sasl}
