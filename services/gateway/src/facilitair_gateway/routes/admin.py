"""Administration of tenants and keys. Every route needs the scope ``admin``."""

from http import HTTPStatus
from typing import Any, Final, Literal

import structlog
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from facilitair_events.keys import NAME
from facilitair_events.requests import Fault
from facilitair_events.tenants import KeyIssued, TenantClosed, TenantCreated
from facilitair_gateway.administration import Administration, KeyWish
from facilitair_gateway.directory import KeyRecord, TenantRecord
from facilitair_gateway.errors import RequestFaultsError, UnknownTenantError
from facilitair_gateway.principal import LOCAL_TENANT
from facilitair_gateway.routes.answers import json_response
from facilitair_gateway.routes.bodies import Body, checked, read_json
from facilitair_gateway.routes.callers import Administrator, Gateway, Parts
from facilitair_gateway.routes.documents import CURSOR, LIMIT, body_of
from facilitair_gateway.routes.paging import page

log = structlog.get_logger(__name__)

router = APIRouter(prefix="/v1/admin", tags=["administration"])

_NAME_CHARS: Final = 64
_LABEL_CHARS: Final = 200
_LONGEST_S: Final = 10 * 366 * 24 * 3600
_PAGE: Final[dict[str, Any]] = {"parameters": [CURSOR, LIMIT]}
_TENANT: Final[dict[str, Any]] = {
    "name": "tenant",
    "in": "query",
    "required": False,
    "schema": {"type": "string"},
    "description": "Only the keys of this tenant.",
}


class NewTenant(BaseModel):
    """A tenant to create."""

    model_config = ConfigDict(extra="forbid")

    tenant: str = Field(description="Its id: part of keys and paths, and never changed.")
    name: str | None = Field(None, max_length=_LABEL_CHARS, description="What people call it.")


class NewKey(BaseModel):
    """A key to issue."""

    model_config = ConfigDict(extra="forbid")

    tenant: str = Field(LOCAL_TENANT, description="Whose key it is.")
    label: str = Field("", max_length=_LABEL_CHARS, description="What it is for.")
    scopes: list[Literal["read", "write", "admin"]] = Field(
        ["write"], min_length=1, description="What it may do; write includes read, admin both."
    )
    project: str | None = Field(
        None, description="What its requests are filed under that name none."
    )
    expires_in_s: int | None = Field(
        None, ge=1, le=_LONGEST_S, description="When it expires, in seconds from now."
    )


@router.post("/tenants", status_code=HTTPStatus.CREATED, openapi_extra=body_of(NewTenant))
async def create_tenant(*, request: Request, caller: Administrator, gateway: Gateway) -> Response:
    """Create a tenant. 409 for a name that is taken, or was."""
    body = await _read(request, NewTenant, gateway=gateway, names=("tenant",))
    record = await gateway.administration.create_tenant(body.tenant, name=body.name, by=caller)
    log.info("tenant created", tenant=record.tenant, actor=caller.actor)
    return json_response(_tenant_body(record), status=HTTPStatus.CREATED)


@router.get("/tenants", openapi_extra=_PAGE)
async def tenants(*, request: Request, caller: Administrator, gateway: Gateway) -> Response:  # noqa: ARG001 - who asks is checked
    """All tenants, those that are closed too."""
    found = {LOCAL_TENANT: _local_body()}
    found |= {r.tenant: _tenant_body(r) for r in gateway.administration.directory.all_tenants()}
    rows = [found[name] for name in sorted(found)]
    return json_response(page(rows, request.query_params, by="tenant"))


@router.delete("/tenants/{tenant}")
async def close_tenant(*, caller: Administrator, gateway: Gateway, tenant: str) -> Response:
    """Close a tenant for good: none of its keys works any more. What it has is kept."""
    record = await gateway.administration.close_tenant(tenant, by=caller)
    log.info("tenant closed", tenant=record.tenant, actor=caller.actor)
    return json_response(_tenant_body(record))


