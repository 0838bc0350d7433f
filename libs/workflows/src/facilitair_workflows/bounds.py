"""What one model call may cost at most, before anybody counted its tokens. Pure.

Nothing but sizes goes in, so that the reducer may ask (R6); a worker, which has counted, checks the
same bound again before it calls.
"""

import re
from decimal import ROUND_CEILING, Context, Decimal, Inexact
from functools import lru_cache
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

_NAMES: Final = re.compile(r"outputs\.([A-Za-z0-9_]+)|['\"]([a-z0-9_-]+)['\"]")
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


@lru_cache(maxsize=1024)
def named_outputs(template: str) -> tuple[tuple[str, int], ...]:
    """The steps whose answers a template may name, and how often; quoted words are among them."""
    found: dict[str, int] = {}
    if "outputs" in template:
        for plain, quoted in _NAMES.findall(template):
            found[plain or quoted] = found.get(plain or quoted, 0) + 1
    return tuple(found.items())


def most_usd(model: Model, *, input_tokens: int, output_tokens: int, at_ms: int) -> Decimal | None:
    """The most that a call may cost, rounded up to 10⁻⁹ USD; None without a price that it needs.

    Every token counts at the dearest kind that it may be of, and every tier that may apply does.
    ``at_ms`` is the time of the call: prices that ended by then are unknown.
    """
    prices = model.prices
    if prices is None or (prices.until is not None and instant(at_ms) >= prices.until):
        return None
    read, write = _input_price(prices), _output_price(prices)
    for tier in prices.tiers:
        if input_tokens > tier.above_input_tokens:
            read = _dearer(read, _input_price(tier))
            write = _dearer(write, _output_price(tier))
    if read is None or write is None:
        return None
    total = _EXACT.fma(write, output_tokens, _EXACT.multiply(read, Decimal(input_tokens)))
    usd = _UP.quantize(_EXACT.divide(total, _MILLION), _STEP)
    return min(usd, _DEAREST)


def _dearer(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else max(one, other)


def _input_price(table: Prices | PriceTier) -> Decimal | None:
    """A provider may write to its cache unasked; a kind without a price is not sold."""
    most = table.input
    if most is None:
        return None
    for price in (table.cached_input, table.cache_write, table.cache_write_1h):
        if price is not None and price > most:
            most = price
    return most


def _output_price(table: Prices | PriceTier) -> Decimal | None:
    if table.output is None or table.reasoning is None:
        return table.output
    return max(table.output, table.reasoning)
