"""I8 for viewers: what one client was shown of one collaboration, over all its connections.

It begins at the cursor of the 202, so at number 1. Until the terminal event was shown, a view may
break off anywhere; then it has to be all that the stream holds for a viewer.
"""

from collections.abc import Iterator

from msgspec import Struct

from facilitair_events.stream import Token
from facilitair_events.types import TERMINAL_KINDS
from facilitair_testing.history.entries import AttemptId, first_chunks, violation
from facilitair_testing.history.index import Index
from facilitair_testing.history.types import Frame, Violation

_OPENINGS = ("attempt.started", "attempt.reset")


class Shown(Struct):
    """What was shown of the steps so far: per step the attempt and the next index."""

    attempt: int = 0
    index: int = 0


def i08_viewers_see_each_event_once(index: Index) -> Iterator[Violation]:
    """Numbers are dense, indices are dense, and nothing of an older attempt is shown."""
    for client, key, frames in views(index):
        fault = _fault(frames) or _not_what_happened(index, key, frames=frames)
        fault = fault or _missing(index, key, frames=frames)
        if fault is not None:
            yield violation("I8", key=key, text=f"client {client}: {fault}")


def views(index: Index) -> Iterator[tuple[str, str, list[Frame]]]:
    """``(client, collaboration, frames)`` over all connections of a client."""
    views: dict[tuple[str, str], list[Frame]] = {}
    for line in index.history.client:
        if line.op == "watch" and line.type != "invoke" and line.collaboration is not None:
            key = f"{line.tenant}:{line.collaboration}"
            views.setdefault((line.client, key), []).extend(line.frames)
    for (client, key), frames in views.items():
        yield client, key, [frame for frame in frames if frame.event != "gap"]


def _fault(frames: list[Frame]) -> str | None:
    seq = 0
    steps: dict[str, Shown] = {}
    for frame in frames:
        fault = None
        if frame.seq is not None:
            if frame.seq != seq + 1:
                fault = f"{frame.event} {frame.seq} was shown after event {seq}"
            seq = frame.seq
        elif frame.step is not None and frame.attempt is not None:
            fault = _written_fault(steps.setdefault(frame.step, Shown()), frame)
        if fault is not None:
            return fault
    return None


def _written_fault(shown: Shown, frame: Frame) -> str | None:
    attempt = frame.attempt or 0
    name = f"{frame.event} of attempt {attempt} of {frame.step}"
    if frame.event in _OPENINGS:
        if attempt <= shown.attempt:
            return f"{name} was shown after attempt {shown.attempt}"
        shown.attempt, shown.index = attempt, 0
        return None
    if attempt != shown.attempt:
        return f"{name} was shown while attempt {shown.attempt} was announced"
    if frame.index != shown.index:
        return f"{name}: chunk {frame.index} was shown instead of {shown.index}"
    shown.index += 1
    return None


def _not_what_happened(index: Index, key: str, *, frames: list[Frame]) -> str | None:
    events = index.first.get(key, {})
    for frame in frames:
        if frame.seq is None:
            continue
        entry = events.get(frame.seq)
        if entry is None or entry.kind != frame.event:
            there = "nothing" if entry is None else entry.kind
            return f"{frame.event} was shown as event {frame.seq}, the log has {there}"
    return None


def _missing(index: Index, key: str, *, frames: list[Frame]) -> str | None:
    """Chunks that the stream holds before the end and before a newer announcement."""
    if not any(frame.event in TERMINAL_KINDS for frame in frames):
        return None
    shown: dict[tuple[str | None, int | None], int] = {}
    for frame in frames:
        if frame.event == "token":
            place = (frame.step, frame.attempt)
            shown[place] = shown.get(place, 0) + 1
    for attempt, until in _visible(index, key).items():
        wanted = [e for e in first_chunks(index.attempts[attempt]) if e.offset < until]
        seen = shown.get((attempt.path, attempt.attempt), 0)
        if seen != len(wanted):
            name = f"attempt {attempt.attempt} of {attempt.path}"
            return f"{seen} chunks of {name} were shown, the stream has {len(wanted)}"
    return None


def _visible(index: Index, key: str) -> dict[AttemptId, float]:
    """The attempts of a collaboration, and the offset from which they are not shown any more."""
    ends = [e.offset for e in index.copies.get(key, ()) if e.kind in TERMINAL_KINDS]
    end = min(ends, default=float("inf"))
    attempts = index.attempts_of.get(key, [])
    until = dict.fromkeys(attempts, end)
    for newer in attempts:
        opened = [e.offset for e in index.attempts[newer] if not isinstance(e.data, Token)]
        for older in attempts:
            if older.path == newer.path and older.attempt < newer.attempt and opened:
                until[older] = min(until[older], opened[0])
    return until
