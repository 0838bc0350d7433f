"""Budgets of tenants: read by everybody of the tenant, changed by administrators.

A limit would be none if whoever is bound by it could raise it, or settle calls as if they had cost
nothing: both need the scope ``admin``.
"""

from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Header, Request, Response

from facilitair_events.accounts import AccountView, CallCorrection
from facilitair_events.budgets import Budget
from facilitair_events.ids import derive
from facilitair_events.keys import NAME
from facilitair_events.requests import Fault
from facilitair_gateway.accounts import budget_tag
from facilitair_gateway.budgets import account_body, budget_body, budget_of, unkept
from facilitair_gateway.calendar import placed
from facilitair_gateway.errors import BudgetChangedError, RequestFaultsError, UnknownTenantError
from facilitair_gateway.principal import Principal
from facilitair_gateway.routes.answers import json_response
from facilitair_gateway.routes.bodies import Body, checked, read_json
from facilitair_gateway.routes.budget_bodies import Correction, NewBudget, Reconciliation
from facilitair_gateway.routes.callers import Administrator, Caller, Gateway, Parts, fresh_id
from facilitair_gateway.routes.checks import key_faults
from facilitair_gateway.routes.documents import body_of
from facilitair_gateway.submission import body_digest

log = structlog.get_logger(__name__)

router = APIRouter(prefix="/v1", tags=["money"])

IdempotencyKey = Annotated[str | None, Header()]


async def tenant_named(tenant: str, gateway: Gateway) -> str:
    """The tenant in a path. Raises UnknownTenantError."""
    if NAME.fullmatch(tenant) is None or not gateway.administration.directory.is_active(tenant):
        raise UnknownTenantError
    return tenant


Tenant = Annotated[str, Depends(tenant_named)]


@router.get("/budget")
async def budget(*, caller: Caller, gateway: Gateway) -> Response:
    """The tenant's budget, what is spent and reserved of it, and the calls to reconcile.

    `ETag` names the budget for the `If-Match` of a `PUT`. `warnings` say why no limit holds, where
    money is not reserved.
    """
    return _shown(await gateway.accounts.view(caller.tenant, by=caller), gateway)


@router.put("/budget", openapi_extra=body_of(NewBudget))
async def set_budget(
    *,
    request: Request,
    caller: Administrator,
    gateway: Gateway,
    idempotency_key: IdempotencyKey = None,
    if_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Set the whole budget of the caller's tenant. Needs the scope `admin`.

    With `If-Match`, 412 when it is another one by now; without, it takes the place of any.
    """
    wish = await _wish(request, NewBudget, gateway=gateway, key=idempotency_key)
    return await _set(wish, caller.tenant, by=caller, gateway=gateway, if_match=if_match)


@router.post("/budget/reconciliations", openapi_extra=body_of(Reconciliation))
async def reconcile(
    *,
    request: Request,
    caller: Administrator,
    gateway: Gateway,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Settle calls of the caller's tenant whose outcome was unknown. Needs the scope `admin`."""
    wish = await _wish(request, Reconciliation, gateway=gateway, key=idempotency_key)
    return await _reconcile(wish, caller.tenant, by=caller, gateway=gateway)


@router.get("/admin/tenants/{tenant}/budget")
async def budget_of_tenant(*, caller: Administrator, gateway: Gateway, tenant: Tenant) -> Response:
    """The budget of any tenant, as `GET /v1/budget` shows it."""
    return _shown(await gateway.accounts.view(tenant, by=caller), gateway)


@router.put("/admin/tenants/{tenant}/budget", openapi_extra=body_of(NewBudget))
async def set_budget_of_tenant(
    *,
    request: Request,
    caller: Administrator,
    gateway: Gateway,
    tenant: Tenant,
    idempotency_key: IdempotencyKey = None,
    if_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Set the whole budget of any tenant, as `PUT /v1/budget` does."""
    wish = await _wish(request, NewBudget, gateway=gateway, key=idempotency_key)
    return await _set(wish, tenant, by=caller, gateway=gateway, if_match=if_match)


@router.post("/admin/tenants/{tenant}/reconciliations", openapi_extra=body_of(Reconciliation))
async def reconcile_tenant(
    *,
    request: Request,
    caller: Administrator,
    gateway: Gateway,
    tenant: Tenant,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Settle calls of any tenant, as `POST /v1/budget/reconciliations` does."""
    wish = await _wish(request, Reconciliation, gateway=gateway, key=idempotency_key)
    return await _reconcile(wish, tenant, by=caller, gateway=gateway)


async def _wish(
    request: Request, model: type[Body], *, gateway: Parts, key: str | None
) -> tuple[Body, str]:
    """The body, and a client id that is the same for the same body under the same key.

    Raises RequestFaultsError.
    """
    content = await read_json(request, limit=gateway.limits.max_body_bytes)
    body, faults = checked(model, content)
    faults += key_faults(key)
    if body is None or faults:
        raise RequestFaultsError(faults=tuple(faults))
    client_id = fresh_id() if key is None else derive("client", key, body_digest(content))
    return body, client_id


async def _set(
    wish: tuple[NewBudget, str],
    tenant: str,
    *,
    by: Principal,
    gateway: Parts,
    if_match: str | None,
) -> Response:
    body, client_id = wish
    wanted = placed(budget_of(body.model_dump()), now_ms=gateway.now_ms())
    replaces: Budget | None = None
    if if_match is not None:
        view = await gateway.accounts.view(tenant, by=by)
        if if_match not in {budget_tag(view.budget), "*"}:
            if budget_body(view.budget) == budget_body(wanted):
                return _shown(view, gateway)  # sent again, after an answer that was lost
            raise BudgetChangedError
        replaces = None if if_match == "*" else view.budget
    view = await gateway.accounts.set_budget(
        tenant, wanted, replaces=replaces, client_id=client_id, by=by
    )
    log.info("budget set", tenant=tenant, limits=len(wanted.limits), actor=by.actor)
    return _shown(view, gateway)


async def _reconcile(
    wish: tuple[Reconciliation, str], tenant: str, *, by: Principal, gateway: Parts
) -> Response:
    body, client_id = wish
    faults = _repeated(body.corrections)
    if faults:
        raise RequestFaultsError(faults=tuple(faults))
    view = await gateway.accounts.reconcile(
        tenant,
        tuple(CallCorrection(call_id=c.call_id, cost_usd=c.cost_usd) for c in body.corrections),
        reason=body.reason,
        from_export=body.source == "export",
        client_id=client_id,
        by=by,
    )
    log.info("calls reconciled", tenant=tenant, calls=len(body.corrections), actor=by.actor)
    return json_response({"settled": len(body.corrections)} | _body(view, gateway))


def _repeated(corrections: list[Correction]) -> list[Fault]:
    seen: set[str] = set()
    faults = []
    for place, one in enumerate(corrections):
        if one.call_id in seen:
            field = f"corrections.{place}.call_id"
            message = f"{field!r} names a call a second time"
            faults.append(Fault(code="invalid_field", message=message, field=field))
        seen.add(one.call_id)
    return faults


def _shown(view: AccountView, gateway: Parts) -> Response:
    return json_response(_body(view, gateway), headers={"etag": budget_tag(view.budget)})


def _body(view: AccountView, gateway: Parts) -> dict[str, Any]:
    warnings = unkept(logic=gateway.logic.active(), policy=gateway.policy)
    return account_body(view, warnings=warnings)
