"""Amounts of money on the command line. Pure."""

import re
from decimal import Decimal
from typing import Final

from facilitair_cli.errors import OptionError

_AMOUNT: Final = re.compile(r"\$?([0-9]{1,12}(?:\.[0-9]{1,18})?)", re.ASCII)


def usd(text: str, *, option: str, zero: bool = False) -> Decimal:
    """An amount of USD. Raises OptionError for what is none, and for 0 unless ``zero`` is right."""
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        raise OptionError(option=option, reason=f"{text!r} is no amount of USD such as 2.50")
    amount = Decimal(found[1])
    if not amount and not zero:
        raise OptionError(option=option, reason="must be more than 0")
    return amount
