"""What a viewer of a collaboration is sent: cursors, frames, and what is left out. Pure.

A record becomes an ``Entry`` from its key and headers; of its value is only seen that it is JSON.
A cursor says where to read on: partition, offset of the *next* record, last ``seq`` that was sent.
"""

import re
from enum import Enum
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from facilitair_events.types import TERMINAL_KINDS
from facilitair_gateway.errors import MalformedCursorError
from facilitair_messaging.ports import Record

START: Final = "start"
"""The cursor of a collaboration whose stream start is not known yet; resolved at connect."""

HEARTBEAT: Final = b": still here\n\n"

_CURSOR: Final = re.compile(r"(0|[1-9]\d{0,4})-(0|[1-9]\d{0,17})-(0|[1-9]\d{0,17})", re.ASCII)
_NUMBER_DIGITS: Final = 18
_TYPE: Final = re.compile(rb"facilitair\.([a-z0-9_.]+)\.v\d+")
_TERMINAL: Final = frozenset(kind.encode() for kind in TERMINAL_KINDS)
_CHUNKS: Final = frozenset({b"token", b"attempt.started", b"attempt.reset"})
_REMEMBERED_TYPES: Final = 1024
_json: Final = msgspec.json.Decoder(msgspec.Raw)


class Cursor(NamedTuple):
    """Where a viewer reads on. ``seq`` is of the last event that was sent, 0 for none."""

    partition: int
    offset: int
    seq: int

    def __str__(self) -> str:
        return f"{self.partition}-{self.offset}-{self.seq}"


def parse_cursor(text: str) -> Cursor:
    """Read a cursor as ``str`` wrote it. Raises MalformedCursorError."""
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise MalformedCursorError
    return Cursor(*(int(part) for part in found.groups()))


class Entry(Struct, frozen=True, gc=False):
    """A record of the stream, as far as its headers tell.

    A ``hole`` is a record that no viewer can be sent and that was no chunk: it is told as a gap.
    ``seq`` is set for copies of public events, ``step`` and ``attempt`` for what an attempt writes,
    ``index`` for its chunks.
    """

    offset: int
    kind: bytes
    value: bytes
    seq: int | None = None
    step: bytes | None = None
    attempt: int | None = None
    index: int | None = None

    @property
    def hole(self) -> bool:
        """Whether it stands for an event that cannot be shown."""
        return not self.kind

    @property
    def terminal(self) -> bool:
        """Whether nothing follows it in its collaboration."""
        return self.kind in _TERMINAL


def entry_of(record: Record) -> Entry | None:
    """The entry of a record; None for one that no viewer can be sent.

    That is a record without key or type, with a number that is none or the header of another tenant
    than its key has, or whose value is no line of JSON: a raw line break would end the frame (R32),
    and anything else that is none would break what a socket's other collaborations are sent.
    """
    value = record.value
    if value is None or record.key is None or not _is_json_line(value):
        return None
    found = dict(record.headers)
    tenant = found.get("tenant")
    if tenant is not None and not record.key.startswith(tenant + b":"):
        return None
    kind = _kind(found.get("ce_type", b""))
    if kind is None:
        return None
    try:
        seq = _number(found.get("seq"))
        attempt = _number(found.get("attempt"))
        index = _number(found.get("index"))
    except ValueError:
        return None
    return Entry(record.offset, kind, value, seq, found.get("step"), attempt, index)


def hole_of(record: Record) -> Entry | None:
    """What stands for a record that is no entry; None for a chunk, whose text its result repeats.

    Without it a viewer would wait for ever for a terminal event that was skipped.
    """
    found = dict(record.headers)
    if record.key is None or _kind(found.get("ce_type", b"")) in _CHUNKS:
        return None
    try:
        seq = _number(found.get("seq"))
    except ValueError:
        seq = None
    return Entry(record.offset, b"", b"", seq)


def frame(entry: Entry, *, partition: int, seq: int) -> bytes:
    """The SSE frame of an entry; ``seq`` is of the last event sent, this one included."""
    return b"id: %d-%d-%d\nevent: %b\ndata: %b\n\n" % (
        partition,
        entry.offset + 1,
        seq,
        entry.kind,
        entry.value,
    )


def gap_frame(cursor: Cursor, *, reason: str, message: str) -> bytes:
    """The last frame of a viewer that is cut off; it resumes with the id it carries."""
    data = msgspec.json.encode({"cursor": str(cursor), "reason": reason, "message": message})
    return b"id: %b\nevent: gap\ndata: %b\n\n" % (str(cursor).encode(), data)


def retry_frame(after_ms: int) -> bytes:
    """Tells a viewer when to come back; it carries no event."""
    return b"retry: %d\n\n" % after_ms


class Verdict(Enum):
    """What is done with an entry."""

    SEND = "send"
    DROP = "drop"
    MISSING = "missing"


class Progress:
    """What one viewer has been sent, and so what it must not be sent again.

    Events go by ``seq`` (R12): a smaller one is dropped, a larger one than the next means that
    events are missing. The first one of a viewer that saw none may have any (a fork's has N+1).
    Chunks go by index within the latest attempt of their step (R31): repeats and older attempts are
    dropped.
    """

    __slots__ = ("_written", "seq")

    def __init__(self, seq: int = 0) -> None:
        self.seq = seq
        # step → (latest attempt, last index sent of it); allocated by the first chunk.
        self._written: dict[bytes, tuple[int, int]] | None = None

    def admit(self, entry: Entry) -> Verdict:
        """Decide about the next entry, and remember it when it is to be sent."""
        if entry.seq is not None:
            return self._admit_event(entry.seq)
        if entry.step is None or entry.attempt is None:
            return Verdict.SEND
        return self._admit_attempt(entry.step, entry.attempt, entry.index)

    def _admit_event(self, seq: int) -> Verdict:
        if seq <= self.seq:
            return Verdict.DROP
        if self.seq and seq > self.seq + 1:
            return Verdict.MISSING
        self.seq = seq
        return Verdict.SEND

    def _admit_attempt(self, step: bytes, attempt: int, index: int | None) -> Verdict:  # noqa: PLR0917
        if self._written is None:
            self._written = {}
        latest, last = self._written.get(step, (0, -1))
        written = -1 if index is None else index
        if attempt < latest:
            return Verdict.DROP
        if attempt == latest and written <= last:
            return Verdict.DROP
        self._written[step] = (attempt, written)
        return Verdict.SEND


@lru_cache(maxsize=_REMEMBERED_TYPES)
def _kind(type_name: bytes) -> bytes | None:
    """``facilitair.step.completed.v1`` is ``step.completed``; None for anything else."""
    found = _TYPE.fullmatch(type_name)
    return None if found is None else found[1]


def _is_json_line(value: bytes) -> bool:
    """Whether a value is well-formed; cheap, and nothing is kept of what it says."""
    if b"\n" in value or b"\r" in value:
        return False
    try:
        if not value.isascii():
            value.decode()
        _json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _number(text: bytes | None) -> int | None:
    if text is None:
        return None
    if not text.isdigit() or len(text) > _NUMBER_DIGITS:
        raise ValueError(text)
    return int(text)
