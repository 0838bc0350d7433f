"""Submitting collaborations, asking about them, and ending them."""

from http import HTTPStatus
from typing import Annotated

import structlog
from fastapi import APIRouter, Header, Request, Response

from facilitair_gateway.costs import cost_body
from facilitair_gateway.definitions import logic_of
from facilitair_gateway.events_page import read_page
from facilitair_gateway.fanout import START
from facilitair_gateway.identifiers import submit_id
from facilitair_gateway.routes.answers import json_response
from facilitair_gateway.routes.bodies import read_json
from facilitair_gateway.routes.callers import Caller, CollaborationId, Gateway, fresh_id
from facilitair_gateway.routes.checks import (
    Control,
    NewCollaboration,
    checked_control,
    checked_submit,
)
from facilitair_gateway.routes.documents import CURSOR, LIMIT, body_of
from facilitair_gateway.routes.paging import read_limit
from facilitair_gateway.steering import cancel, resume
from facilitair_gateway.submission import (
    Submission,
    body_digest,
    check_answer,
    check_kept,
    requested,
)
from facilitair_gateway.views import collaboration_body, stream_path

log = structlog.get_logger(__name__)

router = APIRouter(prefix="/v1/collaborations", tags=["collaborations"])


@router.post("", status_code=HTTPStatus.ACCEPTED, openapi_extra=body_of(NewCollaboration))
async def submit(
    *,
    request: Request,
    caller: Caller,
    gateway: Gateway,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> Response:
    """Ask for a collaboration.

    With an `Idempotency-Key` the same body again gives the same collaboration, another body 409.
    """
    content = await read_json(request, limit=gateway.limits.max_body_bytes)
    body, definition = checked_submit(
        content, idempotency_key, gateway=gateway, tenant=caller.tenant
    )
    logic = logic_of(gateway.catalog)
    if body.budget is not None:
        check_kept(logic=logic, policy=gateway.policy)
    submission = Submission(
        collaboration=submit_id(caller.tenant, idempotency_key, fresh=fresh_id()),
        task=body.task,
        inputs=body.inputs,
        project=body.project or caller.project,
        priority=body.priority,
        body_digest=body_digest(content),
        budget_usd=body.budget,
    )
    record = await requested(
        submission,
        principal=caller,
        definition=definition,
        logic=logic,
        stream_start=await gateway.viewing.stream_end(caller, submission.collaboration),
        artifacts=gateway.artifacts,
        policy=gateway.policy,
    )
    answer = await gateway.inbox.submit(caller, record)
    log.info(
        "collaboration requested",
        collaboration=submission.collaboration,
        workflow=definition.workflow,
        outcome="queued" if answer is None else answer.outcome,
    )
    shown = {"id": submission.collaboration, "status": "queued", "cursor": START}
    if answer is not None:
        check_answer(answer)
        shown["status"] = answer.status or "queued"
        shown["cursor"] = gateway.viewing.start_cursor(caller, answer)
    shown["stream"] = stream_path(submission.collaboration)
    location = f"/v1/collaborations/{submission.collaboration}"
    return json_response(shown, status=HTTPStatus.ACCEPTED, headers={"location": location})


@router.get("/{collaboration}")
async def describe(*, caller: Caller, gateway: Gateway, collaboration: CollaborationId) -> Response:
    """What a collaboration is doing, step by step. After its end the texts are in its events."""
    description = await gateway.inbox.describe(caller, collaboration)
    return json_response(collaboration_body(description.answer, description.view))


@router.get("/{collaboration}/cost")
async def cost(*, caller: Caller, gateway: Gateway, collaboration: CollaborationId) -> Response:
    """What a collaboration used and cost so far. A cost is null where a price is not known.

    `charged_usd` is what its account counts: the cost; for a call whose outcome is unknown what was
    reserved for it; for one without a price nothing, which `unpriced_calls` tells.
    """
    description = await gateway.inbox.describe(caller, collaboration)
    return json_response(cost_body(description.view))


@router.get("/{collaboration}/events", openapi_extra={"parameters": [CURSOR, LIMIT]})
async def events(
    *, request: Request, caller: Caller, gateway: Gateway, collaboration: CollaborationId
) -> Response:
    """The public events of a collaboration in order; 410 once they have expired."""
    limit = read_limit(request.query_params)
    cursor = request.query_params.get("cursor")
    place = await gateway.viewing.place(caller, collaboration, cursor=cursor)
    return json_response(await read_page(gateway.hub, place, limit=limit))


@router.post(
    "/{collaboration}/control", status_code=HTTPStatus.ACCEPTED, openapi_extra=body_of(Control)
)
async def control(
    *, request: Request, caller: Caller, gateway: Gateway, collaboration: CollaborationId
) -> Response:
    """Steer a collaboration. 409 when it has ended or is ending, or is not paused to be resumed."""
    body = checked_control(await read_json(request, limit=gateway.limits.max_body_bytes))
    client_id = body.client_id or fresh_id()
    if body.action == "resume":
        answer = await resume(
            gateway.inbox,
            caller,
            collaboration=collaboration,
            client_id=client_id,
            budget_usd=body.budget,
        )
    else:
        answer = await cancel(
            gateway.inbox,
            caller,
            collaboration=collaboration,
            client_id=client_id,
            reason=body.reason,
        )
    status = "queued" if answer is None else answer.status
    shown = {"id": collaboration, "action": body.action, "client_id": client_id, "status": status}
    return json_response(shown, status=HTTPStatus.ACCEPTED)
