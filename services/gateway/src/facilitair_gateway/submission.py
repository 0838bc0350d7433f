"""From what a client wrote to the record that asks for a collaboration (R10, R15)."""

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from facilitair_events.definitions import Definition
from facilitair_events.replies import RequestAnswered
from facilitair_events.requests import CollaborationRequested, Fault
from facilitair_events.text import INLINE_LIMIT_BYTES
from facilitair_gateway.budgets import unkept
from facilitair_gateway.errors import ConflictError, RequestFaultsError
from facilitair_gateway.principal import Principal
from facilitair_runtime.artifacts import ArtifactStore, store_text

DEFINITION_LIMIT_BYTES: Final = INLINE_LIMIT_BYTES
"""A larger resolved workflow travels as an artifact (R10)."""

INPUTS_LIMIT_BYTES: Final = INLINE_LIMIT_BYTES

JSON: Final = "application/json"

# A definition's own JSON, as its digest counts it; a client's, with its keys in order.
_encoder = msgspec.json.Encoder(decimal_format="string")
_canonical = msgspec.json.Encoder(order="sorted")


class Submission(Struct, frozen=True, kw_only=True):
    """What a client asked for. ``body_digest`` is of what it wrote, not of what it means."""

    collaboration: str
    task: str
    inputs: dict[str, Any]
    project: str
    priority: Literal["interactive", "batch"]
    body_digest: str
    budget_usd: Decimal | None = None


def body_digest(content: Any) -> str:
    """The sha256 of a body's canonical JSON: order of keys and white space do not count (R15)."""
    return hashlib.sha256(_canonical.encode(content)).hexdigest()


def text_faults(*, task: str, inputs: dict[str, Any], max_task_bytes: int) -> list[Fault]:
    """What is wrong with the texts of a request."""
    faults = []
    size = len(task.encode())
    if not task.strip():
        message = "the task is empty; say what should be done"
        faults.append(Fault(code="task_empty", message=message, field="task"))
    if size > max_task_bytes:
        message = f"the task has {size} bytes, at most {max_task_bytes} are taken; shorten it"
        faults.append(Fault(code="task_too_large", message=message, field="task"))
    size = len(_canonical.encode(inputs))
    if size > INPUTS_LIMIT_BYTES:
        message = f"the inputs have {size} bytes, at most {INPUTS_LIMIT_BYTES} are taken"
        faults.append(Fault(code="inputs_too_large", message=message, field="inputs"))
    return faults


async def requested(
    submission: Submission,
    *,
    principal: Principal,
    definition: Definition,
    logic: int,
    stream_start: int,
    artifacts: ArtifactStore,
    policy: Mapping[str, str],
) -> CollaborationRequested:
    """The record of a submission; long texts and definitions are stored first."""
    tenant, collaboration = principal.tenant, submission.collaboration
    content = _encoder.encode(definition)
    artifact = None
    if len(content) > DEFINITION_LIMIT_BYTES:
        artifact = await artifacts.put(
            tenant=tenant, collaboration=collaboration, content=content, media_type=JSON
        )
    return CollaborationRequested(
        collaboration=collaboration,
        project=submission.project,
        actor=principal.actor,
        task=await store_text(artifacts, tenant, collaboration, submission.task),
        body_digest=submission.body_digest,
        stream_start=stream_start,
        logic=logic,
        definition=definition if artifact is None else None,
        definition_artifact=artifact,
        inputs=submission.inputs,
        priority=submission.priority,
        budget_usd=submission.budget_usd,
        policy=dict(policy),
    )


def check_kept(*, logic: int, policy: Mapping[str, str]) -> None:
    """Raises ConflictError where a budget would be taken and not kept."""
    for why in unkept(logic=logic, policy=policy):
        raise ConflictError(
            code=why.code, message=f"the budget of this request would not hold: {why.message}"
        )


def check_answer(answer: RequestAnswered) -> None:
    """Raises ConflictError or RequestFaultsError for an answer that is not a yes."""
    if answer.outcome == "conflict":
        raise ConflictError(
            code="idempotency_conflict",
            message="this Idempotency-Key was used for another body; use a new key",
        )
    if answer.outcome == "refused":
        raise RequestFaultsError(faults=answer.faults)
