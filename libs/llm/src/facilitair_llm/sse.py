"""Server-sent events from bytes, pure and incremental."""

from facilitair_llm.framing import MAX_EVENT_BYTES, Event, EventTooLargeError

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
NAME_FIELD = b"event: "
DATA_FIELD = b"data: "


class SseParser:
    """See `EventParser`. Lines end in LF, CR or CRLF, mixed as they come.

    Several `data` lines of an event are joined by a newline.
    """

    def __init__(self, *, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._tail: list[bytes] = []
        self._tail_size = 0
        self._event_size = 0
        self._skip_line_feed = False
        self._first_line = True
        self._data: list[bytes] = []
        self._name = b""

    def feed(self, data: bytes) -> list[Event]:
        """See `EventParser.feed`."""
        plain = self._plain_events(data)
        if plain is not None:
            return plain
        if self._skip_line_feed and data:
            self._skip_line_feed = False
            data = data.removeprefix(b"\n")
        events: list[Event] = []
        for ended_line in self._complete_lines(data):
            line = ended_line.rstrip(b"\r\n")
            self._event_size += len(line)
            if self._event_size > self._max_event_bytes:
                break
            event = self._take_line(line)
            if event is not None:
                events.append(event)
        if not events and self._event_size + self._tail_size > self._max_event_bytes:
            raise EventTooLargeError(max_event_bytes=self._max_event_bytes)
        return events

    def _plain_events(self, data: bytes) -> list[Event] | None:
        """What nearly every read brings, at a tenth of the cost: whole events of one `data` line.

        A line `event` may stand before it.
        None for anything else, before anything is remembered.
        """
        if self._started() or not data.endswith(b"\n\n") or b"\r" in data:
            return None
        events = []
        for part in data[:-2].split(b"\n\n"):
            name, value = b"", part
            if part.startswith(NAME_FIELD):
                name, _, value = part.partition(b"\n")
            if not value.startswith(DATA_FIELD) or b"\n" in value:
                return None
            if len(name) + len(value) > self._max_event_bytes:
                return None
            events.append(_event(value[len(DATA_FIELD) :], name=name[len(NAME_FIELD) :]))
        self._first_line = False
        return events

    def _started(self) -> bool:
        """Whether a line or an event has begun and not ended."""
        return bool(self._tail or self._data or self._name or self._event_size) or (
            self._skip_line_feed
        )

    def _complete_lines(self, data: bytes) -> list[bytes]:
        """Return the lines that `data` completes, with their ends; keep the rest for later."""
        if b"\n" not in data and b"\r" not in data:
            self._tail.append(data)
            self._tail_size += len(data)
            return []
        lines = b"".join((*self._tail, data)).splitlines(keepends=True)
        self._tail = [] if lines[-1].endswith((b"\n", b"\r")) else [lines.pop()]
        self._tail_size = len(self._tail[0]) if self._tail else 0
        self._skip_line_feed = data.endswith(b"\r")
        return lines

    def _take_line(self, line: bytes) -> Event | None:
        if self._first_line:
            self._first_line = False
            line = line.removeprefix(BYTE_ORDER_MARK)
        if not line:
            return self._dispatch()
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
        elif field == b"event":
            self._name = value
        return None

    def _dispatch(self) -> Event | None:
        data, name = self._data, self._name
        self._data, self._name, self._event_size = [], b"", 0
        if not data:
            return None
        return _event(b"\n".join(data), name=name)


def _event(data: bytes, *, name: bytes) -> Event:
    return Event(data, name.decode("utf-8", "replace")) if name else Event(data)
