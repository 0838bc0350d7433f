"""What a viewer has seen of a collaboration, and so what it drops when it comes again."""

from facilitair_client.errors import EventsMissingError
from facilitair_client.events import ANNOUNCEMENTS, TOKEN, Event


class Seen:
    """Admits every event once, whatever the connections repeat (R31).

    Numbered events go by ``seq``.
    Chunks go by index within the latest attempt of their step; what older attempts wrote is
    dropped as soon as a newer one is known.
    Anything else passes.
    """

    def __init__(self) -> None:
        self.seq = 0
        self._written: dict[str, tuple[int, int]] = {}

    def admit(self, event: Event) -> bool:
        """Whether the event is new; remembers it when it is.

        Raises EventsMissingError when numbered events between this one and the last were left out
        (R12). The first one of a viewer may have any number.
        """
        seq = event.seq
        if isinstance(seq, int):
            return self._admit_numbered(event, seq)
        step, attempt = event.data.get("step"), event.data.get("attempt")
        if not isinstance(step, str) or not isinstance(attempt, int):
            return True
        if event.kind == TOKEN:
            index = event.data.get("index")
            return self._admit_written(step, (attempt, index if isinstance(index, int) else -1))
        return event.kind not in ANNOUNCEMENTS or self._admit_written(step, (attempt, -1))

    def _admit_numbered(self, event: Event, seq: int) -> bool:
        if seq <= self.seq:
            return False
        if self.seq and seq > self.seq + 1:
            reason = f"after number {self.seq} came {seq}"
            raise EventsMissingError(reason=reason, cursor=event.id)
        self.seq = seq
        return True

    def _admit_written(self, step: str, written: tuple[int, int]) -> bool:
        if written <= self._written.get(step, (0, -1)):
            return False
        self._written[step] = written
        return True
