"""What attempts used, and sums of it. Pure."""

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from facilitair_client.results import Totals, Usage

if TYPE_CHECKING:
    from facilitair_client.transcript import StepTranscript

_UNKNOWN = "unknown"
_UNANSWERED = Totals(calls=1, unknown_calls=1)


class Spent(Struct, frozen=True, kw_only=True):
    """What one attempt used."""

    step: str
    agent: str
    model: str
    totals: Totals


def spent_of(step: "StepTranscript", what: str, *, data: dict[str, Any]) -> Spent:
    """What the attempt used whose end ``data`` tells; one that went silent has unknown calls."""
    totals = data.get("totals")
    if totals is not None:
        found = msgspec.convert(totals, Totals, strict=False)
    else:
        found = Totals() if what != "unknown" or data.get("void") else _UNANSWERED
    return Spent(
        step=step.path,
        agent=data.get("agent") or step.agent or _UNKNOWN,
        model=data.get("model") or step.model or _UNKNOWN,
        totals=found,
    )


def sum_of(all_totals: Iterable[Totals]) -> Totals:
    """The sum; its cost is unknown as soon as that of one is, of those that had a call."""
    found = [totals for totals in all_totals if totals.calls]
    costs = [totals.cost_usd for totals in found]
    known = [cost for cost in costs if cost is not None]
    return Totals(
        usage=Usage(
            input_tokens=sum(t.usage.input_tokens for t in found),
            output_tokens=sum(t.usage.output_tokens for t in found),
            cached_input_tokens=sum(t.usage.cached_input_tokens for t in found),
            reasoning_tokens=sum(t.usage.reasoning_tokens for t in found),
            cache_write_tokens=sum(t.usage.cache_write_tokens for t in found),
            cache_write_1h_tokens=sum(t.usage.cache_write_1h_tokens for t in found),
            estimated=any(t.usage.estimated for t in found),
        ),
        calls=sum(t.calls for t in found),
        cost_usd=sum(known, Decimal(0)) if len(known) == len(costs) else None,
        unknown_calls=sum(t.unknown_calls for t in found),
        simulated=any(t.simulated for t in found),
    )
