"""Closing the attempt of a silent claimant, at most once and never over a live one (R20)."""

from collections.abc import Callable

import structlog

from facilitair_agent_worker.claims import Claim, Claims
from facilitair_agent_worker.ledger import AttemptKey, Ledger, OpenCall
from facilitair_agent_worker.reports import Reports
from facilitair_events.keys import split_task_key
from facilitair_events.requests import CallOutcome, CallReported


class Declarer:
    """Says ``unknown`` of the calls that were open, or ``void`` where none was.

    Repeating it is harmless: the reports have the same ids, and the first outcome of a call counts.
    """

    def __init__(self, *, ledger: Ledger, claims: Claims, reports: Reports) -> None:
        self._ledger = ledger
        self._claims = claims
        self._reports = reports

    async def declare(
        self, key: AttemptKey, *, still: Callable[[AttemptKey], bool]
    ) -> CallOutcome | None:
        """Close an open attempt; None when that is not ours to do.

        The attempt's next call index is claimed first: from then on its claimant cannot go on, and
        only who won it may speak. ``still`` is asked once more then: a renewal may have come with
        what was read meanwhile. In that case the claimant ends the attempt itself, or goes silent
        again and the next index is claimed.
        """
        calls = self._ledger.calls(key)
        if not calls:
            return None
        last = calls[-1]
        fence = await self._claims.claim(key, index=last.index + 1, cause=last.envelope, fence=True)
        # What was read up to the fence counts, not what was known when it was sent.
        calls = self._ledger.calls(key)
        if fence is None or not calls or not still(key):
            return None
        reports = closing_reports(key, calls, fence=fence)
        outcome = reports[-1].outcome
        await self._reports.send(key.task, reports, cause=fence.cause)
        await self._claims.done(fence, outcome=outcome, last=True)
        structlog.get_logger().info(
            "attempt declared", task=key.task, attempt=key.attempt, outcome=outcome
        )
        return outcome


def closing_reports(key: AttemptKey, calls: list[OpenCall], *, fence: Claim) -> list[CallReported]:
    """What closes an attempt: ``unknown`` for each open call, else one ``void``.

    The void is that of the call whose claimant walked away, if there is one: its own report may be
    missing, and a second one counts nothing.
    """
    silent = [call for call in calls if not (call.fence or call.voided or call.done)]
    if silent:
        return [_report(key, call.call_id, index=call.index, outcome="unknown") for call in silent]
    voided = [call for call in calls if call.voided and not call.done]
    if voided:
        return [_report(key, voided[-1].call_id, index=voided[-1].index, outcome="void")]
    return [_report(key, fence.call_id, index=fence.index, outcome="void")]


def _report(key: AttemptKey, call_id: str, *, index: int, outcome: CallOutcome) -> CallReported:
    return CallReported(
        call_id=call_id,
        path=split_task_key(key.task)[2],
        attempt=key.attempt,
        index=index,
        outcome=outcome,
    )
