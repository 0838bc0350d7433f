"""Exact sums of money, whatever the decimal context of the process is."""

from collections.abc import Iterable
from decimal import Context, Decimal, Inexact
from typing import Final

ZERO: Final = Decimal(0)

# More digits than the dearest amount with the smallest exponent has; it would raise, not round.
_EXACT: Final = Context(prec=100, traps=[Inexact])


def plus(one: Decimal, other: Decimal) -> Decimal:
    """The sum."""
    return _EXACT.add(one, other)


def minus(one: Decimal, other: Decimal) -> Decimal:
    """The difference, which may be negative."""
    return _EXACT.subtract(one, other)


def left(limit: Decimal, taken: Decimal) -> Decimal:
    """What is left of a limit; nothing where more was taken than it allows."""
    return max(ZERO, minus(limit, taken))


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The sum of all."""
    result = ZERO
    for amount in amounts:
        result = plus(result, amount)
    return result


def told(amount: Decimal) -> str:
    """An amount as people read it: without an exponent, without zeros that say nothing."""
    if not amount:
        return "0"
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
