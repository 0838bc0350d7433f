"""Numbers as they travel; their bounds are part of every schema, as none can be added later."""

from decimal import Decimal
from typing import Annotated, Final

from msgspec import Meta

from facilitair_events.errors import AmountError

_MAX: Final = 2**63 - 1
"""What SQLite, PostgreSQL and the JVM can hold."""

Count = Annotated[int, Meta(ge=0, le=_MAX)]
"""From zero: sizes, offsets, indexes, milliseconds, tokens."""

Ordinal = Annotated[int, Meta(ge=1, le=_MAX)]
"""From one: seq, attempts, iterations, versions of ``logic``."""

Seconds = Annotated[float, Meta(ge=0)]
"""A duration."""

Share = Annotated[float, Meta(ge=0, le=1)]
"""A part of a whole."""

Amount = Annotated[
    Decimal, Meta(extra_json_schema={"pattern": r"^[0-9]+(\.[0-9]+)?(E[+-]?[0-9]+)?$"})
]
"""USD, exact, as a string on the wire; ``check_amounts`` says what is refused."""

_SMALLEST_EXPONENT: Final = -40
_DEAREST: Final = Decimal(10**12)


def check_amounts(**amounts: Decimal | None) -> None:
    """Refuse what Decimal allows and money is not: NaN, infinities, debts, absurd exponents.

    Raises AmountError naming the field. None, an unknown amount, is fine.
    """
    for field, amount in amounts.items():
        if amount is None:
            continue
        exponent = amount.as_tuple().exponent
        if isinstance(exponent, str) or exponent < _SMALLEST_EXPONENT or not 0 <= amount < _DEAREST:
            raise AmountError(field=field)
