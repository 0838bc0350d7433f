"""What tokens cost, exactly."""

from datetime import datetime
from decimal import Context, Decimal, Inexact

from facilitair_events.definitions import Prices, PriceTier
from facilitair_events.requests import Usage

_MILLION_DIGITS = 6
# More digits than the longest price times the largest count has; it would raise, not round.
_EXACT = Context(prec=100, traps=[Inexact])


def cost_usd(prices: Prices | None, usage: Usage, *, at: datetime) -> Decimal | None:
    """Return what the tokens of one call cost; None where a price that they need is unknown.

    Cached and written tokens are paid at their own price instead of the input's, reasoning tokens
    instead of the output's.
    A call whose input is over the bound of a tier is paid at that tier's prices, all of it.
    `at` is when the call was made: prices that ended by then are unknown.
    Counts that contradict each other cost an unknown amount too.
    """
    if prices is None or (prices.until is not None and at >= prices.until):
        return None
    tier = tier_for(prices, input_tokens=usage.input_tokens)
    total = Decimal(0)
    for tokens, price in (
        (usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens, tier.input),
        (usage.cached_input_tokens, tier.cached_input),
        (usage.cache_write_tokens - usage.cache_write_1h_tokens, tier.cache_write),
        (usage.cache_write_1h_tokens, tier.cache_write_1h),
        (usage.output_tokens - usage.reasoning_tokens, tier.output),
        (usage.reasoning_tokens, tier.reasoning),
    ):
        if tokens < 0 or (tokens > 0 and price is None):
            return None
        if price is not None:
            total = _EXACT.fma(price, tokens, total)
    return _EXACT.scaleb(total, -_MILLION_DIGITS)


def tier_for(prices: Prices, *, input_tokens: int) -> Prices | PriceTier:
    """Return the prices that count for a call with so many tokens of input."""
    over = [tier for tier in prices.tiers if input_tokens > tier.above_input_tokens]
    return over[-1] if over else prices
