"""Which unknown calls a bill settles. Whatever is on it, two promises hold: see ``matching``."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facilitair_cli.bills.bill import Bill, BilledCall, BilledDay
from facilitair_cli.bills.ledger import OurCall, calls_of
from facilitair_cli.bills.matching import CENT, match

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
TODAY = date(2026, 11, 5)


def ours(
    ident: str, *, minutes: int = 0, usd: str = "0.10", unknown: bool = True, **more
) -> OurCall:
    fields = {"provider": "openrouter", "model": "openai/gpt"} | more
    return OurCall(
        call_id=ident,
        at=NOON + timedelta(minutes=minutes),
        charged_usd=Decimal(usd),
        unknown=unknown,
        **fields,
    )


def billed(ident: str, *, minutes: int = -1, usd: str = "0.02", **more) -> BilledCall:
    fields = {"model": "openai/gpt-2026-01-01"} | more
    return BilledCall(
        line=2, ident=ident, at=NOON + timedelta(minutes=minutes), cost_usd=Decimal(usd), **fields
    )


def day(usd: str | None, *, model: str | None = "openai/gpt", days: int = 0) -> BilledDay:
    amount = None if usd is None else Decimal(usd)
    return BilledDay(line=2, day=NOON.date() + timedelta(days=days), model=model, cost_usd=amount)


def settle(bill_rows, calls):
    kind = "calls" if bill_rows and isinstance(bill_rows[0], BilledCall) else "days"
    bill = Bill(provider="openrouter", form="f", **{kind: tuple(bill_rows)})
    outcome = match(bill, calls, today=TODAY)
    return {one.call.call_id: one.cost_usd for one in outcome.settled}, [
        one.why for one in outcome.left
    ]


def test_a_call_that_is_on_the_bill_is_settled_at_what_it_did_cost() -> None:
    assert settle([billed("g")], [ours("a")]) == ({"a": Decimal("0.02")}, [])


def test_what_known_calls_did_cost_is_not_counted_twice() -> None:
    known = ours("k", usd="0.02", unknown=False, input_tokens=5, output_tokens=7)
    lines = [
        billed("g1", input_tokens=5, output_tokens=7),
        billed("g2", minutes=-2, usd="0.03", input_tokens=1, output_tokens=2),
    ]
    assert settle(lines, [ours("a"), known]) == ({"a": Decimal("0.03")}, [])


def test_calls_that_may_be_each_others_are_settled_in_their_order() -> None:
    lines = [billed("g1", minutes=-30, usd="0.01"), billed("g2", minutes=-5, usd="0.02")]
    found, left = settle(lines, [ours("b", minutes=1), ours("a")])
    assert (found, left) == ({"a": Decimal("0.01"), "b": Decimal("0.02")}, [])


def test_a_line_that_may_be_a_known_calls_is_nobody_elses() -> None:
    # The known call's tokens are counted otherwise there, and the unknown one was never billed.
    known = ours("k", minutes=1, usd="0.5", unknown=False, input_tokens=5, output_tokens=7)
    lines = [billed("g", usd="0.06", input_tokens=6, output_tokens=8)]
    found, left = settle(lines, [ours("a"), known])
    assert found == {}
    assert "not recognised" in left[0]
    # By its cost it is known after all.
    assert (
        "no call on the bill fits"
        in settle([billed("g", usd="0.5", input_tokens=6, output_tokens=8)], [ours("a"), known])[1][
            0
        ]
    )


def test_more_on_the_bill_than_there_are_calls_settles_nothing() -> None:
    found, left = settle([billed("g1"), billed("g2")], [ours("a")])
    assert found == {}
    assert "2 calls on the bill may be these 1" in left[0]


def test_a_call_that_is_not_on_the_bill_is_left_for_a_hand() -> None:
    found, left = settle([billed("g", minutes=-300)], [ours("a")])
    assert found == {}
    assert "--cost 0" in left[0]
    assert "no call of ours fits" in left[1]


def test_no_call_costs_more_than_it_may() -> None:
    found, left = settle([billed("g", usd="0.11")], [ours("a")])
    assert found == {}
    assert "more than the call may have cost" in left[0]


@pytest.mark.parametrize("model", ["openai/gpt-mini", "anthropic/claude"])
def test_another_model_is_another_call(model) -> None:
    assert settle([billed("g", model=model)], [ours("a")])[0] == {}


def test_calls_of_other_providers_are_not_looked_at() -> None:
    assert settle([billed("g")], [ours("a", provider="openai")])[0] == {}
    assert settle([day("5")], [ours("a", provider="openai")]) == ({}, [])


def test_what_is_left_of_a_day_is_spread_over_its_unknown_calls() -> None:
    calls = [ours("a", usd="0.10"), ours("b", usd="0.30"), ours("k", usd="1", unknown=False)]
    found, left = settle([day("0.70"), day("0.50")], calls)
    assert found == {"a": Decimal("0.05"), "b": Decimal("0.15")}
    assert left == []


def test_a_bill_that_is_all_settled_leaves_unknown_calls_free_of_cost() -> None:
    known = ours("k", usd="1", unknown=False)
    assert settle([day("1")], [ours("a"), known])[0] == {"a": 0}
    assert settle([day("0.995")], [ours("a"), known])[0] == {"a": 0}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("0.5", "less are billed than were settled"),
        ("9", "more than the"),
        (None, "tokens only"),
    ],
)
def test_a_day_that_does_not_fit_settles_nothing(line, why) -> None:
    found, left = settle([day(line)], [ours("a"), ours("k", usd="1", unknown=False)])
    assert found == {}
    assert why in left[0]


def test_a_day_that_is_not_over_and_one_that_is_not_there() -> None:
    today = ours("a", minutes=3 * 24 * 60)
    assert "is not over" in settle([day("0.05", days=3)], [today])[1][0]
    assert "nothing of its model on its day" in settle([day("0.05", days=1)], [ours("a")])[1][0]


def test_a_bill_without_models_is_of_all_of_them() -> None:
    calls = [ours("a", usd="0.10"), ours("b", usd="0.10", model="anthropic/claude")]
    assert settle([day("0.10", model=None)], calls)[0] == {
        "a": Decimal("0.05"),
        "b": Decimal("0.05"),
    }
    # Beside models, what has none is something else.
    assert settle([day("0.10", model=None), day("0.04")], calls)[0] == {"a": Decimal("0.04")}


def test_books_are_as_their_last_entries_left_them() -> None:
    def entry(kind: str, call: str, **more):
        fields = {"kind": kind, "call_id": call, "charged_usd": "0.5", "at": "2026-11-02T12:00:00Z"}
        return fields | {"provider": "openai", "model": "gpt", "outcome": "unknown"} | more

    found = calls_of(
        [
            entry("settled", "late"),
            entry("settled", "reconciled"),
            entry("settled", "open"),
            entry("settled", "simulated", simulated=True),
            entry(
                "settled", "late", outcome="completed", charged_usd="0.1", at="2026-11-09T00:00:00Z"
            ),
            entry("reconciled", "reconciled", charged_usd="0.2"),
            {"kind": "unreadable", "call_id": None},
        ]
    )
    assert [(one.call_id, one.unknown, one.charged_usd) for one in found] == [
        ("late", False, Decimal("0.1")),
        ("reconciled", False, Decimal("0.2")),
        ("open", True, Decimal("0.5")),
    ]
    assert {one.at.date() for one in found} == {NOON.date()}


AMOUNTS = st.integers(0, 5000).map(lambda number: Decimal(number) / 1000)
MODELS = st.sampled_from(["openai/gpt", "anthropic/claude"])
CALLS = st.lists(
    st.tuples(st.integers(-3000, 3000), AMOUNTS, st.booleans(), MODELS), max_size=12
).map(
    lambda rows: [
        ours(f"c{n}", minutes=at, usd=str(usd), unknown=unknown, model=model)
        for n, (at, usd, unknown, model) in enumerate(rows)
    ]
)
BILLED = st.lists(st.tuples(st.integers(-3000, 3000), AMOUNTS, MODELS), max_size=12).map(
    lambda rows: [
        billed(f"g{n}", minutes=at, usd=str(usd), model=model)
        for n, (at, usd, model) in enumerate(rows)
    ]
)
DAYS = st.lists(st.tuples(st.integers(-2, 2), AMOUNTS, st.none() | MODELS), max_size=8).map(
    lambda rows: [day(str(usd), days=days, model=model) for days, usd, model in rows]
)


@settings(max_examples=300)
@given(calls=CALLS, rows=BILLED)
def test_each_billed_call_settles_at_most_one_of_ours_and_never_above_it(calls, rows) -> None:
    bill = Bill(provider="openrouter", form="f", calls=tuple(rows))
    outcome = match(bill, calls, today=TODAY)
    known = {call.call_id: call for call in calls}
    assert len({one.because for one in outcome.settled}) == len(outcome.settled)
    for one in outcome.settled:
        assert known[one.call.call_id].unknown
        assert 0 <= one.cost_usd <= one.call.charged_usd
    settled = [one.cost_usd for one in outcome.settled]
    assert sum(settled) <= sum(one.cost_usd for one in rows)
    _everything_is_told(outcome, calls)


@settings(max_examples=300)
@given(calls=CALLS, rows=DAYS)
def test_what_is_settled_for_a_day_is_what_its_bill_has_left(calls, rows) -> None:
    bill = Bill(provider="openrouter", form="f", days=tuple(rows))
    outcome = match(bill, calls, today=TODAY)
    for one in outcome.settled:
        assert 0 <= one.cost_usd <= one.call.charged_usd
    for because in {one.because for one in outcome.settled}:
        group = [one for one in outcome.settled if one.because == because]
        total = Decimal(because.partition(": ")[2].partition(" ")[0])
        spent = Decimal(because.rpartition(", ")[2].partition(" ")[0])
        assert abs(sum(one.cost_usd for one in group) - max(total - spent, 0)) <= CENT
    _everything_is_told(outcome, calls)


@given(calls=CALLS, rows=BILLED)
def test_the_order_of_lines_and_calls_does_not_matter(calls, rows) -> None:
    def settled(some_calls, some_rows):
        bill = Bill(provider="openrouter", form="f", calls=tuple(some_rows))
        return {
            one.call.call_id: one.cost_usd for one in match(bill, some_calls, today=TODAY).settled
        }

    assert settled(calls, rows) == settled(calls[::-1], rows[::-1])


def _everything_is_told(outcome, calls) -> None:
    """Every unknown call is settled or told, once."""
    settled = [one.call.call_id for one in outcome.settled]
    assert len(set(settled)) == len(settled)
    named = [one.what.partition(" ")[0] for one in outcome.left]
    unknown = {call.call_id for call in calls if call.unknown}
    assert unknown == set(settled) | (set(named) & unknown)
    assert not set(settled) & set(named)
