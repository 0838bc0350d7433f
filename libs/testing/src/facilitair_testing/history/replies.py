"""R15 and I8: what was answered is what the inbox leads to, and names where the stream begins.

``query-replies`` is kept for an hour: a reply that is missing is not judged, one that is there is.
"""

from collections.abc import Iterator

from facilitair_events.replies import RequestAnswered
from facilitair_events.requests import CollaborationRequested
from facilitair_events.topics import QUERY_REPLIES
from facilitair_testing.history.cursors import cursor_parts
from facilitair_testing.history.entries import Entry, grouped, violation
from facilitair_testing.history.index import Index
from facilitair_testing.history.types import Violation

_START = "start"
"""The cursor of a 202 whose reply did not come in time; it is resolved at connect."""


def r15_replies_are_those_of_the_inbox(index: Index) -> Iterator[Violation]:
    """Nobody is told what does not follow from the inbox."""
    written = grouped(
        (entry.key, entry)
        for entry in index.topics.get(QUERY_REPLIES, ())
        if isinstance(entry.data, RequestAnswered)
    )
    expected = {
        (sent.message.key.decode(), sent.message.value)
        for replay in index.replays.values()
        for sent in replay.first
        if sent.message.topic == QUERY_REPLIES
    }
    whole = {key.partition(":")[2] for key, replay in index.replays.items() if replay.whole}
    for name, entries in written.items():
        for entry in entries:
            known = entry.data.collaboration in whole
            if known and (name, entry.record.value) not in expected:
                key = _key(entry)
                yield violation("R15", entry, key=key, text=f"{entry.data.outcome} is no answer")


def i08_the_stream_begins_before_its_first_event(index: Index) -> Iterator[Violation]:
    """Who reads from where the request, or the 202, says that the stream begins misses nothing."""
    for key, entries in index.inbox.items():
        copies = index.copies.get(key, [])
        asked = [e for e in entries if isinstance(e.data, CollaborationRequested)]
        if copies and asked and asked[0].data.stream_start > copies[0].offset:
            text = f"its stream begins at {asked[0].data.stream_start}, behind its first event"
            yield violation("I8", asked[0], copies[0], key=key, text=text)
    for line in index.history.client:
        if line.op != "submit" or line.type != "ok" or line.cursor in {None, _START}:
            continue
        key = f"{line.tenant}:{line.collaboration}"
        copies = index.copies.get(key, [])
        fault = _cursor_fault(line.cursor or "", copies[0]) if copies else None
        if fault is not None:
            text = f"client {line.client} was given the cursor {line.cursor}, {fault}"
            yield violation("I8", copies[0], key=key, text=text)


def _cursor_fault(cursor: str, first: Entry) -> str | None:
    parts = cursor_parts(cursor)
    if parts is None:
        return "which is none"
    partition, offset, seq = parts
    if partition != first.record.partition:
        return "of another partition"
    if seq:
        return "as if events had been sent"
    return "which is behind the first event" if offset > first.offset else None


def _key(entry: Entry) -> str:
    envelope = entry.envelope
    tenant = "" if envelope is None else envelope.tenant
    return f"{tenant}:{entry.data.collaboration}"
