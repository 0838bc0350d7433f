"""How attempts that are over are told, and how a step completes."""

from typing import Any

from msgspec.structs import replace

from facilitair_events.collaboration import (
    AttemptCompleted,
    AttemptFailed,
    StepCompleted,
    Totals,
)
from facilitair_events.requests import Fault
from facilitair_events.state import CallState, StepState
from facilitair_events.text import Text, for_state
from facilitair_events.work import StepOutput
from facilitair_workflows.reducing.draft import Draft
from facilitair_workflows.reducing.totals import totals_of


def complete(
    draft: Draft,
    step: StepState,
    *,
    attempt: int,
    answer: Text,
    value: Any = None,
    partial: str | None = None,
) -> None:
    """Take an answer as the step's; ``partial`` says why it is not a whole one."""
    spec = draft.spec(step.path)
    text = for_state(answer)
    small = text.text is not None
    output = StepOutput(text=text, json=spec.output.kind == "json", value=value if small else None)
    draft.outputs[step.step] = output
    for ident, call in draft.calls.items():
        if call.path == step.path:
            draft.calls[ident] = replace(call, output=None)
    emit_completed(draft, step, attempt=attempt, answer=answer, partial=partial)
    draft.emit(StepCompleted, step=step.path, agent=step.agent, attempt=attempt, partial=partial)
    done = replace(
        step,
        status="completed",
        output=output,
        correction=None,
        continued=None,
        completed_seq=draft.state.seq,
        partial=partial,
    )
    draft.put_step(done)


def emit_completed(
    draft: Draft, step: StepState, *, attempt: int, answer: Text, partial: str | None = None
) -> None:
    """Tell that an attempt gave an answer."""
    last = _last_call(draft, step.path, attempt=attempt)
    draft.emit(
        AttemptCompleted,
        step=step.path,
        agent=step.agent or "",
        attempt=attempt,
        output=answer,
        totals=_attempt_totals(draft, step.path, attempt=attempt),
        model=last.model if last else None,
        finish_reason=last.finish_reason if last else None,
        duration_ms=last.duration_ms if last else None,
        partial=partial,
    )


def emit_failed(
    draft: Draft, step: StepState, *, attempt: int, fault: Fault, retry_ms: int | None = None
) -> None:
    """Tell that an attempt failed, and when the next one begins if it waits."""
    asked: dict[str, str] = {}
    if draft.policies:
        model = draft.definition.agents[str(step.agent)].models[step.model_index]
        asked = {"model": model.name, "provider": model.provider}
    draft.emit(
        AttemptFailed,
        step=step.path,
        agent=step.agent or "",
        attempt=attempt,
        fault=fault,
        totals=_attempt_totals(draft, step.path, attempt=attempt),
        retry_at=None if retry_ms is None else draft.at(retry_ms),
        **asked,
    )


def tokens_of(draft: Draft, path: str, *, attempt: int) -> int | None:
    """How many tokens the last call of an attempt wrote; None where nobody said."""
    last = _last_call(draft, path, attempt=attempt)
    return last.usage.output_tokens if last is not None and last.usage is not None else None


def _last_call(draft: Draft, path: str, *, attempt: int) -> CallState | None:
    calls = [call for call in draft.calls.values() if call.path == path and call.attempt == attempt]
    return max(calls, key=lambda call: call.index, default=None)


def _attempt_totals(draft: Draft, path: str, *, attempt: int) -> Totals:
    return totals_of(
        call for call in draft.calls.values() if call.path == path and call.attempt == attempt
    )
