"""Administration of the version of ``decide``. Every route needs the scope ``admin``."""

import structlog
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from facilitair_gateway.errors import RequestFaultsError
from facilitair_gateway.logic import LogicSwitch
from facilitair_gateway.routes.answers import json_response
from facilitair_gateway.routes.bodies import checked, read_json
from facilitair_gateway.routes.callers import Administrator, Gateway
from facilitair_gateway.routes.documents import body_of

log = structlog.get_logger(__name__)

router = APIRouter(prefix="/v1/admin", tags=["administration"])


class ActiveLogic(BaseModel):
    """The version that new collaborations shall keep."""

    model_config = ConfigDict(extra="forbid")

    version: int = Field(ge=1, description="At least the active one, at most the known one.")


@router.get("/logic")
async def logic(*, caller: Administrator, gateway: Gateway) -> Response:  # noqa: ARG001 - who asks is checked
    """Which version of the reducer new collaborations keep, and the newest this gateway knows."""
    return json_response(_body(gateway.logic))


@router.put("/logic", openapi_extra=body_of(ActiveLogic))
async def activate(*, request: Request, caller: Administrator, gateway: Gateway) -> Response:
    """Have new collaborations keep a newer version. Only when every orchestrator runs it.

    409 for a lower version than the active one, and for one that this gateway does not know.
    """
    content = await read_json(request, limit=gateway.limits.max_body_bytes)
    body, faults = checked(ActiveLogic, content)
    if body is None:
        raise RequestFaultsError(faults=tuple(faults))
    await gateway.logic.activate(body.version, by=caller)
    log.info("logic activated", version=body.version, actor=caller.actor)
    return json_response(_body(gateway.logic))


def _body(switch: LogicSwitch) -> dict[str, int]:
    return {"active": switch.active(), "known": switch.known}
