"""What one model call may cost at most, before anybody counted its tokens. Pure.

Nothing but sizes goes in, so that the reducer may ask (R6); a worker, which has counted, checks the
same bound again before it calls.
"""

from decimal import ROUND_CEILING, Context, Decimal, Inexact
from typing import Final

from facilitair_events.definitions import Model, Prices, PriceTier
from facilitair_events.envelope import instant

BYTES_PER_TOKEN: Final = 2
"""Of prose a token takes about four bytes, of source text three; digits and signs take fewer.

A text that is denser over its whole length is what a worker declines as ``reservation_short``.
"""

MARGIN_TOKENS: Final = 512
"""For what stands around the texts: roles, separators, a complaint about an answer."""

OUTPUT_TOKENS: Final = 8_192
"""The limit of an answer where neither step, agent nor model has one; it is sent along."""

_MILLION: Final = Decimal(10**6)
_STEP: Final = Decimal("1E-9")
_DEAREST: Final = Decimal(10**11)
_EXACT: Final = Context(prec=100, traps=[Inexact])
_UP: Final = Context(prec=100, rounding=ROUND_CEILING)


def input_tokens(size: int, model: Model, *, more: int = 0) -> int:
    """At most so many tokens are ``size`` bytes of text, with ``more`` tokens beside them.

    No model reads more than its context window.
    """
    tokens = -(-size // BYTES_PER_TOKEN) + MARGIN_TOKENS + more
    return tokens if model.context_window is None else min(tokens, model.context_window)


def output_tokens(asked: int | None, model: Model) -> int:
    """The longest answer: what was ``asked`` for, else the model's own limit, else a default."""
    own = model.max_output_tokens
    if asked is None:
        return OUTPUT_TOKENS if own is None else own
    return asked if own is None else min(asked, own)


def most_usd(model: Model, *, input_tokens: int, output_tokens: int, at_ms: int) -> Decimal | None:
    """The most that a call may cost, rounded up to 10⁻⁹ USD; None without a price that it needs.

    Every token counts at the dearest kind that it may be of, and every tier that may apply does.
    ``at_ms`` is the time of the call: prices that ended by then are unknown.
    """
    prices = model.prices
    if prices is None or (prices.until is not None and instant(at_ms) >= prices.until):
        return None
    tables: list[Prices | PriceTier] = [prices]
    tables += [t for t in prices.tiers if input_tokens > t.above_input_tokens]
    reads = [_input_price(table) for table in tables]
    writes = [_output_price(table) for table in tables]
    if None in reads or None in writes:
        return None
    read = max(price for price in reads if price is not None)
    write = max(price for price in writes if price is not None)
    total = _EXACT.fma(write, output_tokens, _EXACT.multiply(read, Decimal(input_tokens)))
    usd = _UP.quantize(_EXACT.divide(total, _MILLION), _STEP)
    return min(usd, _DEAREST)


def _input_price(table: Prices | PriceTier) -> Decimal | None:
    """A provider may write to its cache unasked; a kind without a price is not sold."""
    if table.input is None:
        return None
    kinds = (table.input, table.cached_input, table.cache_write, table.cache_write_1h)
    return max(price for price in kinds if price is not None)


def _output_price(table: Prices | PriceTier) -> Decimal | None:
    if table.output is None:
        return None
    return max(price for price in (table.output, table.reasoning) if price is not None)
