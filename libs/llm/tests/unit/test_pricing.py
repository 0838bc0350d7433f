from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_events.definitions import Prices, PriceTier
from facilitair_events.requests import Usage
from facilitair_llm.pricing import cost_usd, tier_for

NOW = datetime(2026, 11, 21, tzinfo=UTC)
KINDS = ("input", "output", "cached_input", "cache_write", "cache_write_1h", "reasoning")
PRICES = Prices(
    input=Decimal("0.25"),
    output=Decimal(2),
    cached_input=Decimal("0.025"),
    cache_write=Decimal("0.3125"),
    cache_write_1h=Decimal("0.5"),
    reasoning=Decimal(3),
)
LONG = PriceTier(above_input_tokens=200_000, **{kind: getattr(PRICES, kind) * 2 for kind in KINDS})

amounts = st.decimals(min_value=0, max_value=10**6, places=12)
counts = st.integers(0, 10**12)
usages = st.builds(
    lambda plain, cached, written, hour, said, thought: Usage(
        input_tokens=plain + cached + written + hour,
        cached_input_tokens=cached,
        cache_write_tokens=written + hour,
        cache_write_1h_tokens=hour,
        output_tokens=said + thought,
        reasoning_tokens=thought,
    ),
    *[counts] * 6,
)
tables = st.builds(Prices, **dict.fromkeys(KINDS, amounts))


def test_each_kind_of_token_has_its_own_price():
    usage = Usage(
        input_tokens=6_000_000,
        cached_input_tokens=1_000_000,
        cache_write_tokens=3_000_000,
        cache_write_1h_tokens=1_000_000,
        output_tokens=2_000_000,
        reasoning_tokens=1_000_000,
    )
    parts = ["0.25", "0.25", "0.025", "0.3125", "0.3125", "0.5", "2", "3"]
    assert cost_usd(PRICES, usage, at=NOW) == sum(map(Decimal, parts))


@pytest.mark.parametrize(
    ("prices", "usage"),
    [
        (None, Usage()),
        (Prices(), Usage(input_tokens=1)),
        (Prices(input=Decimal(1)), Usage(output_tokens=1)),
        (
            Prices(input=Decimal(1), output=Decimal(1)),
            Usage(input_tokens=2, cached_input_tokens=1),
        ),
        (Prices(input=Decimal(1)), Usage(input_tokens=2, cache_write_tokens=1)),
        (
            Prices(input=Decimal(1), cache_write=Decimal(1)),
            Usage(input_tokens=2, cache_write_tokens=1, cache_write_1h_tokens=1),
        ),
        (Prices(input=Decimal(1), output=Decimal(1)), Usage(output_tokens=2, reasoning_tokens=1)),
        (PRICES, Usage(input_tokens=1, cached_input_tokens=2)),
        (PRICES, Usage(input_tokens=3, cached_input_tokens=2, cache_write_tokens=2)),
        (PRICES, Usage(input_tokens=3, cache_write_tokens=1, cache_write_1h_tokens=2)),
    ],
)
def test_what_has_no_known_price_costs_an_unknown_amount_and_never_0(prices, usage):
    assert cost_usd(prices, usage, at=NOW) is None


def test_tokens_that_were_not_used_need_no_price():
    usage = Usage(input_tokens=500_000)
    assert cost_usd(Prices(input=Decimal(1)), usage, at=NOW) == Decimal("0.5")


def test_prices_are_unknown_from_the_day_on_that_they_end():
    prices = Prices(input=Decimal(1), until=datetime(2027, 1, 1, tzinfo=UTC))
    usage = Usage(input_tokens=1_000_000)
    assert cost_usd(prices, usage, at=datetime(2026, 12, 31, 23, 59, tzinfo=UTC)) == 1
    assert cost_usd(prices, usage, at=datetime(2027, 1, 1, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("tokens", "cost"), [(200_000, "0.05"), (200_001, "0.1000005"), (1_000_000, "1")]
)
def test_a_call_over_the_bound_of_a_tier_is_paid_at_its_prices_all_of_it(tokens, cost):
    tiered = Prices(
        input=Decimal("0.25"),
        tiers=(
            PriceTier(above_input_tokens=200_000, input=Decimal("0.5")),
            PriceTier(above_input_tokens=500_000, input=Decimal(1)),
        ),
    )
    assert cost_usd(tiered, Usage(input_tokens=tokens), at=NOW) == Decimal(cost)


def test_cached_tokens_count_towards_the_bound_of_a_tier():
    tiered = Prices(**{kind: getattr(PRICES, kind) for kind in KINDS}, tiers=(LONG,))
    usage = Usage(input_tokens=200_001, cached_input_tokens=200_001)
    assert cost_usd(tiered, usage, at=NOW) == Decimal("0.05") * 200_001 / 1_000_000


def test_a_tier_has_all_prices_so_one_that_it_lacks_is_unknown():
    tiered = Prices(
        input=Decimal(1),
        output=Decimal(1),
        tiers=(PriceTier(above_input_tokens=10, input=Decimal(2)),),
    )
    assert tier_for(tiered, input_tokens=11).output is None
    assert cost_usd(tiered, Usage(input_tokens=11, output_tokens=1), at=NOW) is None


@given(prices=tables, usage=usages)
def test_the_cost_is_exact(prices, usage):
    plain = usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens
    exact = (
        Fraction(prices.input) * plain
        + Fraction(prices.cached_input) * usage.cached_input_tokens
        + Fraction(prices.cache_write) * (usage.cache_write_tokens - usage.cache_write_1h_tokens)
        + Fraction(prices.cache_write_1h) * usage.cache_write_1h_tokens
        + Fraction(prices.output) * (usage.output_tokens - usage.reasoning_tokens)
        + Fraction(prices.reasoning) * usage.reasoning_tokens
    ) / 1_000_000
    assert Fraction(cost_usd(prices, usage, at=NOW)) == exact


@given(prices=tables, parts=st.lists(usages, min_size=1, max_size=5))
def test_the_cost_of_a_sum_is_the_sum_of_the_costs(prices, parts):
    fields = [name for name in Usage.__struct_fields__ if name != "estimated"]
    whole = Usage(**{name: sum(getattr(part, name) for part in parts) for name in fields})
    costs = [cost_usd(prices, part, at=NOW) for part in parts]
    assert sum(map(Fraction, costs)) == Fraction(cost_usd(prices, whole, at=NOW))


@given(usage=usages)
def test_a_price_that_is_not_known_is_missed_by_just_the_calls_that_need_it(usage):
    needed = {
        "input": usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens,
        "cached_input": usage.cached_input_tokens,
        "cache_write": usage.cache_write_tokens - usage.cache_write_1h_tokens,
        "cache_write_1h": usage.cache_write_1h_tokens,
        "output": usage.output_tokens - usage.reasoning_tokens,
        "reasoning": usage.reasoning_tokens,
    }
    for kind, tokens in needed.items():
        table = Prices(**{name: Decimal(1) for name in KINDS if name != kind})
        assert (cost_usd(table, usage, at=NOW) is None) == (tokens > 0)
