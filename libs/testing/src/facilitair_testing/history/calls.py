"""R17, R18, R19, R21 and R22: ids, the ledger's records, one claim for each request.

What the provider saw is in its journal, which has a clock of its own: a claim may seem younger than
its request by ``skew_ms``. Which of several claimants sent a request is not in the journal; that
only the winner did follows from the count, and from who goes on to speak of the call.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from facilitair_events.collaboration import AttemptUnknown, StepScheduled
from facilitair_events.errors import KeyFormatError
from facilitair_events.ids import call_id
from facilitair_events.keys import split_call_key
from facilitair_events.requests import AttemptReported, CallReported
from facilitair_events.topics import LLM_CALLS
from facilitair_events.work import (
    CallClaimed,
    CallDone,
    CallRenewed,
    CallVoided,
    LedgerTicked,
)
from facilitair_testing.history.entries import (
    AttemptId,
    Entry,
    collaboration_of,
    grouped,
    tenant_and_id,
    violation,
)
from facilitair_testing.history.index import Index
from facilitair_testing.history.ledgers import Call
from facilitair_testing.history.letters import letters_by_origin, origin_of
from facilitair_testing.history.types import Violation

_KINDS: Final[dict[type, str]] = {
    CallClaimed: "claim",
    CallRenewed: "renewal",
    CallVoided: "void",
    CallDone: "done",
    LedgerTicked: "tick",
}
_SHORT: Final = 128
"""Ids, nonces and paths are shorter than this; an answer or a prompt is not."""


def r17_ids_follow_from_what_they_name(index: Index) -> Iterator[Violation]:
    """Claims and reports carry the id of their tenant, collaboration, path, attempt and index."""
    claims = [e for e in index.topics.get(LLM_CALLS, ()) if isinstance(e.data, CallClaimed)]
    reports = [e for found in index.inbox.values() for e in found]
    for entry in (*claims, *(e for e in reports if isinstance(e.data, CallReported))):
        key, data = collaboration_of(entry.key), entry.data
        if key is not None and data.call_id != _id(key, data.path, data.attempt, data.index):
            text = f"{data.call_id} is not call {data.index} of attempt {data.attempt}"
            yield violation("R17", entry, key=key, text=f"{text} at {data.path}")
    for key, events in index.first.items():
        for entry in events.values():
            if isinstance(entry.data, AttemptUnknown) and not _names_its_call(key, entry.data):
                text = f"{entry.data.call_id} is no call of attempt {entry.data.attempt}"
                yield violation("R17", entry, key=key, text=f"{text} at {entry.data.step}")


def r19_a_nonce_is_of_one_claim(index: Index) -> Iterator[Violation]:
    """A nonce is fresh for each claim and is sent once."""
    claims = grouped(
        (entry.data.nonce, entry)
        for entry in index.topics.get(LLM_CALLS, ())
        if isinstance(entry.data, CallClaimed)
    )
    for nonce, entries in claims.items():
        if len(entries) > 1:
            key = collaboration_of(entries[0].key) or entries[0].key
            yield violation("R19", *entries, key=key, text=f"nonce {nonce} is of several claims")


def r17_attempts_count_up(index: Index) -> Iterator[Violation]:
    """An attempt number of a path is given out once, in the events and in the tasks."""
    for key, events in index.first.items():
        last: dict[str, Entry] = {}
        for entry in events.values():
            if not isinstance(entry.data, StepScheduled):
                continue
            before = last.get(entry.data.step)
            if before is not None and entry.data.attempt <= before.data.attempt:
                text = f"attempt {entry.data.attempt} of {entry.data.step} is given out again"
                yield violation("R17", before, entry, key=key, text=text)
            last[entry.data.step] = entry
    for attempt, tasks in index.tasks.items():
        for other in tasks[1:]:
            if other.record.value != tasks[0].record.value:
                text = f"attempt {attempt.attempt} of {attempt.path} has two different tasks"
                yield violation("R17", tasks[0], other, key=attempt.key, text=text)


def r18_ledger_records_hold_no_text(index: Index) -> Iterator[Violation]:
    """A key says what its value says, and a value holds ids and numbers only."""
    for entry in index.topics.get(LLM_CALLS, ()):
        if entry.data is None:
            continue
        fault = _ledger_fault(entry)
        if fault is not None:
            key = collaboration_of(entry.key) or entry.key
            yield violation("R18", entry, key=key, text=fault)


def r19_each_request_has_an_earlier_claim(index: Index) -> Iterator[Violation]:
    """What reached the provider was claimed first, by somebody who meant to ask, and once."""
    ledger = index.ledger
    names = _names(index)
    for ident, requests in index.requests.items():
        call = ledger.calls.get(ident)
        key = call.attempt.key if call else names.get(ident, f"call {ident}")
        winner = [call.winner] if call and call.winner else []
        for fault in _request_faults(call, at_ms=requests[0].at_ms, skew_ms=index.terms.skew_ms):
            yield violation("R19", *winner, key=key, text=f"call {ident} {fault}")
        if len(requests) > 1:
            text = f"call {ident} was asked {len(requests)} times"
            yield violation("R19", *winner, key=key, text=text)


def r19_only_the_winner_speaks(index: Index) -> Iterator[Violation]:
    """Whoever did not win the claim of a call says nothing about it; nor is there a result."""
    ledger = index.ledger
    for call in ledger.calls.values():
        if call.strangers:
            text = f"somebody speaks of call {call.call_id} who did not win its claim"
            yield violation("R19", *call.strangers, key=call.attempt.key, text=text)
    for key, entries in index.inbox.items():
        for entry in entries:
            data = entry.data
            if not isinstance(data, CallReported) or data.outcome == "unknown":
                continue
            found = ledger.calls.get(data.call_id)
            if found is None or found.winner is None:
                text = f"call {data.call_id} has a result and no claim"
                yield violation("R19", entry, key=key, text=text)


def r21_no_task_is_forgotten(index: Index) -> Iterator[Violation]:
    """A task below the committed offset is claimed, answered, or dead-lettered."""
    answered = {
        AttemptId(key, entry.data.path, entry.data.attempt)
        for key, entries in index.inbox.items()
        for entry in entries
        if isinstance(entry.data, AttemptReported)
    }
    given_up = letters_by_origin(index)
    for attempt, tasks in index.tasks.items():
        committed = index.history.committed.get(tasks[0].record.tp, 0)
        done = attempt in answered or index.ledger.claimed(attempt)
        if tasks[0].offset < committed and not done and origin_of(tasks[0].record) not in given_up:
            text = f"attempt {attempt.attempt} of {attempt.path}: its task was committed unanswered"
            yield violation("R21", tasks[0], key=attempt.key, text=text)


def r22_finished_calls_are_not_paid_again(index: Index) -> Iterator[Violation]:
    """An attempt asks nothing that its task says an earlier one was answered."""
    for key, entries in index.inbox.items():
        for entry in entries:
            data = entry.data
            if not isinstance(data, CallReported) or data.request_digest is None:
                continue
            task = index.task(AttemptId(key, data.path, data.attempt))
            finished = {call.request_digest for call in task.finished} if task else set()
            if data.request_digest in finished:
                text = f"attempt {data.attempt} of {data.path} paid again for a finished call"
                yield violation("R22", entry, key=key, text=text)


def _id(key: str, path: str, attempt: int, index: int) -> str:  # noqa: PLR0917 - the order of R17
    tenant, collaboration = tenant_and_id(key)
    return call_id(tenant, collaboration, path, attempt, index)


def _names_its_call(key: str, event: AttemptUnknown) -> bool:
    # Which index it was depends on how many calls were known; an attempt has few.
    return any(event.call_id == _id(key, event.step, event.attempt, n) for n in range(32))


def _ledger_fault(entry: Entry) -> str | None:
    try:
        parts = split_call_key(entry.key)
    except KeyFormatError as error:
        return str(error)
    data = entry.data
    if parts.kind != _KINDS.get(type(data)):
        return f"a key of kind {parts.kind} holds {type(data).__name__}"
    said = msgspec.json.decode(entry.record.value or b"")
    strange = said.keys() - set(data.__struct_fields__)
    if strange:
        return f"it holds {', '.join(sorted(strange))}, which is not of the ledger"
    long = [name for name, value in said.items() if isinstance(value, str) and len(value) > _SHORT]
    if long:
        return f"{', '.join(long)} is a text"
    if isinstance(data, LedgerTicked):
        return None
    if (parts.call_id, parts.nonce, parts.path) != (data.call_id, data.nonce, data.path):
        return "its key names another call, nonce or path than its value"
    return None


def _request_faults(call: Call | None, *, at_ms: float, skew_ms: int) -> Iterator[str]:
    if call is None or call.winner is None:
        yield "was asked without a claim"
        return
    if call.winner.at_ms > at_ms + skew_ms + 1:
        yield f"was asked {call.winner.at_ms - at_ms:.0f} ms before its claim"
    if call.fence:
        yield "was asked although it was claimed to close its attempt"
    if call.voided is not None:
        yield "was asked although its claimant gave it up"


def _names(index: Index) -> dict[str, str]:
    """The collaboration of each first call that a task may lead to."""
    return {_id(a.key, a.path, a.attempt, 0): a.key for a in index.tasks}
