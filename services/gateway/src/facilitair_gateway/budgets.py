"""A tenant's budget between HTTP and the records: read, checked, shown. Pure."""

from typing import Any

from facilitair_events.accounts import AccountView
from facilitair_events.budgets import Budget, Limit, SlotLimits
from facilitair_gateway.views import plain


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


def account_body(view: AccountView) -> dict[str, Any]:
    """The body of ``GET /v1/budget``: the budget, and how the account stands with it."""
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
        "updated_at": plain(view.updated_at),
    }
