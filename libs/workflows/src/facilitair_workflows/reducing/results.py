"""Outcomes of calls and attempts, and what a step does about them."""

from msgspec.structs import replace

from facilitair_events.collaboration import (
    AttemptCompleted,
    AttemptFailed,
    AttemptUnknown,
    StepCompleted,
    Totals,
)
from facilitair_events.requests import AttemptReported, CallReported, Fault
from facilitair_events.state import CallState, StepState
from facilitair_events.text import Text, for_state
from facilitair_events.topics import WORKER_CONTROL
from facilitair_events.work import AttemptRef, Correction, StepOutput, StopAttempts
from facilitair_workflows.reducing import ending, progress
from facilitair_workflows.reducing.draft import Draft
from facilitair_workflows.reducing.totals import totals_of


def on_call_reported(draft: Draft, report: CallReported) -> None:
    """Count a call's outcome once; ``unknown`` and ``void`` close an open attempt (R11, R20)."""
    step = draft.steps.get(report.path)
    known = draft.calls.get(report.call_id)
    draft.calls[report.call_id] = _counted(report, known, step=step)
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
    """Close the attempt that is open; the report of any other changes nothing (R11)."""
    step = draft.steps.get(report.path)
    if step is None or step.open != report.attempt:
        return
    overdue = step.overdue
    step = replace(step, open=0, overdue=False)
    draft.put_step(step)
    draft.disarm(step.path)
    if not draft.running:
        _close_while_ending(draft, step, report=report)
    elif report.outcome == "completed" and report.output is not None:
        _completed(draft, step, report=report, answer=report.output)
    else:
        fault = report.fault or Fault(
            code="no_answer", message="the worker gave neither an answer nor a reason"
        )
        if overdue and fault.code == "stopped":
            fault = _timeout_fault(draft, step)
        _failed(draft, step, report=report, fault=fault)


def _close_while_ending(draft: Draft, step: StepState, *, report: AttemptReported) -> None:
    """An attempt that reports after the end began is told, and nothing follows from it."""
    draft.put_step(replace(step, status="stopped"))
    if report.outcome == "completed" and report.output is not None:
        _emit_completed(draft, step, report=report)
    else:
        fault = report.fault or Fault(code="stopped", message="the collaboration is ending")
        _emit_failed(draft, step, attempt=report.attempt, fault=fault)
    ending.finish_if_quiet(draft)


def _completed(draft: Draft, step: StepState, *, report: AttemptReported, answer: Text) -> None:
    spec = draft.spec(step.path)
    text = for_state(answer)
    small = text.text is not None
    output = StepOutput(
        text=text, json=spec.output.kind == "json", value=report.value if small else None
    )
    draft.outputs[step.step] = output
    for ident, call in draft.calls.items():
        if call.path == step.path:
            draft.calls[ident] = replace(call, output=None)
    _emit_completed(draft, step, report=report)
    draft.emit(StepCompleted, step=step.path, agent=step.agent, attempt=report.attempt)
    done = replace(
        step,
        status="completed",
        output=output,
        correction=None,
        completed_seq=draft.state.seq,
    )
    draft.put_step(done)
    progress.advance(draft)


def _emit_completed(draft: Draft, step: StepState, *, report: AttemptReported) -> None:
    last = _last_call(draft, step.path, attempt=report.attempt)
    draft.emit(
        AttemptCompleted,
        step=step.path,
        agent=step.agent or "",
        attempt=report.attempt,
        output=report.output,
        totals=_attempt_totals(draft, step.path, attempt=report.attempt),
        model=last.model if last else None,
        finish_reason=last.finish_reason if last else None,
        duration_ms=last.duration_ms if last else None,
    )


def _last_call(draft: Draft, path: str, *, attempt: int) -> CallState | None:
    calls = [call for call in draft.calls.values() if call.path == path and call.attempt == attempt]
    return max(calls, key=lambda call: call.index, default=None)


def _attempt_totals(draft: Draft, path: str, *, attempt: int) -> Totals:
    return totals_of(
        call for call in draft.calls.values() if call.path == path and call.attempt == attempt
    )


def _failed(draft: Draft, step: StepState, *, report: AttemptReported, fault: Fault) -> None:
    spec = draft.spec(step.path)
    if (
        fault.code == "output_invalid"
        and step.corrections < spec.output.corrections
        and report.output is not None
    ):
        correction = Correction(output=for_state(report.output), fault=fault)
        _emit_failed(draft, step, attempt=report.attempt, fault=fault)
        step = replace(step, corrections=step.corrections + 1, correction=correction)
        progress.schedule(draft, step, reason="correction")
        return
    retry_or_give_up(draft, step, attempt=report.attempt, fault=fault)


def retry_or_give_up(draft: Draft, step: StepState, *, attempt: int, fault: Fault) -> None:
    """Wait and try again while the step's ``retry`` allows it, else fail."""
    retry = draft.spec(step.path).retry
    failures = step.failures + 1
    step = replace(step, failures=failures)
    if not fault.retryable or failures >= retry.max_attempts:
        _emit_failed(draft, step, attempt=attempt, fault=fault)
        progress.give_up(draft, step, fault=fault)
        return
    wait_s = min(retry.backoff_s * retry.factor ** (failures - 1), retry.max_backoff_s)
    wait_s = max(wait_s, fault.retry_after_s or 0)
    due_ms = draft.now_ms + round(wait_s * 1000)
    draft.put_step(replace(step, status="retrying"))
    draft.arm("retry", due_ms=due_ms, path=step.path, attempt=attempt)
    _emit_failed(draft, step, attempt=attempt, fault=fault, retry_ms=due_ms)


def _emit_failed(
    draft: Draft, step: StepState, *, attempt: int, fault: Fault, retry_ms: int | None = None
) -> None:
    draft.emit(
        AttemptFailed,
        step=step.path,
        agent=step.agent or "",
        attempt=attempt,
        fault=fault,
        totals=_attempt_totals(draft, step.path, attempt=attempt),
        retry_at=None if retry_ms is None else draft.at(retry_ms),
    )


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
    step = replace(step, open=0, overdue=False)
    draft.put_step(step)
    retry_or_give_up(draft, step, attempt=attempt, fault=_timeout_fault(draft, step))


def _timeout_fault(draft: Draft, step: StepState) -> Fault:
    timeout_s = draft.spec(step.path).timeout_s
    return Fault(code="timeout", message=f"no answer within {timeout_s:g} s", retryable=True)


def on_retry(draft: Draft, path: str) -> None:
    """The wait before the next attempt is over."""
    step = draft.steps.get(path)
    if step is not None and step.status == "retrying":
        progress.schedule(draft, step, reason="retry")
