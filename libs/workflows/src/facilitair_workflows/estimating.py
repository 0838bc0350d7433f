"""What a workflow will use and cost, before it runs: a pure function of its definition.

Of each step there are three figures: what it may be at least, what is likely, and at most.
Repeats of attempts that fail, corrections and fallbacks are in none of them.
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import Struct

from facilitair_events.definitions import Definition, Model, Prices, PriceTier, Step
from facilitair_events.numbers import Amount, Count
from facilitair_workflows import bounds

_USUAL_ANSWER: Final = 1_024
"""Tokens of an answer of an agent that nobody has run yet."""

_SHORT_ANSWER: Final = 64
_MILLION: Final = Decimal(10**6)
_STEP: Final = Decimal("1E-9")


class PastUsage(Struct, frozen=True, kw_only=True):
    """What calls of an agent used before, together."""

    calls: Count
    output_tokens: Count


class CountRange(Struct, frozen=True, kw_only=True):
    """A number of calls or tokens."""

    low: Count
    likely: Count
    high: Count


class UsdRange(Struct, frozen=True, kw_only=True):
    """An amount of USD. ``high`` is at the dearest prices that may apply."""

    low: Amount
    likely: Amount
    high: Amount


class StepEstimate(Struct, frozen=True, kw_only=True):
    """A step with an agent; ``path`` names its groups too, without iterations.

    Tokens and ``usd`` are of all its ``calls`` together; ``usd`` is null without a known price.
    ``past_calls`` is how many calls the length of its answers was learnt from.
    """

    path: str
    agent: str
    model: str
    provider: str
    calls: CountRange
    input_tokens: CountRange
    output_tokens: CountRange
    usd: UsdRange | None
    past_calls: Count = 0


class Estimate(Struct, frozen=True, kw_only=True):
    """All steps in the order of the file, and their sums.

    ``usd`` is null when a step has no known price; ``unpriced`` names those models.
    """

    workflow: str
    version: str
    steps: tuple[StepEstimate, ...]
    calls: CountRange
    input_tokens: CountRange
    output_tokens: CountRange
    usd: UsdRange | None
    unpriced: tuple[str, ...] = ()


class _Asked(Struct, frozen=True, kw_only=True):
    """What an estimate is made from."""

    definition: Definition
    task: str
    inputs: dict[str, Any]
    count: Callable[[str], int]
    used: Mapping[str, PastUsage]
    at_ms: int


def estimate(
    definition: Definition,
    *,
    task: str,
    inputs: dict[str, Any],
    count: Callable[[str], int],
    used: Mapping[str, PastUsage],
    at_ms: int = 0,
) -> Estimate:
    """Estimate a whole workflow.

    ``count`` tells the tokens of a text. ``used`` is by agent.
    ``at_ms`` is when it would run (milliseconds since the epoch): prices that ended by then are
    unknown; 0 takes them as they are.
    """
    asked = _Asked(
        definition=definition, task=task, inputs=inputs, count=count, used=used, at_ms=at_ms
    )
    answers = {step.id: _answer(asked, step) for _, step, _ in _places(definition.steps)}
    steps = tuple(
        _step(asked, step, path=path, times=times, answers=answers)
        for path, step, times in _places(definition.steps)
    )
    priced = [step.usd for step in steps if step.usd is not None]
    unpriced = {f"{s.provider}/{s.model}": None for s in steps if s.usd is None}
    return Estimate(
        workflow=definition.workflow,
        version=definition.version,
        steps=steps,
        calls=_sum([step.calls for step in steps]),
        input_tokens=_sum([step.input_tokens for step in steps]),
        output_tokens=_sum([step.output_tokens for step in steps]),
        usd=None if unpriced else _sum_usd(priced),
        unpriced=tuple(unpriced),
    )


def _places(
    steps: tuple[Step, ...], *, prefix: str = "", times: CountRange | None = None
) -> Iterator[tuple[str, Step, CountRange]]:
    """Every step with an agent, its place, and how often it is called."""
    around = times or CountRange(low=1, likely=1, high=1)
    for step in steps:
        most = step.repeat.max if step.repeat is not None else 1
        own = CountRange(
            low=0 if step.when is not None else around.low,
            likely=around.likely * ((most + 1) // 2),
            high=around.high * most,
        )
        if step.agent is not None:
            yield prefix + step.id, step, own
        yield from _places(step.steps, prefix=f"{prefix}{step.id}.", times=own)


def _answer(asked: _Asked, step: Step) -> CountRange:
    """The tokens of one answer: up to its limit, and as past runs had it."""
    agent = asked.definition.agents[str(step.agent)]
    most = bounds.output_tokens(agent.max_output_tokens, agent.models[0])
    past = asked.used.get(agent.name)
    if past is None or not past.calls:
        return CountRange(low=min(_SHORT_ANSWER, most), likely=min(_USUAL_ANSWER, most), high=most)
    mean = min(-(-past.output_tokens // past.calls), most)
    return CountRange(low=-(-mean // 2), likely=mean, high=most)


def _step(
    asked: _Asked, step: Step, *, path: str, times: CountRange, answers: Mapping[str, CountRange]
) -> StepEstimate:
    agent = asked.definition.agents[str(step.agent)]
    model, answer = agent.models[0], answers[step.id]
    asks = _input(asked, step, model=model, answers=answers)
    past = asked.used.get(agent.name)
    return StepEstimate(
        path=path,
        agent=agent.name,
        model=model.name,
        provider=model.provider,
        calls=times,
        input_tokens=_times(asks, times),
        output_tokens=_times(answer, times),
        usd=_usd(asked, model, asks=asks, answer=answer, times=times),
        past_calls=past.calls if past is not None else 0,
    )


def _input(
    asked: _Asked, step: Step, *, model: Model, answers: Mapping[str, CountRange]
) -> CountRange:
    """The tokens of one question: what is known is counted, earlier answers are as long as told.

    At most it is what money is set aside for, which goes by sizes.
    """
    agent = asked.definition.agents[str(step.agent)]
    template = step.input or ""
    known = (
        (agent.prompt, 1),
        (template, 1),
        (asked.task, template.count("task")),
        (msgspec.json.encode(asked.inputs).decode(), template.count("inputs")),
    )
    counted = sum(times * asked.count(text) for text, times in known if times)
    size = sum(times * len(text.encode()) for text, times in known)
    if step.output.json_schema is not None:
        size += len(msgspec.json.encode(step.output.json_schema))
    sources = [
        (answers[name], times) for name, times in bounds.named_outputs(template) if name in answers
    ]
    longest = sum(answer.high * times for answer, times in sources)
    tokens = (
        counted + sum(answer.low * times for answer, times in sources),
        counted + sum(answer.likely * times for answer, times in sources),
        max(counted + longest, bounds.input_tokens(size, model, more=longest)),
    )
    window = model.context_window
    low, likely, high = (t if window is None else min(t, window) for t in tokens)
    return CountRange(low=low, likely=likely, high=high)


def _usd(
    asked: _Asked, model: Model, *, asks: CountRange, answer: CountRange, times: CountRange
) -> UsdRange | None:
    dearest = bounds.most_usd(
        model, input_tokens=asks.high, output_tokens=answer.high, at_ms=asked.at_ms
    )
    if dearest is None or model.prices is None:
        return None
    low = _plain_usd(model.prices, asks.low, answer.low)
    likely = _plain_usd(model.prices, asks.likely, answer.likely)
    return UsdRange(
        low=min(low, dearest) * times.low,
        likely=min(likely, dearest) * times.likely,
        high=dearest * times.high,
    )


def _plain_usd(prices: Prices, tokens_in: int, tokens_out: int) -> Decimal:  # noqa: PLR0917 - in, out
    """The cost without any cache, at the tier that counts."""
    table: Prices | PriceTier = prices
    for tier in prices.tiers:
        if tokens_in > tier.above_input_tokens:
            table = tier
    total = (table.input or 0) * tokens_in + (table.output or 0) * tokens_out
    return (Decimal(total) / _MILLION).quantize(_STEP)


def _times(tokens: CountRange, times: CountRange) -> CountRange:
    return CountRange(
        low=tokens.low * times.low,
        likely=tokens.likely * times.likely,
        high=tokens.high * times.high,
    )


def _sum(ranges: list[CountRange]) -> CountRange:
    return CountRange(
        low=sum(r.low for r in ranges),
        likely=sum(r.likely for r in ranges),
        high=sum(r.high for r in ranges),
    )


def _sum_usd(ranges: list[UsdRange]) -> UsdRange:
    nothing = Decimal(0)
    return UsdRange(
        low=sum((r.low for r in ranges), nothing),
        likely=sum((r.likely for r in ranges), nothing),
        high=sum((r.high for r in ranges), nothing),
    )
