"""Which version of ``decide`` new collaborations keep, and raising it (R9)."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from facilitair_events.envelope import timestamp
from facilitair_gateway.applying import catalog_message
from facilitair_gateway.definitions import LOGIC_KEY, logic_label, version_of
from facilitair_gateway.errors import AppendUnknownError, ConflictError
from facilitair_gateway.principal import Principal
from facilitair_messaging.errors import ProduceUnknownError
from facilitair_messaging.ports import Producer
from facilitair_workflows.documents import CatalogRecord


class LogicSwitch:
    """The active version, as the catalog's view shows it, and the operator's hand on it.

    ``known`` is the newest version in this code. Two gateways that are asked at one moment for
    different versions may both write theirs; the last one in the log counts then.
    """

    def __init__(
        self, producer: Producer, *, timeout_s: float, now_ms: Callable[[], int], known: int
    ) -> None:
        self._producer = producer
        self._timeout_s = timeout_s
        self._now_ms = now_ms
        self.known = known
        self._label: CatalogRecord | None = None
        self._changed = asyncio.Event()

    def on_change(self, key: str, record: CatalogRecord | None) -> None:
        """Note a change of the catalog's view."""
        if key == LOGIC_KEY:
            self._label = record
            self._changed.set()

    def active(self) -> int:
        """The version that requests are stamped with now. Raises LogicUnknownError."""
        return version_of(self._label)

    async def activate(self, version: int, *, by: Principal) -> None:
        """Have new collaborations keep ``version``; what runs keeps its own.

        Returns once this gateway stamps it too, or ``timeout_s`` after the log confirmed it; the
        version that is active already changes nothing.
        Raises ConflictError for a lower version and for one that this code does not know, and
        AppendUnknownError when the log does not confirm it.
        """
        active = self.active()
        if version > self.known:
            raise ConflictError(
                code="logic_unknown",
                message=(
                    f"this gateway knows logic {self.known} at most, and {version} was asked for;"
                    " upgrade every orchestrator, then every gateway, then activate it"
                ),
            )
        if version < active:
            raise ConflictError(
                code="logic_lowered",
                message=(
                    f"logic {active} is active and is never lowered: collaborations keep it"
                    " already, and orchestrators that know no more would stop at them"
                ),
            )
        if version > active:
            await self._write(version, by=by)

    async def _write(self, version: int, *, by: Principal) -> None:
        at = timestamp(self._now_ms())
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._producer.send(
                    [catalog_message(LOGIC_KEY, logic_label(version), time=at, actor=by.actor)]
                )
        except (TimeoutError, ProduceUnknownError) as error:
            raise AppendUnknownError(timeout_s=self._timeout_s) from error
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timeout_s):
                await self._shown(version)

    async def _shown(self, version: int) -> None:
        while self.active() < version:
            self._changed.clear()
            await self._changed.wait()
