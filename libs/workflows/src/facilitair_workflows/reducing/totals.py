"""Sums over calls."""

from collections.abc import Iterable
from decimal import Decimal

from facilitair_events.collaboration import Totals
from facilitair_events.requests import Usage
from facilitair_events.state import CallState


def totals_of(calls: Iterable[CallState]) -> Totals:
    """What calls used and cost together; without a price for one of them the cost is None."""
    counted = [call for call in calls if call.outcome != "void"]
    usages = [call.usage for call in counted if call.usage is not None]
    costs = [call.cost_usd for call in counted]
    return Totals(
        usage=Usage(
            input_tokens=sum(usage.input_tokens for usage in usages),
            output_tokens=sum(usage.output_tokens for usage in usages),
            cached_input_tokens=sum(usage.cached_input_tokens for usage in usages),
            reasoning_tokens=sum(usage.reasoning_tokens for usage in usages),
            # Told by no worker of logic 1, so that its totals stay as they are.
            cache_write_tokens=sum(usage.cache_write_tokens for usage in usages),
            cache_write_1h_tokens=sum(usage.cache_write_1h_tokens for usage in usages),
            estimated=any(usage.estimated for usage in usages),
        ),
        calls=len(counted),
        cost_usd=None
        if None in costs
        else sum((cost for cost in costs if cost is not None), Decimal(0)),
        unknown_calls=sum(call.outcome == "unknown" for call in counted),
        simulated=any(call.simulated for call in counted),
    )
