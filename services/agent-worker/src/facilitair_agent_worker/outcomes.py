"""What the inbox is told of a call and of its attempt."""

from msgspec.structs import replace

from facilitair_agent_worker.calling import Answer
from facilitair_agent_worker.claims import Claim
from facilitair_agent_worker.costs import cost_of
from facilitair_agent_worker.domain import check_output, unfenced
from facilitair_agent_worker.jobs import Job, Tools
from facilitair_agent_worker.prompts import Prepared
from facilitair_agent_worker.settling import settled
from facilitair_events.requests import AttemptReported, CallReported, Fault
from facilitair_runtime.artifacts import store_text


async def call_report(
    tools: Tools, job: Job, *, prepared: Prepared, claim: Claim, answer: Answer, duration_ms: int
) -> CallReported:
    """How a call ended and what it cost. Its ``output`` is its own, without earlier text."""
    task, model = job.task, prepared.model
    text = await store_text(tools.artifacts, job.cause.tenant, task.collaboration, answer.text)
    tools.estimates.learn(prepared.request, model=model, usage=answer.usage, metrics=tools.metrics)
    usage = await settled(answer, request=prepared.request, model=model)
    answer = replace(answer, usage=usage)
    return CallReported(
        call_id=claim.call_id,
        path=task.path,
        attempt=task.attempt,
        index=claim.index,
        outcome="failed" if answer.fault else "completed",
        model=answer.model or model.name,
        request_digest=prepared.digest,
        finish_reason=answer.finish_reason,
        usage=answer.usage,
        cost_usd=cost_of(answer, model, wall_ms=tools.wall_ms, metrics=tools.metrics),
        simulated=model.simulated,
        output=text if answer.fault is None else None,
        fault=answer.fault,
        duration_ms=duration_ms,
    )


def voided(job: Job, claim: Claim) -> CallReported:
    """A call that was claimed and never made."""
    return CallReported(
        call_id=claim.call_id,
        path=job.task.path,
        attempt=job.task.attempt,
        index=claim.index,
        outcome="void",
    )


async def attempt_report(
    tools: Tools, job: Job, *, text: str, fault: Fault | None
) -> AttemptReported:
    """The attempt's outcome, from how its call ended and from the declared output.

    ``text`` is all of it, earlier text included, also where the call failed.
    """
    value, task = None, job.task
    if fault is None:
        value, fault = check_output(text, task.output)
    if task.output.kind == "json" and fault is None:
        text = unfenced(text)
    return AttemptReported(
        path=task.path,
        attempt=task.attempt,
        outcome="failed" if fault else "completed",
        output=await store_text(tools.artifacts, job.cause.tenant, task.collaboration, text),
        value=value,
        fault=fault,
    )
