"""What calls cost, told to the account once each (since logic 3)."""

from decimal import Decimal
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from facilitair_events.definitions import Model
from facilitair_events.state import CallState, StepState
from facilitair_workflows.reducing.draft import Draft
from facilitair_workflows.reducing.funds_requests import charge, funds_of

_NOTHING = Decimal(0)


class Outcome(Struct, frozen=True, kw_only=True):
    """A call as its collaboration knows it now, and what it knew before this record."""

    ident: str
    call: CallState
    before: CallState | None
    told: Literal["completed", "failed", "unknown"] = "unknown"


def on_counted(draft: Draft, outcome: Outcome) -> None:
    """Tell the money of a call that is new or another one; a void call was never asked (R20)."""
    call, before = outcome.call, outcome.before
    if call.outcome == "void" or call == before:
        return
    step = draft.steps.get(call.path)
    holds = step is not None and step.open == call.attempt
    reserved = step.reserved_usd if holds and step is not None else None
    charged, priced = _charged(call, before, reserved=reserved)
    draft.calls[outcome.ident] = replace(call, charged_usd=charged)
    if reserved is not None and step is not None:
        draft.put_step(replace(step, reserved_usd=None, needed_usd=None, shorts=0))
    model = _model(draft, step, call=call) if step is not None else None
    charge(
        draft,
        call_id=outcome.ident,
        path=call.path,
        attempt=call.attempt,
        agent=call.agent or "unknown",
        outcome=outcome.told,
        charged_usd=charged,
        was_usd=before.charged_usd if before is not None else None,
        reserved_usd=reserved,
        cost_usd=call.cost_usd,
        priced=priced,
        model=call.model or (model.name if model is not None else None),
        provider=model.provider if model is not None else None,
        price_version=model.prices.version if model is not None and model.prices else None,
        usage=call.usage,
        simulated=call.simulated,
    )


def _charged(
    call: CallState, before: CallState | None, *, reserved: Decimal | None
) -> tuple[Decimal, bool]:
    """What counts, and whether it is a price.

    The cost; where nobody knows it what was charged before or had been set aside.
    """
    if call.cost_usd is not None:
        return call.cost_usd, True
    if before is not None and before.charged_usd is not None:
        return before.charged_usd, before.charged_usd > 0
    if reserved is not None:
        return reserved, True
    return _NOTHING, False


def _model(draft: Draft, step: StepState, *, call: CallState) -> Model | None:
    """The model that was asked, as far as the definition is still there."""
    definition = draft.state.definition
    if definition is None or step.agent is None:
        return None
    models = definition.agents[step.agent].models
    if step.open == call.attempt:
        return models[step.model_index]
    return next((model for model in models if model.name == call.model), None)


def never_asked(draft: Draft, path: str, *, attempt: int) -> None:
    """A worker says of an attempt that is closed that it failed, and told no call before.

    Reports of calls come first, so what counts as unknown here was never asked: it costs nothing.
    """
    for ident, call in list(draft.calls.items()):
        mine = (call.path, call.attempt, call.outcome) == (path, attempt, "unknown")
        if mine and call.cost_usd is None and call.usage is None and call.model is None:
            free = replace(call, cost_usd=_NOTHING)
            on_counted(draft, Outcome(ident=ident, call=free, before=call, told="failed"))
            draft.calls[ident] = replace(draft.calls[ident], outcome="void")


def released(draft: Draft, step: StepState) -> StepState:
    """The step whose open attempt is about to close: what no call has used may be used again."""
    if draft.state.funds is None or not step.open:
        return step
    funds, agent = replace(funds_of(draft), short=False), step.agent or ""
    draft.set(funds=funds)
    draft.stirred = True
    if step.reserved_usd is not None:
        unused = funds.unused | {agent: funds.unused.get(agent, _NOTHING) + step.reserved_usd}
        draft.set(funds=replace(funds, unused=unused))
        return replace(step, reserved_usd=None)
    if not _counted(draft, step):
        unpriced = funds.unpriced | {agent: funds.unpriced.get(agent, 0) + 1}
        draft.set(funds=replace(funds, unpriced=unpriced))
    return step


def _counted(draft: Draft, step: StepState) -> bool:
    return any(
        call.attempt == step.open and call.path == step.path and call.outcome != "void"
        for call in draft.calls.values()
    )