@router.post("/keys", status_code=HTTPStatus.CREATED, openapi_extra=body_of(NewKey))
async def issue_key(*, request: Request, caller: Administrator, gateway: Gateway) -> Response:
    """Issue a key. The answer holds it, in `key`; it is kept nowhere and cannot be had again."""
    body = await _read(request, NewKey, gateway=gateway, names=("tenant", "project"))
    wish = KeyWish(
        tenant=body.tenant,
        label=body.label,
        scopes=tuple(dict.fromkeys(body.scopes)),
        project=body.project,
        expires_in_s=body.expires_in_s,
    )
    try:
        record, text = await gateway.administration.issue_key(wish, by=caller)
    except UnknownTenantError as error:
        fault = Fault(code="unknown_tenant", message=str(error), field="tenant")
        raise RequestFaultsError(faults=(fault,)) from error
    log.info("key issued", key_id=record.key_id, tenant=record.tenant, actor=caller.actor)
    shown = _key_body(record, gateway.administration)
    return json_response(shown | {"key": text}, status=HTTPStatus.CREATED)


@router.get("/keys", openapi_extra={"parameters": [_TENANT, CURSOR, LIMIT]})
async def keys(*, request: Request, caller: Administrator, gateway: Gateway) -> Response:  # noqa: ARG001 - who asks is checked
    """All keys, those that work no more too; never the keys themselves."""
    wanted = request.query_params.get("tenant")
    rows = [
        _key_body(record, gateway.administration)
        for record in gateway.administration.directory.all_keys()
        if wanted in {None, record.tenant}
    ]
    return json_response(page(rows, request.query_params, by="id"))


@router.delete("/keys/{key}")
async def revoke_key(*, caller: Administrator, gateway: Gateway, key: str) -> Response:
    """Revoke a key by its id, at once: streams that it opened end too."""
    record = await gateway.administration.revoke_key(key, by=caller)
    log.info("key revoked", key_id=record.key_id, tenant=record.tenant, actor=caller.actor)
    return json_response(_key_body(record, gateway.administration))


async def _read(
    request: Request, model: type[Body], *, gateway: Parts, names: tuple[str, ...]
) -> Body:
    """The body, with ``names`` checked to be names. Raises RequestFaultsError with every fault."""
    content = await read_json(request, limit=gateway.limits.max_body_bytes)
    body, faults = checked(model, content)
    if isinstance(content, dict):
        given = {name: content[name] for name in names if isinstance(content.get(name), str)}
        faults += [
            Fault(
                code="invalid_field",
                message=f"{name!r} must match {NAME.pattern} and have at most {_NAME_CHARS}"
                " characters",
                field=name,
            )
            for name, value in given.items()
            if NAME.fullmatch(value) is None or len(value) > _NAME_CHARS
        ]
    if body is None or faults:
        raise RequestFaultsError(faults=tuple(faults))
    return body


def _local_body() -> dict[str, Any]:
    return {"tenant": LOCAL_TENANT, "name": None, "status": "active", "created_at": None}


def _tenant_body(record: TenantRecord) -> dict[str, Any]:
    shown: dict[str, Any] = {"tenant": record.tenant, "name": record.name}
    if isinstance(record, TenantCreated):
        about = {"created_at": record.created_at, "created_by": record.created_by}
        return shown | {"status": "active"} | about
    return shown | _closed(record)


def _closed(record: TenantClosed) -> dict[str, Any]:
    return {"status": "closed", "closed_at": record.closed_at, "closed_by": record.closed_by}


def _key_body(record: KeyRecord, administration: Administration) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": record.key_id,
        "tenant": record.tenant,
        "label": record.label,
        "scopes": record.scopes,
        "status": administration.status(record),
    }
    if isinstance(record, KeyIssued):
        return shown | {
            "project": record.project,
            "created_at": record.created_at,
            "created_by": record.created_by,
            "expires_at": record.expires_at,
        }
    return shown | {"revoked_at": record.revoked_at, "revoked_by": record.revoked_by}
