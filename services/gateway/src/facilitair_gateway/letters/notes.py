"""What was done about letters: the fold of the notes beside them. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, Literal, TypeVar

from msgspec import Struct

from facilitair_events.codec import decode
from facilitair_events.envelope import header
from facilitair_events.letters import LetterDiscarded, LetterReplayed
from facilitair_gateway.letters.letter import PARENT, Letter, is_letter, parse_place
from facilitair_messaging.ports import Record

LetterState = Literal["open", "replayed", "discarded"]
STATES: Final[tuple[LetterState, ...]] = ("open", "replayed", "discarded")

T = TypeVar("T")

Note = LetterReplayed | LetterDiscarded


class Action(Struct, frozen=True, kw_only=True):
    """Something that was done about a letter; ``offset`` is where the note of it lies."""

    offset: int
    did: Literal["replayed", "discarded"]
    by: str
    at: datetime
    note: Note


class Standing(Struct, frozen=True, kw_only=True):
    """What a letter is. The first of ``actions`` made it that."""

    state: LetterState = "open"
    actions: tuple[Action, ...] = ()

    @property
    def replays(self) -> int:
        """How often its record was put back."""
        return sum(action.did == "replayed" for action in self.actions)


class Notes:
    """The notes of one dead-letter topic, and which letters came of records put back.

    It holds a line for each action and each letter of a second failure, and no values.
    A letter that was written twice, because its record was read twice, is closed by one note.
    """

    def __init__(self) -> None:
        self._actions: dict[str, list[Action]] = {}
        self._children: dict[str, list[str]] = {}

    def apply(self, record: Record) -> None:
        """Take the next record of a partition.

        Raises EventsError for a note that cannot be read; nothing is changed then.
        """
        if is_letter(record):
            self._descend(record)
            return
        name = (header(record.headers, "ce_type") or b"").decode(errors="replace")
        note = decode(name, record.value or b"")
        if not isinstance(note, LetterReplayed | LetterDiscarded):
            return
        place = parse_place(note.letter)
        if place is None or place.tp != record.tp or place.offset >= record.offset:
            return
        action = Action(
            offset=record.offset,
            did="replayed" if isinstance(note, LetterReplayed) else "discarded",
            by=note.by,
            at=note.at,
            note=note,
        )
        for name in {note.letter, note.dlq_id or note.letter}:
            self._actions.setdefault(name, []).append(action)

    def standing(self, letter: Letter) -> Standing:
        """What a letter is now."""
        found = [
            action
            for name in {letter.id, letter.dlq_id or letter.id}
            for action in self._actions.get(name, ())
        ]
        actions = tuple({a.offset: a for a in sorted(found, key=_offset)}.values())
        return Standing(state=actions[0].did if actions else "open", actions=actions)

    def children(self, letter: str) -> tuple[str, ...]:
        """The letters of records that were put back from this one and failed again."""
        return tuple(self._children.get(letter, ()))

    def forget_before(self, offset: int) -> None:
        """Drop what lies before ``offset``: it has left the log, and so have its letters."""
        self._actions = _kept(
            (name, [action for action in actions if action.offset >= offset])
            for name, actions in self._actions.items()
        )
        self._children = _kept(
            (name, [child for child in children if _place_offset(child) >= offset])
            for name, children in self._children.items()
        )

    def _descend(self, record: Record) -> None:
        parent = header(record.headers, PARENT)
        place = None if parent is None else parse_place(parent.decode(errors="replace"))
        if place is not None and place.topic == record.topic and place.offset < record.offset:
            child = f"{record.topic}:{record.partition}:{record.offset}"
            self._children.setdefault(str(place), []).append(child)


def _kept(found: Iterable[tuple[str, list[T]]]) -> dict[str, list[T]]:
    return {name: items for name, items in found if items}


def _offset(action: Action) -> int:
    return action.offset


def _place_offset(letter: str) -> int:
    place = parse_place(letter)
    return -1 if place is None else place.offset
