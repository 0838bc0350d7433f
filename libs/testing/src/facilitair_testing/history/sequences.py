"""R12 and I3: one dense sequence of events for each collaboration, and one end.

A repeat of equal bytes is legal: who redoes a batch, and a stopped owner that wakes up, write the
same record again, and readers drop it by its number.
"""

from collections.abc import Iterator

from facilitair_events.types import TERMINAL_KINDS
from facilitair_testing.history.entries import Entry, violation
from facilitair_testing.history.index import Index
from facilitair_testing.history.types import Violation


def r12_sequences_are_dense(index: Index) -> Iterator[Violation]:
    """Events and their copies count 1, 2, 3, …; a number has one content."""
    for topic in (index.events, index.copies):
        for key, entries in topic.items():
            yield from _dense(key, entries)


def r12_copies_are_the_events(index: Index) -> Iterator[Violation]:
    """The copy of an event on the stream has its bytes; in the end every event has one."""
    for key in index.events.keys() | index.copies.keys():
        copies = {entry.data.seq: entry for entry in reversed(index.copies.get(key, []))}
        events = index.first.get(key, {})
        for seq in sorted(copies.keys() & events.keys()):
            if not _same(copies[seq], events[seq]):
                text = f"event {seq} and its copy on the stream differ"
                yield violation("R12", events[seq], copies[seq], key=key, text=text)
        if index.terms.ended:
            alone = sorted(copies.keys() ^ events.keys())
            for seq in alone:
                there = copies.get(seq) or events[seq]
                missing = "the stream has no copy of it" if seq in events else "there is no event"
                yield violation("R12", there, key=key, text=f"number {seq}: {missing}")


def i03_everything_accepted_ends_once(index: Index) -> Iterator[Violation]:
    """One terminal event, and nothing behind it."""
    for key, events in index.first.items():
        ends = [entry for entry in events.values() if entry.kind in TERMINAL_KINDS]
        if len(ends) > 1:
            yield violation("I3", *ends, key=key, text=f"it has {len(ends)} terminal events")
        if ends:
            behind = [e for e in events.values() if e.data.seq > ends[0].data.seq]
            behind = [e for e in behind if e not in ends]
            if behind:
                yield violation(
                    "I3", ends[0], *behind, key=key, text="events follow the terminal one"
                )
        elif index.terms.ended:
            yield violation(
                "I3", *list(events.values())[-1:], key=key, text="it has no terminal event"
            )


def _dense(key: str, entries: list[Entry]) -> Iterator[Violation]:
    seen: dict[int, Entry] = {}
    for entry in entries:
        seq = entry.data.seq
        if seq in seen:
            if not _same(seen[seq], entry):
                text = f"number {seq} stands for two different events"
                yield violation("R12", seen[seq], entry, key=key, text=text)
        elif seq != len(seen) + 1:
            yield violation("R12", entry, key=key, text=f"after number {len(seen)} comes {seq}")
            return
        else:
            seen[seq] = entry


def _same(one: Entry, other: Entry) -> bool:
    return one.record.value == other.record.value and one.record.headers == other.record.headers
