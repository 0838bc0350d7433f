"""Calls of processes that are gone: declared, never repeated (R20)."""

from facilitair_agent_worker.claims import Claims
from facilitair_agent_worker.ledger import AttemptKey, Ledger, OpenCall
from facilitair_agent_worker.reports import Reports
from facilitair_events.keys import split_task_key
from facilitair_events.requests import CallReported


async def declare_orphans(
    *, ledger: Ledger, claims: Claims, reports: Reports, incarnation: str
) -> int:
    """Close every open attempt of another incarnation and return how many there were.

    The attempt's next call index is claimed first: only who wins it may speak for it.
    """
    declared = 0
    for key, calls in ledger.orphans(incarnation):
        cause = calls[-1].envelope
        fence = await claims.claim(key, index=calls[-1].index + 1, cause=cause, fence=True)
        if fence is None:
            continue
        silent = [call for call in calls if not (call.fence or call.voided or call.done)]
        report = _report(key, silent, fence_id=fence.call_id, fence_index=fence.index)
        await reports.send(key.task, [report], cause=cause)
        await claims.done(fence, outcome=report.outcome, last=True, cause=cause)
        declared += 1
    return declared


def _report(
    key: AttemptKey, silent: list[OpenCall], *, fence_id: str, fence_index: int
) -> CallReported:
    """``unknown`` for the call that was open, ``void`` where none was; both close the attempt."""
    path = split_task_key(key.task)[2]
    if silent:
        call = silent[-1]
        return CallReported(
            call_id=call.call_id,
            path=path,
            attempt=key.attempt,
            index=call.index,
            outcome="unknown",
        )
    return CallReported(
        call_id=fence_id, path=path, attempt=key.attempt, index=fence_index, outcome="void"
    )
