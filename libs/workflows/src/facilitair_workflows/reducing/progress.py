"""What may run next: steps whose needs are settled, further iterations, the end."""

from typing import Any, Final

from msgspec.structs import replace

from facilitair_events.collaboration import (
    StepCompleted,
    StepFailed,
    StepScheduled,
    StepSkipped,
    StepStarted,
)
from facilitair_events.definitions import Step
from facilitair_events.keys import task_key
from facilitair_events.requests import Fault
from facilitair_events.state import Ending, StepState
from facilitair_events.text import for_state
from facilitair_events.topics import AGENT_TASKS, AGENT_TASKS_BATCH
from facilitair_events.work import FinishedCall, RunAttempt, StepOutput
from facilitair_workflows.errors import ExpressionError
from facilitair_workflows.expressions import evaluate
from facilitair_workflows.reducing import ending, paths, time_limits
from facilitair_workflows.reducing.draft import Draft

SETTLED: Final = frozenset({"completed", "skipped"})


def open_level(
    draft: Draft, steps: tuple[Step, ...], *, group: str | None = None, iteration: int = 0
) -> None:
    """Add the waiting steps of the top level, or of one iteration of a group."""
    for step in steps:
        path = step.id if group is None else paths.child(group, step.id, iteration=iteration)
        draft.put_step(StepState(path=path, step=step.id, agent=step.agent))


def advance(draft: Draft) -> None:
    """Start, skip and complete steps until nothing more follows from the record at hand."""
    while draft.running and _pass(draft):
        pass
    if draft.running and all(
        draft.steps[step.id].status in SETTLED for step in draft.definition.steps
    ):
        _complete(draft)


def _pass(draft: Draft) -> bool:
    """One look at every step in a fixed order; true when something changed.

    Nearly all of them are settled, or wait for one that is not: they are passed over cheaply.
    """
    changed = False
    for path, step in list(draft.steps.items()):
        if step.status == "waiting":
            if step.funding is not None or not _needs_settled(draft, path):
                continue
        elif step.status != "running" or step.agent is not None:
            continue
        if not draft.running:
            return False
        if step.status == "waiting":
            _start(draft, step)
            changed = True
        else:
            changed |= _turn(draft, step)
    return changed


def _needs_settled(draft: Draft, path: str) -> bool:
    steps = draft.steps
    prefix = f"{path.rpartition('.')[0]}." if "." in path else ""
    for need in draft.spec(path).needs:  # noqa: SIM110 - a generator each time costs more
        if steps[prefix + need].status not in SETTLED:
            return False
    return True


def _start(draft: Draft, step: StepState) -> None:
    spec = draft.spec(step.path)
    try:
        wanted = spec.when is None or evaluate(spec.when, context(draft, step.path))
    except ExpressionError as error:
        fault = Fault(code="expression_failed", message=str(error), field="when")
        give_up(draft, step, fault=fault)
        return
    if not wanted:
        draft.put_step(replace(step, status="skipped"))
        draft.emit(StepSkipped, step=step.path)
    elif spec.agent is None:
        _iterate(draft, step, spec=spec)
    else:
        schedule(draft, step, reason="first")


def _iterate(draft: Draft, group: StepState, *, spec: Step) -> None:
    iteration = group.iteration + 1
    draft.put_step(replace(group, status="running", iteration=iteration))
    draft.emit(StepStarted, step=group.path, iteration=iteration)
    open_level(draft, spec.steps, group=group.path, iteration=iteration)


def _turn(draft: Draft, group: StepState) -> bool:
    """End a group's iteration once its members are settled; true when it ended."""
    spec = draft.spec(group.path)
    members = (
        paths.child(group.path, member.id, iteration=group.iteration) for member in spec.steps
    )
    if spec.repeat is None or not all(draft.steps[member].status in SETTLED for member in members):
        return False
    try:
        done = evaluate(
            spec.repeat.until,
            context(draft, paths.child(group.path, "", iteration=group.iteration)),
        )
    except ExpressionError as error:
        give_up(
            draft, group, fault=Fault(code="expression_failed", message=str(error), field="until")
        )
        return True
    if not done and group.iteration < spec.repeat.max:
        _iterate(draft, group, spec=spec)
        return True
    draft.put_step(replace(group, status="completed"))
    draft.emit(StepCompleted, step=group.path, iterations=group.iteration, exhausted=not done)
    return True


def _complete(draft: Draft) -> None:
    """All steps are settled: the result is the latest completed attempt of the output step."""
    name = draft.definition.output
    done = [
        step
        for step in draft.steps.values()
        if step.step == name and step.status == "completed" and step.attempts
    ]
    result = max(done, key=lambda step: step.completed_seq, default=None)
    ending.begin(
        draft,
        Ending(
            kind="completed",
            step=result.path if result else None,
            attempt=result.attempts if result else None,
        ),
    )


