"""Who a request is taken for."""

from fastapi import APIRouter, Response

from facilitair_gateway.principal import SCOPES
from facilitair_gateway.routes.answers import json_response
from facilitair_gateway.routes.callers import Caller, Gateway

router = APIRouter(prefix="/v1", tags=["administration"])


@router.get("/me")
async def me(*, caller: Caller, gateway: Gateway) -> Response:
    """The tenant and the scopes of this request, and whether access is `open` or needs `keys`."""
    return json_response(
        {
            "tenant": caller.tenant,
            "actor": caller.actor,
            "key_id": caller.key_id,
            "scopes": [scope for scope in SCOPES if scope in caller.scopes],
            "project": caller.project,
            "access": "open" if gateway.access.open else "keys",
        }
    )
