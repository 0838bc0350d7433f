"""Nothing is called that was not paid for: money and slots of a collaboration (since logic 3).

``progress.schedule`` lets steps wait here, and ``follow_up``, at the end of a record, starts those
that there is money and a slot for, in order, and asks for what the others need.
"""

from sys import intern
from typing import Final

from msgspec.structs import replace

from facilitair_events.accounts import FundsAnswered, Part
from facilitair_events.collaboration import BudgetReserved
from facilitair_events.requests import CollaborationRequested, Fault
from facilitair_events.state import FundsState, StepState
from facilitair_workflows.reducing import ending, funds_policy, progress
from facilitair_workflows.reducing.draft import FUNDS_SINCE, Draft
from facilitair_workflows.reducing.funds_limits import exceeded, refusal_of, room, waits
from facilitair_workflows.reducing.funds_needs import (
    MOST_PARTS,
    Need,
    Pool,
    likely,
    need_of,
    width,
)
from facilitair_workflows.reducing.funds_requests import ask, funds_of, give_back

FIRST_WAIT_MS: Final = 120_000
"""How long an account may take to answer before the collaboration fails as not having begun."""

LATER_WAIT_MS: Final = 600_000
"""The same in mid-run, where more is lost by giving up."""

MOST_STALE: Final = 3
"""Asks in a row that came too late; each is asked anew."""


def of_request(request: CollaborationRequested) -> FundsState | None:
    """What a collaboration begins with; None where the request does not ask for accounts."""
    if request.logic < FUNDS_SINCE or request.policy.get("reserve") != "required":
        return None
    own = request.definition.budget_usd if request.definition is not None else None
    limits = [usd for usd in (request.budget_usd, own) if usd is not None]
    return FundsState(limit_usd=min(limits, default=None))


def follow_up(draft: Draft) -> None:
    """Start what may start, ask for what is missing, and end or rest once nothing is open."""
    if draft.state.funds is None or not draft.running:
        return
    funds = funds_of(draft)
    if funds.refused is not None:
        if not _open_attempts(draft):
            ending.fail(draft, funds.refused, step=funds.asked_for)
    elif draft.state.status == "paused":
        if funds.slots and not _open_attempts(draft):
            give_back(draft)
    elif draft.stirred:
        _start_waiting(draft)


def _start_waiting(draft: Draft) -> None:
    """Look at every step that waits, in order; one without money does not hold up the others."""
    funds = funds_of(draft)
    pool = Pool(unused=dict(funds.unused), unpriced=dict(funds.unpriced))
    free = funds.slots - _open_attempts(draft)
    missing: list[StepState] = []
    for path in [step.path for step in draft.steps.values() if step.funding is not None]:
        if funds.slots and free <= 0:
            break
        need = _affordable(draft, draft.steps[path])
        if not _going_on(draft):
            follow_up(draft)
            return
        if need is None:
            continue
        step = draft.steps[path]
        if funds.slots and pool.take(need):
            free -= 1
            # An event leaves a default out only where it is the very same object, and a reason
            # that went through a snapshot is a copy: other bytes after a restart (R6).
            reason = intern(step.funding or "")
            progress.start(draft, _paid(draft, step, need=need), reason=reason)
        else:
            missing.append(step)
            if len(missing) == MOST_PARTS:  # no more can be asked for at once
                break
    if missing and draft.running and _may_ask(draft):
        _ask(draft, missing, pool=pool)


def _may_ask(draft: Draft) -> bool:
    """One ask at a time, and none while only an attempt that closes can change the answer."""
    funds = funds_of(draft)
    return not funds.asked and not (funds.short and _open_attempts(draft))


def _going_on(draft: Draft) -> bool:
    funds = funds_of(draft)
    return draft.running and funds.refused is None and draft.state.status != "paused"


def _open_attempts(draft: Draft) -> int:
    return sum(step.open > 0 for step in draft.steps.values())


def _affordable(draft: Draft, step: StepState) -> Need | None:
    """What a step needs, if its budgets allow that now; None while it has to wait.

    A budget that leaves too little is refused, unless open attempts may give some of it back.
    """
    while True:
        need = need_of(draft, step)
        limit = exceeded(draft, need)
        if limit is None:
            return need
        if waits(draft, limit):
            return None
        refusal = refusal_of(draft, need, limit=limit)
        cheaper = funds_policy.refuse(draft, step, refusal=refusal)
        if cheaper is None:
            return None
        step = cheaper


