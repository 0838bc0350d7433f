"""R7, I11 and I1 by replay: what stands in the log is what the inbox leads to, and all of it.

Which of two records of different topics was acked first is known by append time only, so a command
may have the stamp of its events but not an older one.
These rules compare whole histories, so they repeat whatever another rule found, less plainly:
``judging`` asks the replay about a collaboration only when nothing else is wrong with it.
"""

from collections.abc import Iterator

from facilitair_events.accounts import CallCharged, FundsRequested, FundsReturned
from facilitair_events.envelope import header
from facilitair_events.topics import (
    ACCOUNT_REQUESTS,
    AGENT_TASKS,
    AGENT_TASKS_BATCH,
    COLLABORATION_EVENTS,
    WORKER_CONTROL,
)
from facilitair_events.work import RunAttempt, StopAttempts
from facilitair_messaging.ports import Message, Record
from facilitair_testing.history.entries import AttemptId, Entry, collaboration_of, violation
from facilitair_testing.history.given_up import given_up_tasks
from facilitair_testing.history.index import Index
from facilitair_testing.history.replaying import Expected
from facilitair_testing.history.types import Violation

_COMMANDS = (AGENT_TASKS, AGENT_TASKS_BATCH, WORKER_CONTROL, ACCOUNT_REQUESTS)
_OF_COLLABORATIONS = (RunAttempt, StopAttempts, FundsRequested, CallCharged, FundsReturned)
"""What else is asked of an account comes from people."""


def r07_commands_follow_their_events(index: Index) -> Iterator[Violation]:
    """A task follows the event that schedules it; a command follows every event of its cause."""
    by_cause: dict[tuple[str, str], list[Entry]] = {}
    for key, events in index.first.items():
        for event in events.values():
            by_cause.setdefault((key, event.cause or ""), []).append(event)
    scheduled = {
        AttemptId(key, event.data.step, event.data.attempt): event
        for key, events in index.first.items()
        for event in events.values()
        if event.kind == "step.scheduled"
    }
    for entry in _commands(index):
        key = _owner(entry)
        late = [
            event
            for event in by_cause.get((key, entry.cause or ""), ())
            if event.at_ms > entry.at_ms + index.terms.jumps_ms
        ]
        if late:
            yield violation("R7", entry, late[0], key=key, text="it is older than its events")
        elif isinstance(entry.data, RunAttempt):
            attempt = AttemptId(key, entry.data.path, entry.data.attempt)
            if attempt not in scheduled:
                text = f"attempt {attempt.attempt} of {attempt.path} was never scheduled"
                yield violation("R7", entry, key=key, text=text)


def r07_commands_are_those_of_the_inbox(index: Index) -> Iterator[Violation]:
    """Every command is what the inbox leads to, and is there."""
    written: dict[str, list[Entry]] = {}
    given_up = given_up_tasks(index).values()
    for entry in _commands(index):
        written.setdefault(_owner(entry), []).append(entry)
    for key in index.replays.keys() | written.keys():
        replay = index.replays.get(key)
        if replay is not None and not replay.whole:
            continue
        expected = [e for e in (replay.second if replay else ()) if e.message.topic in _COMMANDS]
        known = {_bytes(e.message) for e in expected}
        for entry in written.get(key, ()):
            if _bytes(entry.record) not in known:
                text = f"{entry.kind or 'a command'} does not follow from the inbox"
                yield violation("R7", entry, key=key, text=text)
        there = {_bytes(entry.record) for entry in written.get(key, ())}
        spoilt = {(e.record.topic, e.record.key) for e in given_up if e.key.startswith(key)}
        spoilt |= _spoilt_requests(index, key)
        for lost in (e for e in expected if _bytes(e.message) not in there):
            if (lost.message.topic, lost.message.key) in spoilt:
                continue  # it was written, and what became of it is judged as I13
            if _must_be_there(index, key, expected=lost):
                name = (header(lost.message.headers, "ce_type") or b"").decode()
                text = f"{name} of inbox offset {lost.offset} was never written to"
                yield violation("R7", key=key, text=f"{text} {lost.message.topic}")


def i11_events_are_those_of_the_inbox(index: Index) -> Iterator[Violation]:
    """Each record of the inbox counted once and in order: the events are those of a replay."""
    for key, replay in index.replays.items():
        expected = [e for e in replay.first if e.message.topic == COLLABORATION_EVENTS]
        events = list(index.first.get(key, {}).values())
        for event, wanted in zip(events, expected, strict=False):
            if _bytes(event.record) != _bytes(wanted.message):
                text = f"event {event.data.seq} is not what inbox offset {wanted.offset} leads to"
                yield violation("I11", event, key=key, text=text)
                break
        if len(events) > len(expected) and replay.whole:
            text = "an event follows from nothing in the inbox"
            yield violation("I11", events[len(expected)], key=key, text=text)
        lost = expected[len(events) :]
        if lost and _must_be_there(index, key, expected=lost[0]):
            text = f"what inbox offset {lost[0].offset} leads to was never written"
            yield violation("I11", *events[-1:], key=key, text=text)
    for key in index.first.keys() - index.replays.keys():
        text = "there is an event and nothing in the inbox"
        yield violation("I11", *list(index.first[key].values())[:1], key=key, text=text)


def _commands(index: Index) -> list[Entry]:
    return [
        entry
        for topic in _COMMANDS
        for entry in index.topics.get(topic, ())
        if isinstance(entry.data, _OF_COLLABORATIONS)
    ]


def _owner(entry: Entry) -> str:
    """The collaboration that a command is of; an account's key names its tenant alone."""
    if entry.record.topic == ACCOUNT_REQUESTS:
        return f"{entry.key}:{entry.data.collaboration}"
    return collaboration_of(entry.key) or entry.key


def _spoilt_requests(index: Index, key: str) -> set[tuple[str, bytes | None]]:
    """The place of requests of a tenant that were spoiled on their way."""
    entries = index.topics.get(ACCOUNT_REQUESTS, ())
    return {
        (e.record.topic, e.record.key)
        for e in entries
        if e.data is None and key.startswith(f"{e.key}:")
    }


def _must_be_there(index: Index, key: str, *, expected: Expected) -> bool:
    """What a snapshot covers is written before it (R8); in the end everything is."""
    covered = [entry.data.applied for entry in index.state.get(key, ())]
    return index.terms.ended or expected.offset <= max(covered, default=-1)


def _bytes(record: Record | Message) -> tuple[object, ...]:
    return record.topic, record.key, record.value, record.headers
