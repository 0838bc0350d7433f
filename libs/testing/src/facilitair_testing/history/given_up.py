"""I13: what becomes of a collaboration whose task nobody could read, and what is given up at all.

A task that its worker gives up ends its collaboration in failure, as far as its record says which
attempt it was; otherwise the timeout of its step ends the attempt. An operator who corrects a task
and puts it back makes it a task again.
"""

from collections.abc import Iterator

import msgspec

from facilitair_events.envelope import header
from facilitair_events.requests import CancelRequested
from facilitair_events.topics import AGENT_TASKS, AGENT_TASKS_BATCH
from facilitair_testing.history.entries import AttemptId, Entry, collaboration_of, violation
from facilitair_testing.history.index import Index
from facilitair_testing.history.letters import letters_by_origin, origin_of
from facilitair_testing.history.types import Violation

_SCHEDULED = "step.scheduled"
_LOST = "attempt.unknown"
_FAILED = "collaboration.failed"
_EXPIRED = "collaboration.expired"
_CANCELLED = "collaboration.cancelled"


def i13_a_task_that_is_given_up_ends_in_failure(index: Index) -> Iterator[Violation]:
    """Never in success, and never in silence; a user or the deadline may have been faster."""
    for attempt, task in given_up_tasks(index).items():
        kinds = _kinds(index, attempt)
        end = index.terminal(attempt.key)
        if _SCHEDULED not in kinds or (end is None and not index.terms.ended):
            continue
        if _LOST in kinds:
            continue  # who gave it up died before it said so: its silence ended the attempt
        legal = {_FAILED, _EXPIRED}
        if any(isinstance(e.data, CancelRequested) for e in index.inbox.get(attempt.key, ())):
            legal.add(_CANCELLED)
        if end is None or end.kind not in legal:
            ending = "it does not end" if end is None else f"it ends as {end.kind}"
            text = f"{ending} although {attempt} was given up"
            yield violation("I13", task, *([end] if end else []), key=attempt.key, text=text)


def i13_only_what_cannot_be_handled_is_given_up(index: Index) -> Iterator[Violation]:
    """A record of the inbox that counted has no dead letter of those who counted it."""
    letters = letters_by_origin(index)
    for key, replay in index.replays.items():
        rejected = {entry.offset for entry in replay.rejected}
        for entry in index.inbox[key]:
            applied = replay.effects.get(entry.offset) == "applied"
            found = letters.get(origin_of(entry.record), []) if applied else []
            if found and entry.offset not in rejected:
                text = "a record that counted was dead-lettered"
                yield violation("I13", entry, found[0], key=key, text=text)


def _kinds(index: Index, attempt: AttemptId) -> set[str]:
    """What the events say of an attempt."""
    return {
        event.kind
        for event in index.first.get(attempt.key, {}).values()
        if getattr(event.data, "step", None) == attempt.path
        and getattr(event.data, "attempt", None) == attempt.attempt
    }


def given_up_tasks(index: Index) -> dict[AttemptId, Entry]:
    """The attempts of which every task was dead-lettered, each with its last task."""
    letters = letters_by_origin(index)
    found: dict[AttemptId, Entry] = {}
    handed_out: set[AttemptId] = set()
    for topic in (AGENT_TASKS, AGENT_TASKS_BATCH):
        for entry in index.topics.get(topic, ()):
            attempt = _attempt_of(entry)
            if attempt is not None and origin_of(entry.record) in letters:
                found[attempt] = entry
            elif attempt is not None:
                handed_out.add(attempt)
    return {attempt: task for attempt, task in found.items() if attempt not in handed_out}


def _attempt_of(entry: Entry) -> AttemptId | None:
    """By its key and header; where there is no header, by its value."""
    key = collaboration_of(entry.key)
    if key is None or key == entry.key:
        return None
    path = entry.key.removeprefix(f"{key}:")
    said = header(entry.record.headers, "attempt") or _number(entry.record.value or b"")
    return AttemptId(key, path, int(said)) if said.isdigit() else None


def _number(value: bytes) -> bytes:
    try:
        told = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return b""
    return str(told.get("attempt", "")).encode() if isinstance(told, dict) else b""
