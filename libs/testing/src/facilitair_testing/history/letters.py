"""I13: what cannot be handled is dead-lettered once, as it was, and its collaboration fails.

A group that reads a record again after a crash writes its letter again, under the same id: that
repeat is legal, as every repeat of equal facts is. That other records of the partition were not
held up for long cannot be judged from a history of a run with faults, and is not.
"""

from collections.abc import Iterator
from typing import Final

from facilitair_events.envelope import header
from facilitair_events.registry import DLQ_SUFFIX
from facilitair_messaging.dead_letters import PREFIX, dead_letter_id
from facilitair_messaging.ports import Record
from facilitair_testing.history.entries import Entry, collaboration_of, grouped, violation
from facilitair_testing.history.index import Index
from facilitair_testing.history.types import Violation

_SHORT: Final = 8
_PART: Final = 40

Origin = tuple[str, str, str]


def origin_of(record: Record) -> Origin:
    """What the letter of a record calls it."""
    return record.topic, str(record.partition), str(record.offset)


def letters_by_origin(index: Index) -> dict[Origin, list[Entry]]:
    """The dead letters of each record that has some."""
    return grouped((_origin(letter), letter) for letter in index.letters if _is_letter(letter))


def i13_dead_letters_are_whole_and_one_per_group(index: Index) -> Iterator[Violation]:
    """A letter has its record's key, value and headers and says why; each group writes one."""
    records = {origin_of(record): record for record in index.history.records}
    for origin, letters in letters_by_origin(index).items():
        of_group: dict[str, Entry] = {}
        for letter in letters:
            key = collaboration_of(letter.key) or letter.key
            fault = _letter_fault(letter, records.get(origin))
            first = of_group.setdefault(_why(letter, "group"), letter)
            if fault is None and _why(first, "id") != _why(letter, "id"):
                fault = f"group {_why(letter, 'group')} has dead-lettered one record twice"
            if fault is not None:
                yield violation("I13", letter, key=key, text=fault)


def i13_what_cannot_be_decided_fails(index: Index) -> Iterator[Violation]:
    """A record that parks its collaboration ends it as failed, never in silence (R13)."""
    for key, replay in index.replays.items():
        end = index.terminal(key)
        for entry in replay.parked:
            failed = end is not None and end.kind == "collaboration.failed"
            if not failed and (end is not None or index.terms.ended):
                ending = "does not end" if end is None else f"ends as {end.kind}"
                text = f"it {ending} although it was parked at a record"
                yield violation("I13", entry, *([end] if end else []), key=key, text=text)
    given_up = letters_by_origin(index)
    for replay in index.replays.values():
        for entry in replay.rejected:
            if origin_of(entry.record) not in given_up and index.terms.ended:
                text = "a record that could not be handled was not dead-lettered"
                key = collaboration_of(entry.key) or entry.key
                yield violation("I13", entry, key=key, text=text)


def _is_letter(entry: Entry) -> bool:
    """Not a note of an operator about a letter."""
    return header(entry.record.headers, PREFIX + "topic") is not None


def _why(letter: Entry, name: str) -> str:
    return (header(letter.record.headers, PREFIX + name) or b"").decode()


def _origin(letter: Entry) -> Origin:
    return _why(letter, "topic"), _why(letter, "partition"), _why(letter, "offset")


def _quotes(letter: Entry, value: bytes) -> bool:
    """Whether what was added holds a part of the value; an id of a collaboration is shorter."""
    added = [text for name, text in letter.record.headers if name.startswith(PREFIX)]
    if any(value.strip() and value.strip() in text for text in added if len(value) > _SHORT):
        return True
    return any(
        text[at : at + _PART] in value
        for text in added
        for at in range(max(len(text) - _PART + 1, 0))
    )


def _letter_fault(letter: Entry, record: Record | None) -> str | None:
    missing = [n for n in ("id", "service", "group", "error", "reason") if not _why(letter, n)]
    if missing:
        return f"a dead letter does not say its {', '.join(missing)}"
    if record is None:
        return None
    if letter.record.topic != record.topic + DLQ_SUFFIX:
        return f"a record of {record.topic} has its letter in {letter.record.topic}"
    kept = tuple(pair for pair in letter.record.headers if not pair[0].startswith(PREFIX))
    were = tuple(pair for pair in record.headers if not pair[0].startswith(PREFIX))
    same = (letter.record.key, letter.record.value) == (record.key or b"", record.value)
    if kept != were or not same:
        return "a dead letter is not what its record was"
    if _quotes(letter, record.value or b""):
        return "the headers of a dead letter quote its record"
    if _why(letter, "id") != dead_letter_id(record, group=_why(letter, "group")):
        return "a dead letter has an id of its own"
    return None