def schedule(draft: Draft, step: StepState, *, reason: str, last: Fault | None = None) -> None:
    """Hand the next attempt to the workers, or let it wait until it is paid for.

    None is begun after the deadline that the step's attempts have together: then the step fails.
    ``last`` is what was wrong with the attempt before.
    """
    if draft.state.funds is None:
        start(draft, step, reason=reason, last=last)
    elif time_limits.too_late(step, draft.spec(step.path), start_ms=draft.now_ms):
        give_up_late(draft, step, last=last)
    else:
        draft.put_step(replace(step, status="waiting", funding=reason))
        draft.stirred = True


def start(draft: Draft, step: StepState, *, reason: str, last: Fault | None = None) -> None:
    """Hand the next attempt to the workers; attempts count up and are never reset (R17).

    What it may cost was set aside before, where accounts are kept.
    """
    spec = draft.spec(step.path)
    if draft.policies:
        if time_limits.too_late(step, spec, start_ms=draft.now_ms):
            give_up_late(draft, step, last=last)
            return
        step = replace(step, began_ms=step.began_ms or draft.now_ms)
    attempt = step.attempts + 1
    step = replace(step, status="running", attempts=attempt, open=attempt)
    draft.put_step(step)
    agent = draft.definition.agents[str(spec.agent)]
    model = agent.models[step.model_index]
    draft.emit(
        StepScheduled,
        step=step.path,
        agent=agent.name,
        attempt=attempt,
        model=model.name,
        reason=reason,
        provider=model.provider if draft.policies else None,
    )
    timeout_s = time_limits.attempt_timeout_s(step, spec, now_ms=draft.now_ms)
    due_ms = draft.now_ms + round(timeout_s * 1000)
    draft.arm("attempt_timeout", due_ms=due_ms, path=step.path, attempt=attempt)
    topic = AGENT_TASKS if draft.state.priority == "interactive" else AGENT_TASKS_BATCH
    key = task_key(draft.state.tenant, draft.state.collaboration, step.path)
    # A worker that cannot read the task can still say which attempt has failed.
    headers = (("attempt", str(step.open).encode()),)
    draft.command(
        topic, _task(draft, step, spec=spec, timeout_s=timeout_s), key=key, headers=headers
    )


def give_up_late(draft: Draft, step: StepState, *, last: Fault | None) -> None:
    """The deadline of all attempts leaves no time for another one."""
    fault = time_limits.deadline_fault(draft.spec(step.path), attempts=step.attempts, last=last)
    give_up(draft, step, fault=fault)


def _task(draft: Draft, step: StepState, *, spec: Step, timeout_s: float) -> RunAttempt:
    state = draft.state
    template = spec.input or ""
    return RunAttempt(
        collaboration=state.collaboration,
        path=step.path,
        step=step.step,
        attempt=step.open,
        agent=draft.definition.agents[str(spec.agent)],
        input=template,
        task=for_state(state.task),
        timeout_s=timeout_s,
        project=state.project,
        actor=state.actor,
        output=spec.output,
        inputs=state.inputs,
        # A superset of what the template names: parsing Jinja would bind history to it (R6).
        outputs={name: output for name, output in draft.outputs.items() if name in template},
        iteration=_iteration(step.path),
        finished=tuple(_finished(draft, step.path)),
        correction=step.correction,
        priority=state.priority,
        model_index=step.model_index,
        continued=step.continued,
        max_output_tokens=step.max_output_tokens,
        reserved_usd=step.reserved_usd,
    )


def _finished(draft: Draft, path: str) -> list[FinishedCall]:
    """Calls of earlier attempts that need not be paid again (R22)."""
    return [
        FinishedCall(
            call_id=ident,
            request_digest=call.request_digest,
            output=call.output,
            model=call.model or "",
            finish_reason=call.finish_reason,
            usage=call.usage,
        )
        for ident, call in draft.calls.items()
        if call.path == path
        and call.outcome == "completed"
        and call.output is not None
        and call.request_digest is not None
    ]


def give_up(draft: Draft, step: StepState, *, fault: Fault) -> None:
    """A step will not complete, hence neither will the collaboration."""
    draft.put_step(replace(step, status="failed", fault=fault, open=0))
    draft.emit(StepFailed, step=step.path, agent=step.agent, fault=fault)
    ending.fail(draft, fault, step=step.path)


def context(draft: Draft, path: str) -> dict[str, Any]:
    """What expressions see: texts kept as artifacts, and JSON over the limit, are null."""
    outputs = {
        name: output.value if output.json else _text_of(output)
        for name, output in draft.outputs.items()
    }
    task = draft.state.task.text
    return {
        "task": task.v if task else "",
        "inputs": draft.state.inputs,
        "outputs": outputs,
        "iteration": _iteration(path),
    }


def _text_of(output: StepOutput) -> str | None:
    text = output.text.text
    return text.v if text else None


def _iteration(path: str) -> int:
    inside = paths.parent(path)
    return inside[1] if inside else 1
