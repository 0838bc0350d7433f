"""Events that are a line of JSON each (NDJSON), pure and incremental."""

from facilitair_llm.framing import MAX_EVENT_BYTES, Event, EventTooLargeError


class LineParser:
    """See `EventParser`. Lines end in LF; blank lines are none."""

    def __init__(self, *, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._tail: list[bytes] = []
        self._tail_size = 0
        self._refused = False

    def feed(self, data: bytes) -> list[Event]:
        """See `EventParser.feed`."""
        events: list[Event] = []
        if not self._refused:
            for line in self._complete_lines(data):
                if len(line) > self._max_event_bytes:
                    self._refused = True
                    break
                if line.strip():
                    events.append(Event(line))
        self._refused = self._refused or self._tail_size > self._max_event_bytes
        if self._refused and not events:
            raise EventTooLargeError(max_event_bytes=self._max_event_bytes)
        return events

    def _complete_lines(self, data: bytes) -> list[bytes]:
        """Return the lines that `data` completes, without their ends; keep the rest for later."""
        if b"\n" not in data:
            self._tail.append(data)
            self._tail_size += len(data)
            return []
        *lines, rest = b"".join((*self._tail, data)).split(b"\n")
        self._tail, self._tail_size = [rest], len(rest)
        return lines
