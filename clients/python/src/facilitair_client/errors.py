"""What this package raises."""

from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """Root of what this package raises."""


class ApiError(ClientError):
    """The server answered with an error.

    ``code`` is stable for programs, ``detail`` says what to do, ``problem`` is the whole
    problem+json body (empty where the server sent none).
    ``retry_after_s`` is set where the server said when to ask again.
    """

    def __init__(
        self,
        *,
        status: int,
        code: str,
        detail: str,
        problem: Mapping[str, Any] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        self.status = status
        self.code = code
        self.detail = detail
        self.problem = dict(problem or {})
        self.retry_after_s = retry_after_s
        super().__init__(f"{detail} ({status} {code})")

    @property
    def transient(self) -> bool:
        """Whether the same request may work in a moment."""
        return self.status in _TRANSIENT


_TRANSIENT = frozenset({429, 502, 503, 504})


class ConnectionLostError(ClientError):
    """The server could not be reached for too long. ``cursor`` is where a stream reads on."""

    def __init__(self, *, url: str, waited_s: float, cursor: str | None = None) -> None:
        self.url = url
        self.waited_s = waited_s
        self.cursor = cursor
        super().__init__(f"no answer from {url} for {waited_s:.0f} s")


class ProtocolError(ClientError):
    """The server sent something that this client cannot read."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"the server's answer cannot be read: {reason}")


class EventsMissingError(ClientError):
    """Events of the record are missing from a stream; it cannot go on from ``cursor``."""

    def __init__(self, *, reason: str, cursor: str | None) -> None:
        self.reason = reason
        self.cursor = cursor
        super().__init__(f"events are missing from the stream: {reason}")
