"""What follows from an attempt that failed: another model, another attempt, a part, or the end.

Each way on is an event: ``attempt.failed`` and then ``step.scheduled`` with its reason, or
``attempt.completed`` that says that it is partial.
"""

from typing import Final

from msgspec.structs import replace

from facilitair_events.definitions import Agent
from facilitair_events.requests import AttemptReported, Fault
from facilitair_events.state import StepState
from facilitair_events.text import for_state
from facilitair_events.work import Correction
from facilitair_workflows.reducing import closing, progress, time_limits
from facilitair_workflows.reducing.choices import (
    Choice,
    Trouble,
    choose,
    larger_limit,
    next_model,
    next_round,
    of_the_provider,
    rested,
    trouble_of,
)
from facilitair_workflows.reducing.draft import Draft

RESERVATION_SHORT: Final = "reservation_short"
"""What a worker says that counted more than its call may cost (since logic 3)."""

MOST_SHORT: Final = 3
"""In a row, until a step is given up: what was counted does not grow by itself."""


def failed(draft: Draft, step: StepState, *, report: AttemptReported, fault: Fault) -> None:
    """Correct, recover or give up."""
    spec = draft.spec(step.path)
    if draft.state.funds is not None and fault.code == RESERVATION_SHORT:
        _need_more(draft, step, report=report, fault=fault)
    elif (
        fault.code == "output_invalid"
        and step.corrections < spec.output.corrections
        and report.output is not None
    ):
        correction = Correction(output=for_state(report.output), fault=fault)
        closing.emit_failed(draft, step, attempt=report.attempt, fault=fault)
        step = replace(
            step, corrections=step.corrections + 1, correction=correction, continued=None
        )
        progress.schedule(draft, step, reason="correction")
    elif draft.policies:
        trouble = trouble_of(step, fault=fault, answer=report.output)
        _recover(draft, step, attempt=report.attempt, trouble=trouble)
    else:
        _retry_or_give_up(draft, step, attempt=report.attempt, fault=fault)


def _need_more(draft: Draft, step: StepState, *, report: AttemptReported, fault: Fault) -> None:
    """The worker counted more than was set aside, and asked nobody: ask for that much (R26)."""
    closing.emit_failed(draft, step, attempt=report.attempt, fault=fault)
    if report.needed_usd is None or step.shorts >= MOST_SHORT:
        progress.give_up(draft, step, fault=fault)
        return
    step = replace(step, shorts=step.shorts + 1, needed_usd=report.needed_usd)
    progress.schedule(draft, step, reason="funds", last=fault)


def unanswered(draft: Draft, step: StepState, *, attempt: int, fault: Fault) -> None:
    """An attempt that was stopped and of which nobody said how far it had come.

    Words of it may have been shown, so it is no case for another model (DESIGN section 6).
    """
    if draft.policies:
        _retry(draft, step, attempt=attempt, trouble=Trouble(fault=fault))
    else:
        _retry_or_give_up(draft, step, attempt=attempt, fault=fault)


def _retry_or_give_up(draft: Draft, step: StepState, *, attempt: int, fault: Fault) -> None:
    """Wait and try again while the step's ``retry`` allows it, else fail: so until logic 1."""
    retry = draft.spec(step.path).retry
    failures = step.failures + 1
    step = replace(step, failures=failures)
    if not fault.retryable or failures >= retry.max_attempts:
        _fail(draft, step, attempt=attempt, fault=fault)
        return
    wait_s = min(retry.backoff_s * retry.factor ** (failures - 1), retry.max_backoff_s)
    wait_s = max(wait_s, fault.retry_after_s or 0)
    due_ms = draft.now_ms + round(wait_s * 1000)
    _wait(draft, step, attempt=attempt, due_ms=due_ms)
    closing.emit_failed(draft, step, attempt=attempt, fault=fault, retry_ms=due_ms)


