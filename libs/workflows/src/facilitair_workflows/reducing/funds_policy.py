"""What follows when money is refused, as the workflow says (since logic 3)."""

from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from facilitair_events.accounts import FundsAnswered, Refusal
from facilitair_events.collaboration import (
    BudgetRefused,
    CollaborationPaused,
    CollaborationResumed,
)
from facilitair_events.requests import Fault, ResumeRequested
from facilitair_events.state import StepState
from facilitair_workflows.reducing.draft import REMEMBERED_CLIENT_IDS, Draft
from facilitair_workflows.reducing.funds_needs import need_of
from facilitair_workflows.reducing.funds_requests import funds_of

_LATER: Final = frozenset({"stale", "too_many_names", "too_many_open"})
_NO_REASON: Final = Refusal(code="refused", message="the account gave no reason")


def told(answer: FundsAnswered) -> Refusal:
    """Why the account refused."""
    return answer.refusal or _NO_REASON


def blocked_step(draft: Draft, path: str | None) -> StepState | None:
    """The step that an ask was made for, if it still waits; else the first that does."""
    steps = [step for step in draft.steps.values() if step.funding is not None]
    return next((step for step in steps if step.path == path), steps[0] if steps else None)


def refuse(draft: Draft, step: StepState, *, refusal: Refusal) -> StepState | None:
    """Tell it and do what the workflow says; the step with a cheaper model, if that is it.

    Before anything was granted there is nobody to ask: then it is a model that fits, or the end.
    """
    wanted = draft.definition.on_budget
    begun = draft.state.status != "accepted"
    cheaper = _cheaper(draft, step, left=refusal.left_usd) if wanted == "cheaper" else None
    pauses = wanted == "pause" and begun
    policy = "cheaper" if cheaper is not None else "pause" if pauses else "finish"
    draft.emit(BudgetRefused, refusal=refusal, policy=policy, step=step.path)
    if cheaper is not None:
        draft.put_step(cheaper)
        return cheaper
    fault = _fault(refusal)
    if pauses:
        _pause(draft, fault)
    else:
        draft.set(funds=replace(funds_of(draft), refused=fault, asked_for=step.path))
    return None


def _fault(refusal: Refusal) -> Fault:
    """A budget that is used up stays so; an account that has no room now may have some later."""
    later = refusal.code in _LATER
    code = "budget_unavailable" if later else "budget_exceeded"
    return Fault(code=code, message=refusal.message, retryable=later)


def _cheaper(draft: Draft, step: StepState, *, left: Decimal | None) -> StepState | None:
    """The step on the first further model whose call fits; one that rests is of no use now."""
    models = draft.definition.agents[str(draft.spec(step.path).agent)].models
    for index in range(step.model_index + 1, len(models)):
        if index < len(step.resting) and step.resting[index] > draft.now_ms:
            continue
        usd = need_of(draft, step, model_index=index).usd
        if usd is not None and (left is None or usd <= left):
            return replace(step, model_index=index, needed_usd=None, funding="cheaper")
    return None


def _pause(draft: Draft, fault: Fault) -> None:
    """Nothing new starts; what is held goes back once nothing is open."""
    draft.set(status="paused", funds=replace(funds_of(draft), asked=0, asked_for=None))
    draft.disarm_named("reserve")
    draft.emit(CollaborationPaused, fault=fault)


def on_resume(draft: Draft, request: ResumeRequested) -> None:
    """Go on, and ask anew; a client id that was seen before is a duplicate."""
    if request.client_id in draft.state.clients:
        draft.reply(request.reply_to, "duplicate")
        return
    if draft.state.status != "paused":
        message = f"the collaboration is not paused ({draft.state.status})"
        fault = Fault(code="not_paused", message=message)
        draft.reply(request.reply_to, "refused", faults=(fault,))
        return
    funds = funds_of(draft)
    limit = funds.limit_usd if request.budget_usd is None else request.budget_usd
    clients = (*draft.state.clients, request.client_id)[-REMEMBERED_CLIENT_IDS:]
    draft.set(status="running", clients=clients, funds=replace(funds, limit_usd=limit))
    draft.stirred = True
    draft.emit(CollaborationResumed, actor=request.actor)
    draft.reply(request.reply_to, "accepted")
