"""I8 and R31 for cursors: each says what was shown last, and leads to what comes next.

``id`` of a frame is the partition, the offset behind its record, and the last number that was sent.
"""

import re
from collections.abc import Iterator
from typing import Final

from facilitair_events.topics import COLLABORATION_STREAM
from facilitair_events.types import TERMINAL_KINDS
from facilitair_testing.history.entries import Entry, violation
from facilitair_testing.history.index import Index
from facilitair_testing.history.types import Frame, Violation
from facilitair_testing.history.viewers import views

_CURSOR: Final = re.compile(r"(\d+)-(\d+)-(\d+)")


def r31_cursors_say_what_was_shown(index: Index) -> Iterator[Violation]:
    """A resume from any of them neither repeats nor leaves out an event."""
    places = {
        (entry.record.partition, entry.offset + 1): entry
        for entry in index.topics.get(COLLABORATION_STREAM, ())
    }
    for client, key, frames in views(index):
        seq = 0
        for frame in frames:
            seq = frame.seq or seq
            fault = None if frame.id is None else _fault(frame, places, key=key, seq=seq)
            if fault is not None:
                text = f"client {client}: the cursor {frame.id} of {frame.event} {fault}"
                yield violation("R31", key=key, text=text)
                break


def i08_viewers_see_the_end(index: Index) -> Iterator[Violation]:
    """Who watches a collaboration to its end is shown that end, however often it reconnects."""
    if not index.terms.ended:
        return
    for client, key, frames in views(index):
        end = index.terminal(key)
        if end is not None and not any(frame.event in TERMINAL_KINDS for frame in frames):
            text = f"client {client} was never shown {end.kind}"
            yield violation("I8", end, key=key, text=text)


def cursor_parts(text: str) -> tuple[int, int, int] | None:
    """``(partition, offset, seq)``; None where it is no cursor."""
    found = _CURSOR.fullmatch(text)
    if found is None:
        return None
    partition, offset, seq = found.groups()
    return int(partition), int(offset), int(seq)


def _fault(frame: Frame, places: dict[tuple[int, int], Entry], *, key: str, seq: int) -> str | None:
    parts = cursor_parts(frame.id or "")
    if parts is None:
        return "is no cursor"
    partition, offset, said = parts
    entry = places.get((partition, offset))
    if entry is None or entry.key != key or entry.kind != frame.event:
        there = "nothing" if entry is None else f"{entry.kind} of {entry.key}"
        return f"stands behind {there}"
    return None if said == seq else f"says that {said} events were sent, it were {seq}"
