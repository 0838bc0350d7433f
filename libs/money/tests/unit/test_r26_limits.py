"""R26: money is set aside before it is spent, and nobody gets what a limit has no room for."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from facilitair_events.books import FundsRefused, FundsReserved, LimitReached
from facilitair_money import bounds
from facilitair_money.zones import resolve_offsets
from facilitair_testing.accounting import Account, in_order, limit

DAY_MS = 86_400_000


def test_r26_what_was_asked_for_is_set_aside_by_agent_and_scope() -> None:
    account = Account()
    account.ask("c1", "1", agent="writer")
    account.ask("c1", "0.5", n=2, agent="critic", slots=0)
    assert account.held.reserved == {
        "tenant|*": Decimal("1.5"), "project|web": Decimal("1.5"), "key|7": Decimal("1.5"),
        "agent|writer": Decimal(1), "agent|critic": Decimal("0.5"),
    }  # fmt: skip
    in_order(account.state)


def test_r26_the_first_call_has_to_be_covered_and_more_are_granted_as_they_fit() -> None:
    account = Account()
    account.set(limit("3"))
    answer = account.ask("c1", "1", "1.5", "1", "0.1")
    assert [part.usd for part in answer.parts] == [Decimal(1), Decimal("1.5")]
    assert account.held.reserved["tenant|*"] == Decimal("2.5")
    (event,) = account.of(FundsReserved)
    assert event.parts == answer.parts


def test_r26_a_refusal_says_what_was_asked_what_is_left_and_when_it_turns() -> None:
    account = Account()
    account.set(limit("2", window="day"))
    account.ask("c1", "1.5")
    account.charge("c1", "0.75", n=2, reserved_usd="1.5")
    account.ask("c1", "0.5", n=3)
    refused = account.ask("c2", "1")
    assert refused.outcome == "refused"
    refusal = refused.refusal
    assert refusal is not None
    assert (refusal.code, refusal.asked_usd, refusal.left_usd) == (
        "limit_reached", Decimal(1), Decimal("0.75"),
    )  # fmt: skip
    assert (refusal.limit_usd, refusal.spent_usd, refusal.reserved_usd) == (
        Decimal(2), Decimal("0.75"), Decimal("0.5"),
    )  # fmt: skip
    assert (refusal.scope, refusal.name, refusal.window) == ("tenant", "*", "day")
    assert refusal.turns_at == datetime(2026, 6, 16, tzinfo=UTC)
    assert refusal.message == (
        "a call may cost 1 USD, and 0.75 USD are left of the 2 USD a day of the tenant;"
        " it begins anew at 2026-06-16 00:00:00 UTC"
    )
    (event,) = account.of(FundsRefused)
    assert (event.collaboration, event.n, event.refusal) == ("c2", 1, refusal)


def test_r26_exactly_what_is_left_is_granted() -> None:
    account = Account()
    account.set(limit("0.3"))
    assert account.ask("c1", "0.1").outcome == "granted"
    assert account.ask("c2", "0.2").outcome == "granted"
    assert account.ask("c3", "0.0000000001").outcome == "refused"


@pytest.mark.parametrize(
    ("scope", "name", "other"),
    [
        ("project", "web", {"project": "app"}),
        ("key", "7", {"actor": "key-8"}),
        ("collaboration", "c1", {"name": "c2"}),
        ("agent", "writer", {"agent": "critic"}),
    ],
)
def test_r26_a_limit_counts_for_its_name_and_for_no_other(scope, name, other) -> None:
    account = Account()
    account.set(limit("1", scope, name=name))
    assert account.ask("c1", "1").outcome == "granted"
    again = account.ask("c1", "1", n=2)
    assert again.refusal is not None
    assert (again.refusal.scope, again.refusal.name) == (scope, name)
    assert account.ask(**({"name": "c3"} | other)).outcome == "granted"


@pytest.mark.parametrize("scope", ["project", "key", "collaboration", "agent"])
def test_r26_a_limit_for_each_of_them_counts_for_each_by_itself(scope) -> None:
    account = Account()
    account.set(limit("1", scope))
    for number in (1, 2):
        fields = {"project": f"p{number}", "actor": f"key-{number}", "agent": f"a{number}"}
        assert account.ask(f"c{number}", "1", **fields).outcome == "granted"
        assert account.ask(f"c{number}", "1", n=2, **fields).outcome == "refused"


def test_r26_the_limit_with_the_least_left_is_the_one_that_is_told() -> None:
    account = Account()
    account.set(limit("3"), limit("1", "project"), limit("2", "agent"))
    refusal = account.ask("c1", "5").refusal
    assert refusal is not None
    assert (refusal.scope, refusal.left_usd) == ("project", Decimal(1))
    assert "of project web" in refusal.message


def test_r26_a_warning_limit_refuses_nothing_and_is_told_once_in_its_window() -> None:
    account = Account()
    account.set(limit("1", window="day", kind="warning"))
    account.ask("c1", "5")
    account.charge("c1", "0.9", n=2)
    assert not account.of(LimitReached)
    account.charge("c1", "0.1", n=3)
    account.charge("c1", "2", n=4)
    (told,) = account.of(LimitReached)
    assert (told.spent_usd, told.limit_usd, told.until) == (
        Decimal("1.0"), Decimal(1), datetime(2026, 6, 16, tzinfo=UTC),
    )  # fmt: skip
    account.now_ms += DAY_MS
    account.charge("c1", "1", n=5)
    assert len(account.of(LimitReached)) == 2


def test_r26_a_warning_of_a_collaboration_is_told_once_for_each() -> None:
    account = Account()
    account.set(limit("1", "collaboration", kind="warning"))
    for name in ("c1", "c2"):
        account.ask(name, "5")
        account.charge(name, "1", n=2)
        account.charge(name, "1", n=3)
    assert [told.name for told in account.of(LimitReached)] == ["c1", "c2"]


def test_r26_a_warning_that_was_reached_before_it_was_set_is_told_at_once() -> None:
    account = Account()
    account.ask("c1", "5")
    account.charge("c1", "2", n=2)
    account.set(limit("1", "agent", kind="warning"), limit("9", kind="warning"))
    assert [(told.scope, told.name) for told in account.of(LimitReached)] == [("agent", "writer")]


def test_r26_a_call_that_costs_nothing_is_granted_also_over_a_limit() -> None:
    account = Account()
    account.set(limit("1"))
    account.ask("c1", "1")
    account.charge("c1", "1.5", n=2, reserved_usd="1")
    assert account.ask("c1", "0", n=3).outcome == "granted"
    assert account.ask("c1", "0.01", n=4).refusal.left_usd == 0


def test_r26_with_the_day_there_is_money_again_and_what_is_reserved_still_counts() -> None:
    account = Account()
    offsets = resolve_offsets("America/New_York", from_ms=account.now_ms - DAY_MS, years=1)
    account.set(limit("2", window="day"), timezone="America/New_York", offsets=offsets)
    account.ask("c1", "1", "1")
    account.charge("c1", "1", n=2, reserved_usd="1")
    assert account.ask("c2", "1").outcome == "refused"
    account.now_ms += 12 * 3_600_000  # midnight in UTC, evening over there
    assert account.ask("c2", "1", n=2).outcome == "refused"
    account.now_ms += 4 * 3_600_000
    assert account.ask("c2", "1", n=3).outcome == "granted"
    assert account.ask("c2", "1", n=4).outcome == "refused"


def test_r26_time_does_not_go_back() -> None:
    account = Account()
    account.set(limit("1", window="day"))
    account.ask("c1", "1")
    account.now_ms += DAY_MS
    account.charge("c1", "1", n=2, reserved_usd="1")
    account.now_ms -= DAY_MS
    assert account.ask("c1", "1", n=3).refusal.turns_at == datetime(2026, 6, 17, tzinfo=UTC)


def test_r26_at_most_so_many_collaborations_are_open(monkeypatch) -> None:
    monkeypatch.setattr("facilitair_money.envelopes.OPEN_ENVELOPES", 2)
    account = Account()
    account.ask("c1")
    account.ask("c2")
    refusal = account.ask("c3").refusal
    assert refusal is not None
    assert refusal.code == "too_many_open"
    assert account.envelope("c3") is None
    account.give_back("c1")
    assert account.ask("c3").outcome == "granted"


def test_r26_a_full_account_lets_nobody_in_and_counts_what_was_called(monkeypatch) -> None:
    monkeypatch.setattr("facilitair_money.envelopes.OPENING_BYTES", 1_000)
    monkeypatch.setattr("facilitair_money.envelopes.GROWING_BYTES", 2_000)
    account = Account()
    opened = [number for number in range(20) if account.ask(f"c{number}").outcome == "granted"]
    assert 1 < len(opened) < 20
    assert account.answers[-1][1].refusal.code == "too_many_open"
    asked_more = [account.ask("c0", "1", n=n).outcome for n in range(2, 40)]
    account.charge("c0", "0.5", n=50)
    assert asked_more[0] == "granted"
    assert account.look().view.spent_usd == Decimal("0.5")
    in_order(account.state)


def test_r26_names_are_bounded_and_those_of_past_days_make_room(monkeypatch) -> None:
    monkeypatch.setattr("facilitair_money.spending.COUNTERS", 30)
    account = Account()
    for number in range(4):
        account.ask(f"c{number}", agent=f"a{number}")
        account.charge(f"c{number}", agent=f"a{number}")
    held = len(account.held.counters)
    codes = []
    for number in range(4, 14):
        answer = account.ask(f"c{number}", agent=f"a{number}")
        codes.append(answer.refusal.code if answer.refusal else None)
        if answer.refusal is None:
            account.charge(f"c{number}", agent=f"a{number}")
    assert codes[-1] == "too_many_names"
    assert account.ask("c99", agent="a0").outcome == "granted"
    assert held < len(account.held.counters) <= 30
    account.now_ms += 40 * DAY_MS
    assert account.ask("c98", agent="another").outcome == "granted"


def test_r26_no_more_parts_than_the_bound_are_granted() -> None:
    account = Account()
    answer = account.ask("c1", *["0.1"] * (bounds.PARTS + 3))
    assert len(answer.parts) == bounds.PARTS
