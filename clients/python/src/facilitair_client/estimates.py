"""What a collaboration would use and cost."""

from decimal import Decimal

from msgspec import Struct


class CountRange(Struct, frozen=True, kw_only=True):
    """A number of calls or tokens: at least, likely, at most."""

    low: int
    likely: int
    high: int


class UsdRange(Struct, frozen=True, kw_only=True):
    """An amount of USD: at least, likely, at most."""

    low: Decimal
    likely: Decimal
    high: Decimal


class StepEstimate(Struct, frozen=True, kw_only=True):
    """All calls of a step together; ``usd`` is null without a known price.

    ``past_calls`` is how many calls the length of its answers was learnt from.
    """

    path: str
    agent: str
    model: str
    provider: str
    calls: CountRange
    input_tokens: CountRange
    output_tokens: CountRange
    usd: UsdRange | None = None
    past_calls: int = 0


class Estimate(Struct, frozen=True, kw_only=True):
    """All steps in their order, and their sums.

    ``usd`` is null when a step has no known price; ``unpriced`` names those models.
    ``history`` is ``known``, ``none`` where nobody keeps accounts, or ``away``.
    """

    workflow: str
    version: str
    steps: tuple[StepEstimate, ...]
    calls: CountRange
    input_tokens: CountRange
    output_tokens: CountRange
    usd: UsdRange | None = None
    unpriced: tuple[str, ...] = ()
    history: str = "known"
