"""What there is to work with: workflows, agents and models."""

from typing import Final

from fastapi import APIRouter, Request, Response

from facilitair_events.catalog import CatalogKind
from facilitair_gateway.definitions import active, listed, model_rows
from facilitair_gateway.errors import UnknownModelError
from facilitair_gateway.routes.answers import json_response
from facilitair_gateway.routes.callers import Caller, Gateway, Parts
from facilitair_gateway.routes.documents import CURSOR, LIMIT
from facilitair_gateway.routes.paging import MAX_LIMIT, page
from facilitair_workflows.suggestions import model_advice

router = APIRouter(prefix="/v1", tags=["definitions"])

_NAME_CHARS: Final = 200
_PAGE = {"parameters": [CURSOR, LIMIT]}


@router.get("/workflows", openapi_extra=_PAGE)
async def workflows(*, request: Request, caller: Caller, gateway: Gateway) -> Response:
    """The workflows that can be asked for, with their active version."""
    return _page(request, gateway, kind="workflow", tenant=caller.tenant)


@router.get("/agents", openapi_extra=_PAGE)
async def agents(*, request: Request, caller: Caller, gateway: Gateway) -> Response:
    """The agents that workflows are made of."""
    return _page(request, gateway, kind="agent", tenant=caller.tenant)


@router.get("/models", openapi_extra=_PAGE)
async def models(*, request: Request, gateway: Gateway) -> Response:
    """The models that agents can run on, what is known of them, and which can be used here.

    It is a list of models to clients of OpenAI's API too, which read one page only.
    """
    rows = model_rows(gateway.catalog, gateway.model_rules)
    found = page(rows, request.query_params, by="name", default_limit=MAX_LIMIT)
    return json_response({"object": "list"} | found)


@router.get("/models/{model:path}")
async def model(*, gateway: Gateway, model: str) -> Response:
    """One model by its name, such as openai/gpt-4.1-mini, also one that may be named unlisted."""
    known = model_rows(gateway.catalog, gateway.model_rules, named=[model])
    rows = {row["id"]: row for row in known}
    if model not in rows:
        name = model[:_NAME_CHARS]
        raise UnknownModelError(model=name, advice=model_advice(name, rows))
    return json_response(rows[model])


def _page(request: Request, gateway: Parts, *, kind: CatalogKind, tenant: str) -> Response:
    found = [listed(version) for version in active(gateway.catalog, kind, tenant=tenant)]
    return json_response(page(found, request.query_params, by="name"))
