"""What a provider says that was used and billed. Pure data."""

import re
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Literal

from msgspec import Struct

from facilitair_cli.errors import CommandError
from facilitair_cli.exits import ExitCode

Provider = Literal["openai", "anthropic", "openrouter"]
PROVIDERS: Final[tuple[Provider, ...]] = ("openai", "anthropic", "openrouter")

_DATED: Final = re.compile(r"-(\d{8}|\d{4}-\d{2}-\d{2})$")
_SHOWN_FAULTS: Final = 20


class BilledCall(Struct, frozen=True, kw_only=True):
    """One call on the bill, which began ``at``; ``line`` is where the export says so."""

    line: int
    ident: str
    at: datetime
    model: str
    cost_usd: Decimal
    input_tokens: int | None = None
    output_tokens: int | None = None


class Tokens(Struct, frozen=True, kw_only=True):
    """Tokens of all calls of a day, cached ones and those written to a cache among the input."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0


class BilledDay(Struct, frozen=True, kw_only=True):
    """All calls of a model on a day of UTC; ``model`` is null for those of all models.

    ``cost_usd`` is null where the export has only ``tokens``.
    """

    line: int
    day: date
    model: str | None
    cost_usd: Decimal | None
    tokens: Tokens = Tokens()


class Bill(Struct, frozen=True, kw_only=True):
    """An export: of single calls, or of days."""

    provider: Provider
    form: str
    calls: tuple[BilledCall, ...] = ()
    days: tuple[BilledDay, ...] = ()


class BillFault(Struct, frozen=True, kw_only=True):
    """What is wrong with a line of an export; JSON without line breaks has one line."""

    line: int
    message: str


class BillError(CommandError):
    """An export cannot be read; everything that is wrong with it is told at once."""

    code = ExitCode.USAGE

    def __init__(self, *, file: str, faults: Sequence[BillFault]) -> None:
        self.faults = tuple(faults)
        lines = [f"line {fault.line}: {fault.message}" for fault in self.faults[:_SHOWN_FAULTS]]
        more = len(self.faults) - len(lines)
        lines += [f"and {more} more"] if more > 0 else []
        super().__init__("\n  ".join([f"{file} cannot be read:", *lines]))


def family(model: str) -> str:
    """A model's name without a date, a variant and case: how two names of one model compare."""
    return _DATED.sub("", model.strip().lower().partition(":")[0])
