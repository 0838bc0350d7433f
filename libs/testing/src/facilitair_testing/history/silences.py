"""R20 and R23: who may be called silent, when, and what follows a stop.

Silence is judged as decision 0006 has it: in log time, where a gap between two records counts for
half a lease at most, by what the declaring worker can have read when it wrote its report.
The order of a fence, its read-back and the report is known up to equal append times.

Of R23 a history shows only how late a stop was noticed. A worker learns of a stop by reading a
topic; nothing bounds how long that takes while it is itself stopped, so ``stop_grace_ms`` has to
cover the faults of the run.
"""

from collections.abc import Iterator

from facilitair_events.requests import AttemptReported, CallReported
from facilitair_events.work import StopAttempts
from facilitair_testing.history.entries import AttemptId, Entry, first_chunks, grouped, violation
from facilitair_testing.history.index import Index
from facilitair_testing.history.ledgers import Call
from facilitair_testing.history.types import Violation


def r20_only_the_silent_are_declared(index: Index) -> Iterator[Violation]:
    """``unknown``, and ``void`` by somebody else, follow a fence and a lease of silence."""
    ledger = index.ledger
    for key, entries in index.inbox.items():
        for entry in entries:
            data = entry.data
            if not isinstance(data, CallReported) or data.outcome not in ("unknown", "void"):
                continue
            call = ledger.calls.get(data.call_id)
            if call is not None and _gave_up_itself(index, call, report=entry):
                continue
            fences = _fences(index, AttemptId(key, data.path, data.attempt), report=entry)
            if not fences:
                text = f"call {data.call_id} is {data.outcome} and no fence was claimed before"
                yield violation("R20", entry, key=key, text=text)
            elif not any(_silent(index, call, fence=f, report=entry) for f in fences):
                text = f"call {data.call_id} is {data.outcome}, and its claimant was not silent"
                yield violation("R20", fences[0], entry, key=key, text=text)


def r20_results_precede_done(index: Index) -> Iterator[Violation]:
    """``done`` is written once the outcome is in the inbox."""
    reported: dict[AttemptId, Entry] = {}
    for key, entries in index.inbox.items():
        for entry in entries:
            if isinstance(entry.data, CallReported | AttemptReported):
                attempt = AttemptId(key, entry.data.path, entry.data.attempt)
                reported.setdefault(attempt, entry)
    for attempt, done in index.ledger.dones:
        report = reported.get(attempt)
        if report is None or report.at_ms > done.at_ms + index.terms.jumps_ms:
            found = [] if report is None else [report]
            text = f"attempt {attempt.attempt} of {attempt.path} is done before its outcome is told"
            yield violation("R20", done, *found, key=attempt.key, text=text)


def r23_a_stop_ends_what_it_names(index: Index) -> Iterator[Violation]:
    """No request begins, and no new text is written, long after the stop of its attempt."""
    requests = grouped(
        (call.attempt, line.at_ms)
        for ident, lines in index.requests.items()
        if (call := index.ledger.calls.get(ident)) is not None
        for line in lines
    )
    for attempt, stop in _stops(index).items():
        late_ms = stop.at_ms + index.terms.stop_grace_ms + index.terms.jumps_ms
        if any(at_ms > late_ms + index.terms.skew_ms for at_ms in requests.get(attempt, ())):
            text = f"attempt {attempt.attempt} of {attempt.path} asks a model after its stop"
            yield violation("R23", stop, key=attempt.key, text=text)
        written = first_chunks(index.attempts.get(attempt, []))
        late = [entry for entry in written if entry.at_ms > late_ms]
        if late:
            text = f"attempt {attempt.attempt} of {attempt.path} writes after its stop"
            yield violation("R23", stop, late[0], key=attempt.key, text=text)


def _gave_up_itself(index: Index, call: Call, *, report: Entry) -> bool:
    """The claimant walked away before it asked, and says so (R19, R24)."""
    voided = call.voided
    if voided is None or report.data.outcome != "void":
        return False
    return voided.at_ms <= report.at_ms + index.terms.jumps_ms


def _fences(index: Index, attempt: AttemptId, *, report: Entry) -> list[Entry]:
    """The fences that whoever reported can have won."""
    calls = index.ledger.of_attempt.get(attempt, [])
    return [
        call.winner
        for call in calls
        if call.winner is not None
        and call.fence
        and call.winner.data.index >= report.data.index
        and call.winner.at_ms <= report.at_ms + index.terms.jumps_ms
    ]


def _silent(index: Index, call: Call | None, *, fence: Entry, report: Entry) -> bool:
    if index.terms.lease_ms:
        attempt = AttemptId(report.key, report.data.path, report.data.attempt)
        until_ms = report.at_ms + index.terms.jumps_ms
        return index.ledger.silent(attempt, since=fence, until_ms=until_ms)
    claimed_by = call.winner.data.incarnation if call and call.winner and not call.fence else None
    return bool(claimed_by != fence.data.incarnation)


def _stops(index: Index) -> dict[AttemptId, Entry]:
    """The first stop of each attempt that was stopped."""
    found: dict[AttemptId, Entry] = {}
    for key, entries in index.stops.items():
        for entry in entries:
            if isinstance(entry.data, StopAttempts):
                for ref in entry.data.attempts:
                    found.setdefault(AttemptId(key, ref.path, ref.attempt), entry)
    return found
