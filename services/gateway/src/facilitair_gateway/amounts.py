"""Amounts of USD as clients write them: exact, whatever JSON does to numbers. Pure."""

import re
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, WithJsonSchema

_TEXT: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,18})?", re.ASCII)
_EXACT_DIGITS: Final = 15
"""As many of a JSON number arrive as they were written."""

_SCHEMA: Final = {
    "anyOf": [{"type": "string", "pattern": f"^{_TEXT.pattern}$"}, {"type": "number"}],
    "examples": ["2.50"],
}


class NotAnAmountError(ValueError):
    """What a client wrote is no amount of money."""

    def __init__(self, *, advice: str = "") -> None:
        super().__init__(f'must be an amount of USD, like 2.5 or "2.50"{advice}')


def amount_of(value: Any) -> Decimal:
    """The amount that a client wrote as a string or a number.

    Raises NotAnAmountError for what is none: also a number with more digits than JSON keeps.
    """
    if isinstance(value, Decimal):
        return value
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise NotAnAmountError
    text = value if isinstance(value, str) else f"{Decimal(repr(value)):f}"
    if _TEXT.fullmatch(text) is None:
        raise NotAnAmountError
    found = Decimal(text)
    if isinstance(value, float) and len(found.normalize().as_tuple().digits) > _EXACT_DIGITS:
        raise NotAnAmountError(advice="; this one has more digits than a number keeps: quote it")
    return found


def positive_amount(value: Any) -> Decimal:
    """The same for an amount over 0. Raises NotAnAmountError."""
    found = amount_of(value)
    if not found:
        raise NotAnAmountError(advice=" and more than 0")
    return found


Usd = Annotated[Decimal, BeforeValidator(amount_of), WithJsonSchema(_SCHEMA)]
PositiveUsd = Annotated[Decimal, BeforeValidator(positive_amount), WithJsonSchema(_SCHEMA)]
