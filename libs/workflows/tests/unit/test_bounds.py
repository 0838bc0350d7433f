"""R26: the bound of a call is never below what it may cost."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from facilitair_events.definitions import Model, Prices, PriceTier, Repeat, Step
from facilitair_events.requests import Usage
from facilitair_events.text import inline
from facilitair_llm.catalog import cost_usd
from facilitair_testing.funded import FundedInbox, priced
from facilitair_testing.inbox import chained, definition, review_loop, step
from facilitair_workflows.bounds import (
    MARGIN_TOKENS,
    OUTPUT_TOKENS,
    input_tokens,
    most_usd,
    output_tokens,
)

NOW_MS = 1_800_000_000_000
NOW = datetime.fromtimestamp(NOW_MS / 1000, tz=UTC)
PLAIN = Prices(input=Decimal(2), output=Decimal(10))
PER_TOKEN = Prices(input=Decimal(10**6), output=Decimal(0))
"""A dollar for each token of input, so that amounts are tokens."""


def model(prices: Prices | None, **more: int) -> Model:
    return Model(name="m", provider="p", prices=prices, **more)


def most(prices: Prices | None, read: int = 1000, write: int = 100) -> Decimal | None:
    return most_usd(model(prices), input_tokens=read, output_tokens=write, at_ms=NOW_MS)


def test_sizes_become_tokens_and_no_more_than_the_window() -> None:
    assert input_tokens(1001, model(None)) == 501 + MARGIN_TOKENS
    assert input_tokens(1000, model(None), more=7) == 500 + MARGIN_TOKENS + 7
    assert input_tokens(10**6, model(None, context_window=4096)) == 4096


@pytest.mark.parametrize(
    ("asked", "own", "expected"),
    [(None, None, OUTPUT_TOKENS), (None, 500, 500), (70, None, 70), (70, 50, 50), (70, 90, 70)],
)
def test_the_longest_answer(asked: int | None, own: int | None, expected: int) -> None:
    assert output_tokens(asked, Model(name="m", provider="p", max_output_tokens=own)) == expected


def test_every_token_counts_at_the_dearest_kind() -> None:
    assert most(PLAIN) == Decimal("0.003")
    assert most(replace(PLAIN, cache_write=Decimal(3))) == Decimal("0.004")
    assert most(replace(PLAIN, cache_write_1h=Decimal(4))) == Decimal("0.005")
    assert most(replace(PLAIN, reasoning=Decimal(20))) == Decimal("0.004")
    assert most(replace(PLAIN, cached_input=Decimal(1))) == Decimal("0.003")


def test_a_tier_counts_where_it_may_apply() -> None:
    tier = PriceTier(above_input_tokens=1000, input=Decimal(20), output=Decimal(10))
    tiered = replace(PLAIN, tiers=(tier,))
    assert most(tiered, 1000) == Decimal("0.003")
    assert most(tiered, 1001) == Decimal("0.02102")


def test_a_price_that_is_needed_and_unknown_leaves_no_bound() -> None:
    assert most(None) is None
    assert most(replace(PLAIN, input=None)) is None
    assert most(replace(PLAIN, output=None)) is None
    assert most(replace(PLAIN, tiers=(PriceTier(above_input_tokens=1),))) is None
    assert most(replace(PLAIN, until=NOW)) is None
    assert most(replace(PLAIN, until=datetime(2100, 1, 1, tzinfo=UTC))) is not None


def test_it_is_rounded_up_to_a_billionth_and_never_absurd() -> None:
    assert most(Prices(input=Decimal("1E-30"), output=Decimal(0))) == Decimal("1E-9")
    assert most(replace(PLAIN, input=Decimal(10**11)), 10**12) == Decimal(10**11)


_price = st.decimals(min_value=0, max_value=10_000, places=4)
_tiers = st.lists(
    st.builds(
        PriceTier,
        above_input_tokens=st.integers(1, 5000),
        input=_price,
        output=_price,
        cached_input=_price,
        cache_write=_price,
        cache_write_1h=_price,
        reasoning=_price,
    ),
    max_size=3,
    unique_by=lambda tier: tier.above_input_tokens,
)


@given(
    prices=st.builds(
        Prices,
        input=_price,
        output=_price,
        cached_input=_price,
        cache_write=_price,
        cache_write_1h=_price,
        reasoning=_price,
        tiers=_tiers.map(
            lambda tiers: tuple(sorted(tiers, key=lambda tier: tier.above_input_tokens))
        ),
    ),
    counts=st.lists(st.integers(0, 3000), min_size=5, max_size=5),
    slack=st.integers(0, 500),
)
def test_r26_no_call_costs_more_than_its_bound(
    prices: Prices, counts: list[int], slack: int
) -> None:
    plain, cached, written, hour, answer = counts
    usage = Usage(
        input_tokens=plain + cached + written + hour,
        output_tokens=answer,
        cached_input_tokens=cached,
        cache_write_tokens=written + hour,
        cache_write_1h_tokens=hour,
        reasoning_tokens=answer // 2,
    )
    cost = cost_usd(prices, usage, at=NOW)
    bound = most(prices, usage.input_tokens + slack, answer + slack)
    assert cost is not None
    assert bound is not None
    assert cost <= bound


def reserved(wanted, **more) -> Decimal:
    inbox = FundedInbox(grants=False)
    inbox.request(priced(wanted, model(PER_TOKEN, max_output_tokens=100)), **more)
    usd = inbox.asks[0].parts[-1].usd
    assert usd is not None
    return usd - MARGIN_TOKENS


def test_what_a_step_is_asked_with_counts_by_its_size() -> None:
    def asked(template: str) -> Decimal:
        return reserved(definition(step("s", input=template), output="s"))

    prompt = len("You are.")
    assert asked("x" * 100) == (prompt + 100) / 2
    task = len("Do it.")
    assert asked("{{ task }}{{ task }}") == (prompt + 20 + 2 * task) / 2
    assert asked("é" * 50) == (prompt + 100) / 2


def test_inputs_and_schemas_count() -> None:
    template = "{{ inputs.a }}"
    wanted = definition(step("s", input=template), output="s")
    plain, filled = reserved(wanted), reserved(wanted, inputs={"a": "x" * 100})
    assert filled - plain == 53  # {"a":"…"} instead of {}
    loop = review_loop()
    [reviewer, *_] = loop.steps[1].steps
    with_schema = definition(replace(reviewer, agent="s", id="s", input="y"), output="s")
    assert reserved(with_schema) > reserved(definition(step("s", input="y"), output="s"))


def test_an_answer_that_is_still_to_come_counts_at_its_longest() -> None:
    wanted = definition(step("a"), step("b", "a", input="{{ outputs.a }}"), output="b")
    assert reserved(wanted) == Decimal(len("You are.") + len("{{ outputs.a }}") + 1) // 2 + 100


def test_an_answer_that_is_there_counts_by_its_size() -> None:
    wanted = definition(step("a"), step("b", "a", input="{{ outputs.a }}"), output="b")
    inbox = FundedInbox()
    inbox.request(priced(wanted, model(PER_TOKEN, max_output_tokens=100)))
    inbox.answer(inbox.tasks[0], "x" * 41)
    assert inbox.tasks[1].reserved_usd == 32 + MARGIN_TOKENS


def test_what_was_said_already_counts() -> None:
    """A correction and a continued answer are sent along."""
    wanted = chained(step("a", endings=replace(step("a").endings, cut="continue")), models=1)
    inbox = FundedInbox()
    inbox.request(priced(wanted, model(PER_TOKEN, max_output_tokens=100)))
    first = inbox.tasks[0].reserved_usd
    assert first is not None
    inbox.fail(inbox.tasks[0], "truncated", retryable=True, output=inline("y" * 200))
    assert inbox.tasks[1].reserved_usd == first + 100


@pytest.mark.parametrize(
    ("template", "times"),
    [
        ("{{ outputs.s1 }}", 1),
        ("{{ outputs.s1 }} {{ outputs.s1 }}", 2),
        ("{{ outputs['s1'] }}", 1),
        ("{{ outputs.s10 }}", 0),
        ("s1 {{ task }}", 0),
    ],
)
def test_an_answer_counts_as_often_as_it_is_named(template: str, times: int) -> None:
    wanted = definition(step("s1"), step("s2", "s1", input=template), output="s2")
    inbox = FundedInbox()
    inbox.request(priced(wanted, model(PER_TOKEN, max_output_tokens=100)))
    inbox.answer(inbox.tasks[0], "x" * 400)
    size = len("You are.") + len(template) + template.count("task") * len("Do it.")
    assert inbox.tasks[1].reserved_usd == -(-(size + 400 * times) // 2) + MARGIN_TOKENS


def test_an_answer_that_cannot_come_any_more_counts_nothing() -> None:
    """In its first iteration a step that names its own earlier answer has none."""
    template = "{% if outputs.x is defined %}{{ outputs.x }}{% endif %}"
    again = Repeat(until="false", max=2)
    group = Step(id="g", steps=(step("x", input=template),), repeat=again)
    inbox = FundedInbox()
    inbox.request(priced(definition(group, output="x"), model(PER_TOKEN, max_output_tokens=10**6)))
    bare = (len("You are.") + len(template) + 1) // 2 + MARGIN_TOKENS
    assert inbox.tasks[0].reserved_usd == bare
    inbox.answer(inbox.tasks[0], "y" * 100)
    assert inbox.tasks[1].reserved_usd == bare + 100  # it is named twice
