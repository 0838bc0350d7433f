"""Server-sent events from bytes: pure and incremental, as the HTML standard says."""

from typing import Final

from msgspec import Struct

from facilitair_client.errors import ProtocolError

MAX_FRAME_BYTES: Final = 8 * 1024 * 1024
"""Far above what the server sends; it bounds what a broken one can make us hold."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class Frame(Struct, frozen=True):
    """One dispatched event. ``id`` is the last one the stream set, in this frame or before."""

    event: str
    data: str
    id: str | None = None


class SseParser:
    """Turns the bytes of one connection into frames; how they are cut does not matter.

    ``retry_ms`` is the reconnection time the server asked for last.
    A frame without its closing blank line is never given out: it may be cut.
    """

    def __init__(self, *, max_frame_bytes: int = MAX_FRAME_BYTES) -> None:
        self.retry_ms: int | None = None
        self._max_frame_bytes = max_frame_bytes
        self._tail = bytearray()
        self._size = 0
        self._after_return = False
        self._first_line = True
        self._event = ""
        self._data: list[str] = []
        self._id: str | None = None

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next bytes; returns the frames they complete, in order.

        Raises ProtocolError for a frame over the limit.
        """
        if self._after_return and data:
            self._after_return = False
            data = data.removeprefix(b"\n")
        if b"\n" not in data and b"\r" not in data:
            self._tail += data
            self._check_size()
            return []
        lines = bytes(self._tail + data).splitlines(keepends=True)
        self._tail = bytearray()
        if not lines[-1].endswith((b"\n", b"\r")):
            self._tail += lines.pop()
        self._after_return = data.endswith(b"\r")
        frames = [frame for line in lines if (frame := self._take(line)) is not None]
        self._check_size()
        return frames

    def _check_size(self) -> None:
        if self._size + len(self._tail) > self._max_frame_bytes:
            raise ProtocolError(reason=f"an event is larger than {self._max_frame_bytes} bytes")

    def _take(self, ended_line: bytes) -> Frame | None:
        line = ended_line.rstrip(b"\r\n")
        if self._first_line:
            self._first_line = False
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if not line:
            return self._dispatch()
        self._size += len(line)
        self._check_size()
        name, _, value = line.partition(b":")
        self._field(name, value.removeprefix(b" ").decode("utf-8", "replace"))
        return None

    def _field(self, name: bytes, value: str) -> None:
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._event = value
        elif name == b"id" and "\0" not in value:
            self._id = value or None
        elif name == b"retry" and value.isascii() and value.isdigit():
            self.retry_ms = int(value)

    def _dispatch(self) -> Frame | None:
        event, data = self._event, self._data
        self._event, self._data, self._size = "", [], 0
        if not data:
            return None
        return Frame(event=event or "message", data="\n".join(data), id=self._id)
