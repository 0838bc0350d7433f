"""Outcomes of calls and attempts, and what a step does about them."""

from msgspec.structs import replace

from facilitair_events.collaboration import AttemptUnknown
from facilitair_events.requests import AttemptReported, CallReported, Fault
from facilitair_events.state import CallState, StepState
from facilitair_events.text import for_state
from facilitair_events.topics import WORKER_CONTROL
from facilitair_events.work import AttemptRef, StopAttempts
from facilitair_workflows.reducing import (
    closing,
    ending,
    funds_charges,
    progress,
    recovery,
    time_limits,
)
from facilitair_workflows.reducing.draft import Draft


def on_call_reported(draft: Draft, report: CallReported) -> None:
    """Count a call's outcome once; ``unknown`` and ``void`` close an open attempt (R11, R20)."""
    step = draft.steps.get(report.path)
    known = draft.calls.get(report.call_id)
    call = draft.calls[report.call_id] = _counted(report, known, step=step)
    if draft.state.funds is not None:
        if known is not None and known.outcome == "void":
            call = replace(call, outcome=report.outcome)  # it was asked after all
        told = "unknown" if report.outcome == "void" else report.outcome
        outcome = funds_charges.Outcome(ident=report.call_id, call=call, before=known, told=told)
        funds_charges.on_counted(draft, outcome)
        step = draft.steps.get(report.path)
    if step is not None and step.open == report.attempt and report.outcome in ("unknown", "void"):
        _lost(draft, step, report=report)


def _counted(report: CallReported, known: CallState | None, *, step: StepState | None) -> CallState:
    """The first outcome counts; a later result sets the money, a later unknown nothing (R20)."""
    if known is None:
        return CallState(
            path=report.path,
            attempt=report.attempt,
            index=report.index,
            outcome=report.outcome,
            agent=step.agent if step else None,
            model=report.model,
            request_digest=report.request_digest,
            finish_reason=report.finish_reason,
            usage=report.usage,
            cost_usd=report.cost_usd,
            simulated=report.simulated,
            duration_ms=report.duration_ms,
            output=for_state(report.output) if report.output else None,
        )
    if report.outcome in ("completed", "failed"):
        return replace(
            known,
            model=report.model or known.model,
            usage=report.usage,
            cost_usd=report.cost_usd,
            simulated=report.simulated,
        )
    return known


def _lost(draft: Draft, step: StepState, *, report: CallReported) -> None:
    spec = draft.spec(step.path)
    step = funds_charges.released(draft, step)
    step = replace(step, open=0, overdue=False, lost=step.lost + 1)
    draft.put_step(step)
    draft.disarm(step.path)
    draft.emit(
        AttemptUnknown,
        step=step.path,
        agent=step.agent or "",
        attempt=report.attempt,
        call_id=report.call_id,
        void=report.outcome == "void",
    )
    if not draft.running:
        draft.put_step(replace(step, status="stopped"))
        ending.finish_if_quiet(draft)
    elif step.lost > spec.retry.max_lost:
        message = (
            f"{step.lost} attempts went silent; the workers that took them died or lost the log"
        )
        progress.give_up(draft, step, fault=Fault(code="attempts_lost", message=message))
    else:
        progress.schedule(draft, step, reason="lost")


def on_attempt_reported(draft: Draft, report: AttemptReported) -> None:
    """Close the attempt that is open; the report of any other changes no more than money (R11)."""
    step = draft.steps.get(report.path)
    if step is None or step.open != report.attempt:
        if draft.state.funds is not None and report.outcome == "failed":
            funds_charges.never_asked(draft, report.path, attempt=report.attempt)
        return
    overdue = step.overdue
    step = funds_charges.released(draft, step)
    step = replace(step, open=0, overdue=False)
    draft.put_step(step)
    draft.disarm(step.path)
    if not draft.running:
        _close_while_ending(draft, step, report=report)
    elif report.outcome == "completed" and report.output is not None:
        closing.complete(
            draft, step, attempt=report.attempt, answer=report.output, value=report.value
        )
        progress.advance(draft)
    else:
        fault = report.fault or Fault(
            code="no_answer", message="the worker gave neither an answer nor a reason"
        )
        if overdue and fault.code == "stopped":
            fault = _timeout_fault(draft, step)
        recovery.failed(draft, step, report=report, fault=fault)


def _close_while_ending(draft: Draft, step: StepState, *, report: AttemptReported) -> None:
    """An attempt that reports after the end began is told, and nothing follows from it."""
    draft.put_step(replace(step, status="stopped"))
    if report.outcome == "completed" and report.output is not None:
        closing.emit_completed(draft, step, attempt=report.attempt, answer=report.output)
    else:
        fault = report.fault or Fault(code="stopped", message="the collaboration is ending")
        closing.emit_failed(draft, step, attempt=report.attempt, fault=fault)
    ending.finish_if_quiet(draft)


def on_attempt_timeout(draft: Draft, path: str, *, attempt: int) -> None:
    """An attempt took too long: stop it, and wait for what it cost (R14)."""
    step = draft.steps.get(path)
    if step is None or step.open != attempt:
        return
    ref = AttemptRef(path=path, attempt=attempt)
    stop = StopAttempts(collaboration=draft.state.collaboration, attempts=(ref,), reason="timeout")
    draft.command(WORKER_CONTROL, stop)
    draft.put_step(replace(step, overdue=True))
    due_ms = draft.now_ms + ending.GRACE_MS
    draft.arm("attempt_stop", due_ms=due_ms, path=path, attempt=attempt)


def on_stop_unanswered(draft: Draft, path: str, *, attempt: int) -> None:
    """Nobody said what the stopped attempt cost: its call is unknown, and it has failed (R14)."""
    step = draft.steps.get(path)
    if step is None or step.open != attempt:
        return
    ending.count_unknown(draft, step)
    step = funds_charges.released(draft, draft.steps[path])
    step = replace(step, open=0, overdue=False)
    draft.put_step(step)
    recovery.unanswered(draft, step, attempt=attempt, fault=_timeout_fault(draft, step))


def _timeout_fault(draft: Draft, step: StepState) -> Fault:
    spec = draft.spec(step.path)
    deadline_ms = time_limits.deadline_ms(step, spec)
    if deadline_ms is not None and draft.now_ms >= deadline_ms:
        return time_limits.deadline_fault(spec, attempts=step.attempts)
    message = f"no answer within {spec.timeout_s:g} s"
    return Fault(code="timeout", message=message, retryable=True)
