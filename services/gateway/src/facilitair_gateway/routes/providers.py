"""Keys that a tenant brings for model providers: written, never read. Every route needs admin."""

from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from facilitair_events.credentials import CredentialStored
from facilitair_events.keys import NAME
from facilitair_gateway.credentials import MAX_KEY_CHARS, Credentials
from facilitair_gateway.errors import RequestFaultsError, UnknownProviderError
from facilitair_gateway.routes.answers import json_response
from facilitair_gateway.routes.bodies import checked, read_json
from facilitair_gateway.routes.callers import Administrator, Gateway
from facilitair_gateway.routes.documents import CURSOR, LIMIT, body_of
from facilitair_gateway.routes.paging import page

log = structlog.get_logger(__name__)

router = APIRouter(prefix="/v1/providers", tags=["providers"])


class NewProviderKey(BaseModel):
    """A key of the caller's tenant for a provider."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field(min_length=1, max_length=MAX_KEY_CHARS, description="The provider's API key.")


async def provider_name(provider: str, gateway: Gateway) -> str:
    """The provider in a path; what cannot be a name is none."""
    if NAME.fullmatch(provider) is None:
        raise UnknownProviderError(known=gateway.credentials.providers)
    return provider


Provider = Annotated[str, Depends(provider_name)]


@router.get("", openapi_extra={"parameters": [CURSOR, LIMIT]})
async def providers(*, request: Request, caller: Administrator, gateway: Gateway) -> Response:
    """The providers that are set up here, each with the tenant's own key for it, if any."""
    known = gateway.credentials
    rows = [
        {"provider": name, "key": _shown(known.find(name, tenant=caller.tenant), known)}
        for name in known.providers
    ]
    return json_response(page(rows, request.query_params, by="provider"))


@router.put("/{provider}/key", openapi_extra=body_of(NewProviderKey))
async def set_key(
    *, request: Request, caller: Administrator, gateway: Gateway, provider: Provider
) -> Response:
    """Set the key that the tenant's calls of a provider are made with. No answer ever holds it."""
    content = await read_json(request, limit=gateway.limits.max_body_bytes)
    body, faults = checked(NewProviderKey, content)
    if body is None:
        raise RequestFaultsError(faults=tuple(faults))
    record = await gateway.credentials.store(provider, body.key, by=caller)
    log.info("provider key set", provider=provider, tenant=caller.tenant, actor=caller.actor)
    return json_response(_body(record, gateway.credentials))


@router.get("/{provider}/key")
async def show_key(*, caller: Administrator, gateway: Gateway, provider: Provider) -> Response:
    """When the tenant's key was set, by whom, and its last characters; never the key."""
    record = gateway.credentials.get(provider, tenant=caller.tenant)
    return json_response(_body(record, gateway.credentials))


@router.delete("/{provider}/key")
async def remove_key(*, caller: Administrator, gateway: Gateway, provider: Provider) -> Response:
    """Remove the tenant's key; its next call is made without it."""
    record = await gateway.credentials.remove(provider, by=caller)
    log.info("provider key removed", provider=provider, tenant=caller.tenant, actor=caller.actor)
    shown = {"removed_at": record.removed_at, "removed_by": record.removed_by}
    return json_response({"provider": provider, **shown})


def _body(record: CredentialStored, known: Credentials) -> dict[str, Any]:
    return {"provider": record.provider} | (_shown(record, known) or {})


def _shown(record: CredentialStored | None, known: Credentials) -> dict[str, Any] | None:
    """``opens`` says whether this gateway has the master key that the key was sealed with."""
    if record is None:
        return None
    return {
        "last_four": record.hint,
        "set_at": record.set_at,
        "set_by": record.set_by,
        "opens": known.opens(record),
    }
