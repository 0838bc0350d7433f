"""The chain of letters of one record: put back, failed again, put back again."""

from typing import Final

from msgspec import Struct

from facilitair_events.envelope import timestamp
from facilitair_gateway.errors import UnknownLetterError
from facilitair_gateway.letters.letter import Letter, parse_place
from facilitair_gateway.letters.notes import Notes
from facilitair_gateway.letters.reading import LetterReader

_MOST: Final = 20
"""Letters of a chain that are looked up on either side."""


class Link(Struct, frozen=True, kw_only=True):
    """A letter of a chain; of one that has left the log only the id is known, it is ``gone``."""

    id: str
    state: str
    replay: int | None = None
    editor: str | None = None
    reason: str | None = None
    dead_at: str | None = None


async def lineage(letter: Letter, reader: LetterReader) -> list[Link]:
    """The letters that a letter came from, oldest first, itself, and those that came from it.

    A letter that was put back more than once may have several that came from it.
    """
    notes = await reader.notes(letter.place.topic)
    chain = [_link(letter, notes)]
    known, parent = {letter.id}, letter.parent
    while parent is not None and parent not in known and len(known) <= _MOST:
        known.add(parent)
        found = await _found(parent, reader, topic=letter.place.topic)
        chain.insert(0, _gone(parent) if found is None else _link(found, notes))
        parent = None if found is None else found.parent
    waiting = list(notes.children(letter.id))
    for _ in range(_MOST):
        if not waiting:
            break
        child = waiting.pop(0)
        found = await _found(child, reader, topic=letter.place.topic)
        chain.append(_gone(child) if found is None else _link(found, notes))
        waiting += notes.children(child)
    return chain


async def _found(letter_id: str, reader: LetterReader, *, topic: str) -> Letter | None:
    place = parse_place(letter_id)
    if place is None or place.topic != topic:
        return None
    try:
        return await reader.find(place)
    except UnknownLetterError:
        return None


def _link(letter: Letter, notes: Notes) -> Link:
    return Link(
        id=letter.id,
        state=notes.standing(letter).state,
        replay=letter.replay,
        editor=letter.editor,
        reason=letter.reason,
        dead_at=timestamp(letter.record.timestamp_ms),
    )


def _gone(letter_id: str) -> Link:
    return Link(id=letter_id, state="gone")