def _recover(draft: Draft, step: StepState, *, attempt: int, trouble: Trouble) -> None:
    """Do what the step's policies say about a failed attempt."""
    spec, agent = draft.spec(step.path), _agent(draft, step)
    resting = rested(step, trouble, models=len(agent.models), now_ms=draft.now_ms)
    further = next_model(resting, after=step.model_index, now_ms=draft.now_ms)
    used = closing.tokens_of(draft, step.path, attempt=attempt)
    larger = larger_limit(step, agent, used=used)
    choice = choose(trouble, step, spec=spec, further=further, larger=larger)
    if choice == "partial" and trouble.answer is not None:
        code = trouble.fault.code
        closing.complete(draft, step, attempt=attempt, answer=trouble.answer, partial=code)
        progress.advance(draft)
    elif choice == "retry":
        _retry(draft, step, attempt=attempt, trouble=trouble)
    elif choice == "continue" and resting[step.model_index] > draft.now_ms:
        # Its model asked to be left alone, or is of no use any more.
        step = _extended(step, choice, trouble=trouble, larger=larger)
        _retry(draft, step, attempt=attempt, trouble=trouble)
    elif choice == "fail":
        _fail(draft, step, attempt=attempt, fault=trouble.fault)
    else:
        closing.emit_failed(draft, step, attempt=attempt, fault=trouble.fault)
        if choice == "fallback":
            step = replace(step, model_index=further or 0, resting=resting, needed_usd=None)
        else:
            step = _extended(step, choice, trouble=trouble, larger=larger)
        progress.schedule(draft, step, reason=choice, last=trouble.fault)


def _extended(
    step: StepState, choice: Choice, *, trouble: Trouble, larger: int | None
) -> StepState:
    """The step, about to go on from what was said or to ask for more at once."""
    step = replace(step, extensions=step.extensions + 1)
    if choice == "larger":
        return replace(step, max_output_tokens=larger)
    return replace(step, continued=for_state(trouble.answer) if trouble.answer else None)


def _retry(draft: Draft, step: StepState, *, attempt: int, trouble: Trouble) -> None:
    """A round of the agent's models is over: wait and begin another one, or fail."""
    fault, retry = trouble.fault, draft.spec(step.path).retry
    failures = step.failures + 1
    models = len(_agent(draft, step).models)
    resting = rested(step, trouble, models=models, now_ms=draft.now_ms)
    state = draft.state
    cause = (state.tenant, state.collaboration, step.path, str(attempt))
    wait_s = time_limits.wait_s(retry, failures=failures, cause=cause)
    found = next_round(resting, due_ms=draft.now_ms + round(wait_s * 1000))
    helps = fault.retryable or of_the_provider(fault)
    if found is None or not helps or failures >= retry.max_attempts:
        _fail(draft, replace(step, failures=failures), attempt=attempt, fault=fault)
        return
    model_index, due_ms = found
    if time_limits.too_late(step, draft.spec(step.path), start_ms=due_ms):
        closing.emit_failed(draft, step, attempt=attempt, fault=fault)
        progress.give_up_late(draft, step, last=fault)
        return
    if fault.code == "output_invalid":
        step = replace(step, continued=None)
    closing.emit_failed(draft, step, attempt=attempt, fault=fault, retry_ms=due_ms)
    step = replace(step, failures=failures, model_index=model_index, resting=resting)
    _wait(draft, step, attempt=attempt, due_ms=due_ms)


def _wait(draft: Draft, step: StepState, *, attempt: int, due_ms: int) -> None:
    draft.put_step(replace(step, status="retrying"))
    draft.arm("retry", due_ms=due_ms, path=step.path, attempt=attempt)


def _fail(draft: Draft, step: StepState, *, attempt: int, fault: Fault) -> None:
    closing.emit_failed(draft, step, attempt=attempt, fault=fault)
    progress.give_up(draft, step, fault=fault)


def _agent(draft: Draft, step: StepState) -> Agent:
    return draft.definition.agents[str(draft.spec(step.path).agent)]


def on_retry(draft: Draft, path: str) -> None:
    """The wait before the next attempt is over."""
    step = draft.steps.get(path)
    if step is not None and step.status == "retrying":
        progress.schedule(draft, step, reason="retry")
