"""Turning a task into a request: fetch texts, render the template (R6: not in the reducer)."""

from typing import Any

import msgspec

from facilitair_agent_worker.domain import chat_request, request_digest
from facilitair_agent_worker.errors import AttemptFaultError
from facilitair_events.definitions import Model
from facilitair_events.requests import Fault
from facilitair_events.work import FinishedCall, RunAttempt, StepOutput
from facilitair_llm.calls import ChatRequest
from facilitair_runtime.artifacts import ArtifactStore, load_text
from facilitair_runtime.errors import ArtifactError
from facilitair_workflows.templates import TemplateError, render


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A request ready to be made, and a finished call that answers it already (R22).

    ``earlier`` is the text that the answer goes on from.
    """

    model: Model
    request: ChatRequest
    digest: str
    finished: FinishedCall | None
    earlier: str = ""


async def prepare(task: RunAttempt, *, artifacts: ArtifactStore) -> Prepared:
    """Build the request of a task. Raises AttemptFaultError when its input cannot be made."""
    try:
        rendered = render(task.input, await _context(task, artifacts))
        rejected = await load_text(artifacts, task.correction.output) if task.correction else None
        earlier = await load_text(artifacts, task.continued) if task.continued else ""
    except TemplateError as error:
        raise AttemptFaultError(fault=Fault(code="input_invalid", message=str(error))) from error
    except ArtifactError as error:
        raise AttemptFaultError(fault=Fault(code="text_missing", message=str(error))) from error
    if not earlier.strip():
        earlier = ""  # there is nothing to go on from, and providers refuse a blank message
    model = _model(task)
    request = chat_request(task, model, rendered=rendered, rejected=rejected, earlier=earlier)
    digest = request_digest(request)
    reusable = (call for call in task.finished if call.request_digest == digest)
    return Prepared(
        model=model,
        request=request,
        digest=digest,
        finished=next(reusable, None),
        earlier=earlier,
    )


def _model(task: RunAttempt) -> Model:
    """The model that the task names. Raises AttemptFaultError when its agent has none there."""
    models = task.agent.models
    if task.model_index < len(models):
        return models[task.model_index]
    message = f"the task names model {task.model_index + 1} of an agent that has {len(models)}"
    raise AttemptFaultError(fault=Fault(code="input_invalid", message=message))


async def _context(task: RunAttempt, artifacts: ArtifactStore) -> dict[str, Any]:
    return {
        "task": await load_text(artifacts, task.task),
        "inputs": task.inputs,
        "iteration": task.iteration,
        "outputs": {name: await _value(output, artifacts) for name, output in task.outputs.items()},
    }


async def _value(output: StepOutput, artifacts: ArtifactStore) -> Any:
    if output.json and output.value is not None:
        return output.value
    text = await load_text(artifacts, output.text)
    return msgspec.json.decode(text) if output.json else text
