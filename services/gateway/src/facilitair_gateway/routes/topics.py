"""Administration of topics. Every route needs the scope ``admin``."""

from http import HTTPStatus

import msgspec
import structlog
from fastapi import APIRouter, HTTPException, Request, Response

from facilitair_gateway.routes.answers import json_response
from facilitair_gateway.routes.callers import Administrator, Gateway
from facilitair_gateway.routes.documents import CURSOR, LIMIT
from facilitair_gateway.routes.paging import page
from facilitair_messaging.errors import (
    LogAccessError,
    TopicConfigError,
    TopicDriftError,
)

log = structlog.get_logger(__name__)

router = APIRouter(prefix="/v1/admin", tags=["administration"])


@router.get("/topics", openapi_extra={"parameters": [CURSOR, LIMIT]})
async def topics(*, request: Request, caller: Administrator, gateway: Gateway) -> Response:  # noqa: ARG001 - who asks is checked
    """Every declared topic: partitions, records ever appended, and how far each group is behind.

    `partitions` is null for a topic that is missing.
    """
    try:
        found = await gateway.topics.statuses()
    except LogAccessError as error:
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
    rows = [msgspec.to_builtins(status) for status in found]
    return json_response(page(rows, request.query_params, by="name"))


@router.post("/topics")
async def apply_topics(*, caller: Administrator, gateway: Gateway) -> Response:
    """Create the topics that are missing, and tell which settings of the others differ.

    Nothing that exists is changed. 409 where a topic cannot be used as it is.
    """
    try:
        applied = await gateway.topics.apply()
    except (TopicDriftError, TopicConfigError) as error:
        raise HTTPException(HTTPStatus.CONFLICT, str(error)) from error
    except LogAccessError as error:
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
    log.info("topics applied", created=applied.created, actor=caller.actor)
    return json_response(msgspec.to_builtins(applied))
