"""A state as ``describe`` shows it."""

from decimal import Decimal

from facilitair_events.envelope import instant
from facilitair_events.replies import CallView, CollaborationView, StepView
from facilitair_events.state import CallState, CollaborationState, FundsState, StepState
from facilitair_workflows.reducing.totals import totals_of


def view_of(
    state: CollaborationState,
    *,
    changed_ms: int,
    steps: dict[str, StepState],
    calls: dict[str, CallState],
) -> CollaborationView:
    """Pure projection of a state that last changed at ``changed_ms``.

    After the end it has no texts, which are in the events.
    """
    ending, funds = state.ending, state.funds
    return CollaborationView(
        id=state.collaboration,
        status=state.status,
        workflow=state.workflow,
        workflow_version=state.workflow_version,
        project=state.project,
        actor=state.actor,
        task=state.task,
        created_at=instant(state.created_ms),
        updated_at=instant(changed_ms),
        steps=tuple(_step(step, calls) for step in steps.values()),
        calls=tuple(_call(ident, call) for ident, call in calls.items()),
        totals=totals_of(calls.values()),
        fault=ending.fault if ending else None,
        output_step=ending.step if ending and ending.kind == "completed" else None,
        budget_usd=funds.limit_usd if funds else None,
        reserved_usd=_reserved(funds, steps) if funds else None,
        slots=funds.slots if funds else None,
    )


def _reserved(funds: FundsState, steps: dict[str, StepState]) -> Decimal:
    taken = (step.reserved_usd for step in steps.values() if step.open)
    held = (*funds.unused.values(), *(usd for usd in taken if usd is not None))
    return sum(held, Decimal(0))


def _step(step: StepState, calls: dict[str, CallState]) -> StepView:
    return StepView(
        path=step.path,
        step=step.step,
        status=step.status,
        agent=step.agent,
        attempt=step.attempts,
        iterations=step.iteration,
        totals=totals_of(call for call in calls.values() if call.path == step.path),
        output=step.output.text if step.output else None,
        value=step.output.value if step.output else None,
        fault=step.fault,
        partial=step.partial,
        funding=step.funding,
        reserved_usd=step.reserved_usd if step.open else None,
    )


def _call(ident: str, call: CallState) -> CallView:
    return CallView(
        call_id=ident,
        path=call.path,
        attempt=call.attempt,
        outcome=call.outcome,
        totals=totals_of((call,)),
        agent=call.agent,
        model=call.model,
        charged_usd=call.charged_usd,
    )
