"""Events of a collaboration as a viewer gets them."""

from typing import Any, Final

import msgspec
from msgspec import Struct

from facilitair_client.errors import ProtocolError
from facilitair_client.sse import Frame

TERMINAL_KINDS: Final = frozenset(
    f"collaboration.{end}" for end in ("refused", "completed", "failed", "cancelled", "expired")
)
ANNOUNCEMENTS: Final = frozenset({"attempt.started", "attempt.reset"})
TOKEN: Final = "token"  # noqa: S105 - an event kind
GAP: Final = "gap"


class Event(Struct, frozen=True):
    """One event. ``id`` is the cursor to read on after it; null for one that came without."""

    id: str | None
    kind: str
    data: dict[str, Any]

    @property
    def terminal(self) -> bool:
        """Whether nothing follows it."""
        return self.kind in TERMINAL_KINDS

    @property
    def seq(self) -> int | None:
        """Its number in the public record; null for what exists on the stream only."""
        return self.data.get("seq")


def event_of(frame: Frame) -> Event:
    """Decode a frame. Raises ProtocolError for data that is no JSON object."""
    try:
        data = msgspec.json.decode(frame.data.encode())
    except msgspec.DecodeError as error:
        raise ProtocolError(reason=f"{frame.event!r} is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise ProtocolError(reason=f"{frame.event!r} is not a JSON object")
    return Event(id=frame.id, kind=frame.event, data=data)
