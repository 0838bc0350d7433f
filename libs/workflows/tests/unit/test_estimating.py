"""An estimate counts what is known, and says a range for what is not."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from msgspec.structs import replace

from facilitair_events.definitions import Model, Prices, PriceTier, Repeat, Step
from facilitair_testing.funded import FundedInbox, priced
from facilitair_testing.inbox import definition, review_loop, step
from facilitair_workflows.bounds import MARGIN_TOKENS
from facilitair_workflows.estimating import CountRange, PastUsage, estimate
from facilitair_workflows.reducing.paths import place


def words(text: str) -> int:
    return len(text.split())


MODEL = Model(
    name="m",
    provider="p",
    max_output_tokens=1000,
    prices=Prices(input=Decimal(2), output=Decimal(10)),
)
CHAIN = priced(
    definition(
        step("a", input="Do {{ task }}"), step("b", "a", input="See {{ outputs.a }}"), output="b"
    ),
    MODEL,
)


def of(wanted, **more):
    fields = {"task": "one two three", "inputs": {}, "count": words, "used": {}}
    return estimate(wanted, **(fields | more))


def test_tokens_in_are_counted_and_answers_are_passed_on() -> None:
    found = of(CHAIN)
    first, second = found.steps
    # "You are." (2), the template (4) and the task (3).
    assert (first.input_tokens.low, first.input_tokens.likely) == (9, 9)
    assert first.output_tokens == CountRange(low=64, likely=1000, high=1000)
    assert second.input_tokens.low == 2 + 4 + 64
    # "You are." and "See {{ outputs.a }}" have 27 bytes.
    assert second.input_tokens.high == 14 + 1000 + MARGIN_TOKENS
    assert first.usd is not None
    assert first.usd.low == (2 * 9 + 10 * 64) / Decimal(10**6)
    assert found.usd is not None
    assert found.usd.high == sum(s.usd.high for s in found.steps if s.usd is not None)
    assert found.calls == CountRange(low=2, likely=2, high=2)


def test_what_past_runs_used_is_likely() -> None:
    found = of(CHAIN, used={"a": PastUsage(calls=3, output_tokens=600)})
    assert found.steps[0].output_tokens == CountRange(low=100, likely=200, high=1000)
    assert found.steps[0].past_calls == 3
    assert found.steps[1].past_calls == 0


def test_no_answer_is_longer_than_its_limit() -> None:
    found = of(CHAIN, used={"a": PastUsage(calls=1, output_tokens=9_999)})
    assert found.steps[0].output_tokens == CountRange(low=500, likely=1000, high=1000)


def test_the_agents_own_limit_counts() -> None:
    agents = {n: replace(a, max_output_tokens=50) for n, a in CHAIN.agents.items()}
    assert of(replace(CHAIN, agents=agents)).steps[0].output_tokens.high == 50


def test_groups_repeat_and_conditions_may_skip() -> None:
    found = of(priced(review_loop(3), MODEL))
    calls = {s.path: (s.calls.low, s.calls.likely, s.calls.high) for s in found.steps}
    assert calls == {
        "coder": (1, 1, 1),
        "review.reviewer": (1, 2, 3),
        "review.coder": (0, 2, 3),
        "documenter": (1, 1, 1),
    }


def test_groups_inside_groups_multiply() -> None:
    inner = Step(id="in", steps=(step("a"),), repeat=Repeat(until="false", max=3))
    outer = Step(id="out", steps=(inner,), repeat=Repeat(until="false", max=5))
    wanted = replace(definition(outer, output="a"), agents=CHAIN.agents)
    [found] = of(priced(wanted, MODEL)).steps
    assert (found.path, found.calls) == ("out.in.a", CountRange(low=1, likely=6, high=15))


@pytest.mark.parametrize("prices", [None, Prices(input=Decimal(1))])
def test_a_model_without_a_price_is_named_and_no_sum_is_told(prices) -> None:
    found = of(priced(CHAIN, replace(MODEL, prices=prices)))
    assert found.usd is None
    assert found.unpriced == ("p/m",)
    assert [s.usd for s in found.steps] == [None, None]


def test_prices_that_have_ended_are_unknown() -> None:
    ended = replace(MODEL.prices, until=datetime(2026, 1, 1, tzinfo=UTC))
    wanted = priced(CHAIN, replace(MODEL, prices=ended))
    assert of(wanted, at_ms=1_767_225_599_999).usd is not None
    assert of(wanted, at_ms=1_767_225_600_000).usd is None


def test_at_most_counts_every_tier_and_kind_at_its_dearest() -> None:
    tier = PriceTier(above_input_tokens=100, input=Decimal(200), output=Decimal(1000))
    dear = replace(MODEL, prices=replace(MODEL.prices, tiers=(tier,), cache_write=Decimal(3)))
    found = of(priced(CHAIN, dear))
    assert found.steps[0].usd is not None
    assert found.steps[0].usd.high == (200 * (17 + MARGIN_TOKENS) + 1000 * 1000) / Decimal(10**6)
    assert found.steps[0].usd.low == (2 * 9 + 10 * 64) / Decimal(10**6)


def test_nothing_is_read_beyond_the_context_window() -> None:
    found = of(priced(CHAIN, replace(MODEL, context_window=20)))
    assert found.steps[1].input_tokens.high == 20


def test_a_budget_of_the_most_is_enough_for_any_run() -> None:
    """What the reducer sets aside for a call is never more than the estimate says."""
    wanted = priced(review_loop(3), MODEL)
    inbox = FundedInbox()
    inbox.request(wanted)
    no = ('{"approved": false}', {"approved": False})
    inbox.run_to_end({f"review.{n}.reviewer": no for n in (1, 2, 3)})
    found = estimate(wanted, task="Do it.", inputs={}, count=words, used={})
    most = {s.path: s.usd.high / s.calls.high for s in found.steps if s.usd is not None}
    for task in inbox.tasks:
        assert task.reserved_usd is not None
        assert task.reserved_usd <= most[place(task.path)]
    assert len(inbox.tasks) == found.calls.high
