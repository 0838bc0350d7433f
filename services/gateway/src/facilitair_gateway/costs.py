"""What a collaboration cost, by step, agent, model and call. Pure.

A cost is what a provider bills, a charge is what the tenant's account counts for it: the same,
except that a call whose outcome is unknown is charged at its reservation, and one without a price
at nothing.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from facilitair_events.collaboration import Totals
from facilitair_events.replies import CallView, CollaborationView, StepView
from facilitair_events.requests import Usage
from facilitair_gateway.views import plain

_UNKNOWN: Final = "unknown"


class Charges(Struct, frozen=True, kw_only=True):
    """The money of some calls.

    ``charged_usd`` is null where nobody keeps accounts, ``unknown_usd`` is the part of it that is
    not known to have been spent.
    """

    charged_usd: Decimal | None
    unknown_usd: Decimal | None
    unpriced_calls: int


def cost_body(view: CollaborationView) -> dict[str, Any]:
    """The body of ``GET …/cost``: totals, and the same by step, agent, model and call.

    A cost is null as soon as one of its calls has no known price.
    """
    by_path: dict[str, list[CallView]] = {}
    for call in view.calls:
        by_path.setdefault(call.path, []).append(call)
    return {
        "id": view.id,
        "status": view.status,
        "currency": "USD",
        "budget_usd": plain(view.budget_usd),
        "reserved_usd": plain(view.reserved_usd),
        "slots": view.slots,
        "totals": plain(view.totals) | plain(charges(view.calls)),
        "steps": [
            _step_row(step, by_path.get(step.path, ()))
            for step in view.steps
            if step.totals.calls or step.reserved_usd is not None or step.funding is not None
        ],
        "agents": _grouped(view.calls, by="agent"),
        "models": _grouped(view.calls, by="model"),
        "calls": [_call_row(call) for call in view.calls],
    }


def charges(calls: Iterable[CallView]) -> Charges:
    """What an account counts for calls. Those that were never asked cost nothing."""
    counted = [call for call in calls if call.outcome != "void"]
    known = [call for call in counted if call.charged_usd is not None]
    unknown = [call.charged_usd for call in known if call.outcome == "unknown"]
    return Charges(
        charged_usd=_total(call.charged_usd for call in known) if known else None,
        unknown_usd=_total(unknown) if known else None,
        unpriced_calls=sum(
            call.totals.cost_usd is None and call.outcome != "unknown" for call in counted
        ),
    )


def _step_row(step: StepView, calls: Sequence[CallView]) -> dict[str, Any]:
    about = {
        "step": step.step,
        "path": step.path,
        "agent": step.agent,
        "status": step.status,
        "waits_for_funds": step.funding is not None,
        "reserved_usd": plain(step.reserved_usd),
    }
    money: dict[str, Any] = plain(step.totals) | plain(charges(calls))
    return about | money


def _call_row(call: CallView) -> dict[str, Any]:
    about = {
        "call_id": call.call_id,
        "path": call.path,
        "attempt": call.attempt,
        "outcome": call.outcome,
        "agent": call.agent,
        "model": call.model,
    }
    money: dict[str, Any] = plain(call.totals) | plain(charges([call]))
    return about | money


def _grouped(calls: Iterable[CallView], *, by: str) -> list[dict[str, Any]]:
    groups: dict[str, list[CallView]] = {}
    for call in calls:
        groups.setdefault(getattr(call, by) or _UNKNOWN, []).append(call)
    return [
        {by: name} | plain(_sum([call.totals for call in group])) | plain(charges(group))
        for name, group in sorted(groups.items())
    ]


def _total(amounts: Iterable[Decimal | None]) -> Decimal:
    return sum((amount for amount in amounts if amount is not None), Decimal(0))


def _sum(all_totals: list[Totals]) -> Totals:
    costs = [totals.cost_usd for totals in all_totals]
    known = [cost for cost in costs if cost is not None]
    return Totals(
        usage=Usage(
            input_tokens=sum(t.usage.input_tokens for t in all_totals),
            output_tokens=sum(t.usage.output_tokens for t in all_totals),
            cached_input_tokens=sum(t.usage.cached_input_tokens for t in all_totals),
            reasoning_tokens=sum(t.usage.reasoning_tokens for t in all_totals),
            cache_write_tokens=sum(t.usage.cache_write_tokens for t in all_totals),
            cache_write_1h_tokens=sum(t.usage.cache_write_1h_tokens for t in all_totals),
            estimated=any(t.usage.estimated for t in all_totals),
        ),
        calls=sum(t.calls for t in all_totals),
        cost_usd=sum(known, Decimal(0)) if len(known) == len(costs) else None,
        unknown_calls=sum(t.unknown_calls for t in all_totals),
        simulated=any(t.simulated for t in all_totals),
    )
