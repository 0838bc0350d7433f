"""Server-sent events as a client reads them, and what of them it shows to its user (R31)."""

import orjson

from facilitair_testing.history.types import Frame

TERMINAL = frozenset(
    f"collaboration.{end}" for end in ("refused", "completed", "failed", "cancelled", "expired")
)
_OF_AN_ATTEMPT = frozenset({"token", "attempt.started", "attempt.reset"})


class Frames:
    """Whole frames from the bytes of one connection; comments and ``retry`` are left out."""

    def __init__(self) -> None:
        self._tail = b""

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that these bytes complete, in order."""
        *blocks, self._tail = (self._tail + data).split(b"\n\n")
        return [frame for block in blocks if (frame := _frame(block)) is not None]


def _frame(block: bytes) -> Frame | None:
    fields = dict(
        line.split(b": ", 1) for line in block.split(b"\n") if line[:1] not in {b":", b""}
    )
    if b"data" not in fields:
        return None
    data = orjson.loads(fields[b"data"])
    ident = fields.get(b"id")
    return Frame(
        id=None if ident is None else ident.decode(),
        event=fields.get(b"event", b"message").decode(),
        seq=data.get("seq"),
        step=data.get("step"),
        attempt=data.get("attempt"),
        index=data.get("index"),
    )


class Shown:
    """Drops what was shown already, as the reference of streams tells clients to."""

    def __init__(self) -> None:
        self._seq = 0
        self._written: dict[str, tuple[int, int]] = {}

    def admit(self, frame: Frame) -> bool:
        """Whether the user is shown this frame; remembers it then."""
        if frame.seq is not None:
            # A number that was left out is shown: the history says what that means.
            newer = frame.seq > self._seq
            self._seq = max(self._seq, frame.seq)
            return newer
        if frame.event not in _OF_AN_ATTEMPT or frame.step is None or frame.attempt is None:
            return True
        written = (frame.attempt, -1 if frame.index is None else frame.index)
        if written <= self._written.get(frame.step, (0, -1)):
            return False
        self._written[frame.step] = written
        return True