def _paid(draft: Draft, step: StepState, *, need: Need) -> StepState:
    """The step with its money set aside."""
    funds = funds_of(draft)
    pool = Pool(unused=dict(funds.unused), unpriced=dict(funds.unpriced))
    pool.take(need)
    draft.set(funds=replace(funds, unused=pool.unused, unpriced=pool.unpriced))
    return replace(step, funding=None, reserved_usd=need.usd)


def _ask(draft: Draft, missing: list[StepState], *, pool: Pool) -> None:
    """Ask for the steps that are ready and for those that are likely to follow."""
    funds = funds_of(draft)
    first = not funds.slots
    slots = width(draft.definition.steps) if first else 0
    parts = _parts(draft, missing, pool=None if first else pool)
    ask(draft, parts, slots=slots, path=missing[0].path)
    begun = draft.state.status != "accepted"
    wait_ms = LATER_WAIT_MS if begun else FIRST_WAIT_MS
    draft.arm("reserve", due_ms=draft.now_ms + wait_ms)


def _parts(draft: Draft, missing: list[StepState], *, pool: Pool | None) -> tuple[Part, ...]:
    """What is asked for beside ``pool``, at most what the collaboration's own budget leaves.

    Without a pool also what costs nothing: then slots are asked for.
    """
    left = room(draft)
    found: list[Part] = []
    for need in likely(draft, missing):
        part = pool.missing(need) if pool else Part(agent=need.agent, usd=need.usd)
        if part is None:
            continue
        if left is not None:
            usd = left + 1 if part.usd is None else part.usd
            if found and usd > left:
                break
            left -= usd
        found.append(part)
        if len(found) == MOST_PARTS:
            break
    return tuple(found)


def on_answered(draft: Draft, answer: FundsAnswered) -> None:
    """Take in what the account says; only the answer to the open ask counts (R11)."""
    funds = draft.state.funds
    if funds is None or answer.n != funds.asked or not draft.running:
        return
    draft.disarm_named("reserve")
    if answer.outcome == "waiting":
        draft.set(funds=replace(funds, queued=True))
    elif answer.outcome == "granted":
        _granted(draft, answer)
    else:
        _refused(draft, answer)


def _granted(draft: Draft, answer: FundsAnswered) -> None:
    funds = funds_of(draft)
    unused, unpriced = dict(funds.unused), dict(funds.unpriced)
    for part in answer.parts:
        if part.usd is None:
            unpriced[part.agent] = unpriced.get(part.agent, 0) + 1
        else:
            unused[part.agent] = unused.get(part.agent, 0) + part.usd
    slots = answer.slots or funds.slots
    draft.stirred = True
    draft.set(
        funds=replace(
            funds,
            short=len(answer.parts) < funds.parts,
            asked=0,
            asked_for=None,
            queued=False,
            stale=0,
            unused=unused,
            unpriced=unpriced,
            slots=slots,
        )
    )
    prices = [part.usd for part in answer.parts]
    usd = sum(price for price in prices if price is not None)
    draft.emit(BudgetReserved, usd=None if None in prices else usd, calls=len(prices), slots=slots)
    if draft.state.status == "accepted":
        draft.set(status="running")
        draft.arm_deadline()


def _refused(draft: Draft, answer: FundsAnswered) -> None:
    funds = funds_of(draft)
    refusal, path = funds_policy.told(answer), funds.asked_for
    stale = refusal.code == "stale" and funds.stale < MOST_STALE
    draft.set(
        funds=replace(
            funds, asked=0, asked_for=None, queued=False, stale=funds.stale + 1 if stale else 0
        )
    )
    step = funds_policy.blocked_step(draft, path)
    draft.stirred = True
    if step is not None and not stale and funds.refused is None:
        funds_policy.refuse(draft, step, refusal=refusal)


def on_silence(draft: Draft) -> None:
    """The account says nothing: end before the beginning, or once nothing is open any more."""
    wait_s = (FIRST_WAIT_MS if draft.state.status == "accepted" else LATER_WAIT_MS) // 1000
    message = f"the account did not answer within {wait_s} s, so no money was set aside; try again"
    fault = Fault(code="budget_unavailable", message=message, retryable=True)
    draft.set(funds=replace(funds_of(draft), asked=0, refused=fault))
