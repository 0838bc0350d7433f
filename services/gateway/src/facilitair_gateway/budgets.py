"""A tenant's budget between HTTP and the records: read, checked, shown. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from facilitair_events.accounts import AccountView
from facilitair_events.budgets import Budget, Limit, SlotLimits
from facilitair_events.requests import Fault
from facilitair_gateway.views import plain
from facilitair_workflows.reducing.draft import FUNDS_SINCE


def budget_of(body: dict[str, Any]) -> Budget:
    """The budget of a body that was checked in its form; its zone is not resolved yet."""
    return Budget(
        timezone=body["timezone"],
        limits=tuple(Limit(**limit) for limit in body["limits"]),
        slots=SlotLimits(**body["slots"]),
        unpriced=body["unpriced"],
    )


def budget_body(budget: Budget) -> dict[str, Any]:
    """A budget as clients write it: what ``GET`` shows, ``PUT`` takes."""
    shown: dict[str, Any] = plain(budget)
    del shown["offsets"]
    return shown


def account_body(view: AccountView, *, warnings: Sequence[Fault]) -> dict[str, Any]:
    """The body of ``GET /v1/budget``: the budget, and how the account stands with it.

    ``warnings`` say why it does not hold, see ``unkept``.
    """
    return {
        "tenant": view.tenant,
        "currency": "USD",
        "budget": budget_body(view.budget),
        "spent_usd": plain(view.spent_usd),
        "reserved_usd": plain(view.reserved_usd),
        "open_collaborations": view.open_collaborations,
        "limits": [
            plain(limit.limit)
            | {name: value for name, value in plain(limit).items() if name != "limit"}
            for limit in view.limits
        ],
        "slots": plain(view.slots),
        "unknown_calls": view.unknown_calls,
        "unknown": plain(view.unknown),
        "warnings": [{"code": fault.code, "message": fault.message} for fault in warnings],
        "updated_at": plain(view.updated_at),
    }


def unkept(*, logic: int, policy: Mapping[str, str]) -> list[Fault]:
    """Why no budget holds for new collaborations, and what to do; empty where money is reserved."""
    found = []
    if logic < FUNDS_SINCE:
        message = (
            f"nothing is reserved and no limit holds, because logic {logic} is active; once every"
            f" orchestrator knows logic {FUNDS_SINCE}: facilitair logic activate {FUNDS_SINCE}"
        )
        found.append(Fault(code="logic_without_money", message=message))
    if policy.get("reserve") != "required":
        message = (
            "nothing is reserved and no limit holds, because the gateway was told so; start it with"
            " FACILITAIR_GATEWAY_POLICY__RESERVE=required"
        )
        found.append(Fault(code="reserve_off", message=message))
    return found
