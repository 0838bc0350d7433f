"""What the bytes of an answer are cut into: events, whatever marks their ends."""

from typing import Protocol

from msgspec import Struct

from facilitair_llm.errors import LlmError

MAX_EVENT_BYTES = 1 << 20


class EventTooLargeError(LlmError):
    """More bytes came before the end of an event than one event may have."""

    def __init__(self, *, max_event_bytes: int) -> None:
        self.max_event_bytes = max_event_bytes
        super().__init__(f"an event has more than {max_event_bytes} bytes")


class Event(Struct, frozen=True):
    """One event; bytes are as they came. Framings without names call every event `message`."""

    data: bytes
    name: str = "message"


class EventParser(Protocol):
    """Turns the bytes of one stream into events.

    How the bytes are split over `feed` calls changes nothing: neither the events nor the error.
    An event without its end is never given out (it may be cut).
    """

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes; return the events they complete, in order.

        Raises EventTooLargeError when an event is too large.
        Events completed before it are returned first; then the next call raises, whatever it gets.
        """
        ...
