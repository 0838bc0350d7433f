"""How a collaboration ends: open attempts, then one terminal event, then a stub (R14)."""

from typing import Any, Final

from msgspec.structs import replace

from facilitair_events.collaboration import (
    AttemptUnknown,
    CollaborationCancelled,
    CollaborationCompleted,
    CollaborationExpired,
    CollaborationFailed,
)
from facilitair_events.ids import call_id
from facilitair_events.requests import Fault
from facilitair_events.state import CallState, Ending, StepState
from facilitair_events.text import Text, personal
from facilitair_events.topics import WORKER_CONTROL
from facilitair_events.work import AttemptRef, StopAttempts
from facilitair_workflows.reducing import funds_charges, funds_requests
from facilitair_workflows.reducing.draft import Draft
from facilitair_workflows.reducing.totals import totals_of

GRACE_MS: Final = 15_000
"""How long an attempt that was stopped may take to say what it cost."""

_STUB_KEEPS_CLIENTS: Final = 2
"""The first logic whose stub still knows a cancel that is repeated after the end."""


def begin(draft: Draft, ending: Ending) -> None:
    """Stop what runs and end as soon as nothing is open; a second ending changes nothing."""
    if not draft.running:
        return
    draft.set(
        ending=ending,
        status="cancelling" if ending.kind in ("cancelled", "expired") else "finishing",
    )
    draft.timers = []
    open_steps = [step for step in draft.steps.values() if step.open]
    if open_steps:
        refs = tuple(AttemptRef(path=step.path, attempt=step.open) for step in open_steps)
        stop = StopAttempts(
            collaboration=draft.state.collaboration, attempts=refs, reason=ending.kind
        )
        draft.command(WORKER_CONTROL, stop)
        draft.arm("ending", due_ms=draft.now_ms + GRACE_MS)
    finish_if_quiet(draft)


def fail(draft: Draft, fault: Fault, *, step: str | None = None) -> None:
    """End as failed."""
    begin(draft, Ending(kind="failed", fault=fault, step=step))


def finish_if_quiet(draft: Draft) -> None:
    """Emit the terminal event once no attempt is open."""
    if draft.state.ending is not None and not any(step.open for step in draft.steps.values()):
        _finish(draft, draft.state.ending)


def out_of_patience(draft: Draft) -> None:
    """The grace is over: what is still open is unknown, and the collaboration ends (R14)."""
    for step in [step for step in draft.steps.values() if step.open]:
        _give_up(draft, step)
    finish_if_quiet(draft)


def _give_up(draft: Draft, step: StepState) -> None:
    ident = count_unknown(draft, step)
    agent = step.agent or ""
    draft.emit(AttemptUnknown, step=step.path, agent=agent, attempt=step.open, call_id=ident)
    step = funds_charges.released(draft, draft.steps[step.path])
    draft.put_step(replace(step, open=0, status="stopped"))


def count_unknown(draft: Draft, step: StepState) -> str:
    """Count the open attempt's next call as unknown, and return its id; its money may follow."""
    reported = [c for c in draft.calls.values() if c.path == step.path and c.attempt == step.open]
    state, index = draft.state, len(reported)
    if state.funds is not None and any(call.outcome != "void" for call in reported):
        # Its one call was told and paid for; what is missing is the report of the attempt.
        return call_id(state.tenant, state.collaboration, step.path, step.open, index - 1)
    ident = call_id(state.tenant, state.collaboration, step.path, step.open, index)
    call = CallState(
        path=step.path, attempt=step.open, index=index, outcome="unknown", agent=step.agent or ""
    )
    draft.calls[ident] = call
    if state.funds is not None:
        outcome = funds_charges.Outcome(ident=ident, call=call, before=None)
        funds_charges.on_counted(draft, outcome)
    return ident


def _finish(draft: Draft, ending: Ending) -> None:
    totals = totals_of(draft.calls.values())
    common = {"duration_ms": draft.now_ms - draft.state.created_ms, "totals": totals}
    _emit_terminal(draft, ending, common=common)
    funds_requests.close(draft)
    _shrink(draft, ending)


def _emit_terminal(draft: Draft, ending: Ending, *, common: dict[str, Any]) -> None:
    if ending.kind == "completed":
        partial = tuple(step.path for step in draft.steps.values() if step.partial is not None)
        draft.emit(
            CollaborationCompleted,
            step=ending.step,
            attempt=ending.attempt,
            partial_steps=partial,
            **common,
        )
    elif ending.kind == "failed":
        fault = ending.fault or Fault(code="internal", message="the reason was lost")
        draft.emit(CollaborationFailed, fault=fault, step=ending.step, **common)
    elif ending.kind == "cancelled":
        reason = personal(ending.reason) if ending.reason else None
        draft.emit(CollaborationCancelled, actor=ending.actor or "", reason=reason, **common)
    else:
        draft.emit(CollaborationExpired, timeout_s=draft.definition.timeout_s, **common)


def _shrink(draft: Draft, ending: Ending) -> None:
    """Keep what answers duplicates, late money and ``describe``; drop every text (R14, R37)."""
    draft.steps = {path: _without_texts(step) for path, step in draft.steps.items()}
    draft.calls = {
        ident: replace(call, output=None, request_digest=None)
        for ident, call in draft.calls.items()
    }
    draft.outputs = {}
    draft.timers = []
    draft.set(
        status=ending.kind,
        definition=None,
        inputs={},
        clients=draft.state.clients if draft.state.logic >= _STUB_KEEPS_CLIENTS else (),
        task=Text(size=draft.state.task.size, artifact=draft.state.task.artifact),
        ending=replace(ending, reason=None, fault=_unquoted(ending.fault)),
    )


def _unquoted(fault: Fault | None) -> Fault | None:
    return None if fault is None else replace(fault, quote=None)


def _without_texts(step: StepState) -> StepState:
    settled = "stopped" if step.status in ("waiting", "running", "retrying") else step.status
    return replace(
        step,
        status=settled,
        output=None,
        correction=None,
        continued=None,
        fault=None,
        funding=None,
        needed_usd=None,
    )
