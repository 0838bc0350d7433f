"""The two wires: an entry as a server-sent event, and as a WebSocket message. Pure.

Both carry the same ids, kinds and values, in the same order; the value is never decoded.
"""

from typing import Final, Protocol

import msgspec

from facilitair_gateway.fanout import Cursor, Entry, frame, gap_frame


class Wire(Protocol):
    """How a viewer is told of an entry, and of a gap."""

    def frame(self, entry: Entry, *, partition: int, seq: int) -> bytes:
        """The frame of an entry; ``seq`` is of the last event sent, this one included."""

    def gap(self, cursor: Cursor, *, reason: str, message: str) -> bytes:
        """The last frame of a viewer that is cut off; it resumes with the id it carries."""


class EventStreamWire:
    """Server-sent events. A connection has one collaboration, so no frame names it."""

    frame = staticmethod(frame)
    gap = staticmethod(gap_frame)


class SocketWire:
    """WebSocket messages of one collaboration, each a JSON object that names it."""

    __slots__ = ("_name",)

    def __init__(self, collaboration: str) -> None:
        self._name = msgspec.json.encode(collaboration)

    def frame(self, entry: Entry, *, partition: int, seq: int) -> bytes:
        """See ``Wire``."""
        return b'{"id":"%d-%d-%d","event":"%b","collaboration":%b,"data":%b}' % (
            partition,
            entry.offset + 1,
            seq,
            entry.kind,
            self._name,
            entry.value,
        )

    def gap(self, cursor: Cursor, *, reason: str, message: str) -> bytes:
        """See ``Wire``."""
        data = msgspec.json.encode({"cursor": str(cursor), "reason": reason, "message": message})
        return b'{"id":"%b","event":"gap","collaboration":%b,"data":%b}' % (
            str(cursor).encode(),
            self._name,
            data,
        )


EVENT_STREAM: Final = EventStreamWire()
