"""What a provider says that a call was charged."""

from decimal import Decimal

from facilitair_llm.documents import JsonObject

MAX_DECIMALS = 20
_ABSURD = 10**6


def told_cost(usage: object) -> Decimal | None:
    """Return the `cost` of a usage in USD, as OpenRouter tells it; None where it is none.

    With a key of the user's own at the provider behind, `cost` is only the fee: what that provider
    takes is told beside it, and counts too.
    """
    if not isinstance(usage, dict):
        return None
    cost = _amount(usage.get("cost"))
    if cost is None or not usage.get("is_byok"):
        return cost
    details: JsonObject = usage.get("cost_details") or {}
    upstream = _amount(details.get("upstream_inference_cost"))
    return None if upstream is None else cost + upstream


def _amount(value: object) -> Decimal | None:
    """Return the amount that was written; a float's shortest form is what was on the wire."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    amount = Decimal(repr(value))
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -MAX_DECIMALS or not 0 <= amount < _ABSURD:
        return None
    return amount
