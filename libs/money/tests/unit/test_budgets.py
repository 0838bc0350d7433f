"""Budgets: checked as a whole, set as a whole."""

from decimal import Decimal

import pytest

from facilitair_events.accounts import BudgetRequested
from facilitair_events.books import BudgetChanged
from facilitair_events.budgets import Budget, Limit, SlotLimits, ZoneOffset
from facilitair_money.budgets import faults_of
from facilitair_money.zones import resolve_offsets
from facilitair_testing.accounting import TO, Account, in_order, limit, slots

HOUR = 3_600_000
UNSUPPORTED = ("window_unsupported", "limits[0].window")


def _faults(*limits: Limit, **more) -> list[tuple[str, str | None]]:
    return [(fault.code, fault.field) for fault in faults_of(Budget(limits=limits, **more))]


@pytest.mark.parametrize(
    ("limits", "faults"),
    [
        ([limit("1", "collaboration", window="day")], [UNSUPPORTED]),
        ([limit("1", "collaboration", window="month")], [UNSUPPORTED]),
        ([limit("1"), limit("2")], [("duplicate", "limits[0]"), ("duplicate", "limits[1]")]),
        ([limit("1", name="acme")], [("name_unsupported", "limits[0].name")]),
        ([limit("1", "project", name="No Name")], [("invalid_name", "limits[0].name")]),
        ([limit("1", "project", name="a" * 129)], [("invalid_name", "limits[0].name")]),
        ([limit("1", "key", name="key-ab12")], [("invalid_name", "limits[0].name")]),
        ([limit("1", "agent")] * 201, [("too_many", "limits")]),
    ],
)  # fmt: skip
def test_a_limit_that_cannot_be_is_a_fault(limits, faults) -> None:
    assert _faults(*limits) == faults


def test_limits_that_differ_in_one_thing_are_no_duplicates() -> None:
    assert not _faults(
        limit("1"), limit("1", window="day"), limit("1", kind="warning"), limit("1", "project"),
        limit("1", "project", name="web"), limit("0", "key", name="local"),
    )  # fmt: skip


def test_all_faults_are_told_at_once() -> None:
    bad = (limit("1", "collaboration", window="day"), limit("1", name="x"))
    offsets = (ZoneOffset(from_ms=2, offset_s=0), ZoneOffset(from_ms=2, offset_s=1))
    assert _faults(*bad, timezone="", offsets=offsets) == [
        ("window_unsupported", "limits[0].window"), ("name_unsupported", "limits[1].name"),
        ("invalid_timezone", "timezone"), ("out_of_order", "offsets"),
    ]  # fmt: skip


def test_too_many_changes_of_a_zone_are_a_fault() -> None:
    offsets = tuple(ZoneOffset(from_ms=number, offset_s=0) for number in range(201))
    assert _faults(offsets=offsets) == [("too_many", "offsets")]


def test_a_budget_is_set_and_shown() -> None:
    account = Account()
    answer = account.set(limit("5"), slots=slots(3, 2))
    assert answer.outcome == "accepted"
    assert answer.view is not None
    assert answer.view.budget == Budget(
        limits=(limit("5"),), slots=SlotLimits(interactive=3, batch=2)
    )
    (event,) = account.of(BudgetChanged)
    assert (event.actor, event.budget) == ("me", answer.view.budget)


def test_a_budget_with_faults_is_refused_and_nothing_changes() -> None:
    account = Account()
    answer = account.set(limit("1"), limit("2"))
    assert (answer.outcome, len(answer.faults)) == ("refused", 2)
    assert account.state is None
    account.set(limit("9"))
    before = account.held
    account.set(limit("1"), limit("2"))
    assert account.held is before


def test_a_repeated_budget_is_a_duplicate_also_behind_another() -> None:
    account = Account()
    account.set(limit("1"), client_id="a")
    account.set(limit("2"), client_id="b")
    assert account.set(limit("1"), client_id="a").outcome == "duplicate"
    assert account.held.budget.limits == (limit("2"),)
    assert len(account.of(BudgetChanged)) == 2


def test_clients_are_remembered_up_to_a_bound(monkeypatch) -> None:
    monkeypatch.setattr("facilitair_money.clients.CLIENTS", 2)
    account = Account()
    for name in ("a", "b", "c"):
        account.set(client_id=name)
    assert account.held.clients == ("b", "c")
    in_order(account.state)


def test_a_budget_that_was_changed_meanwhile_is_not_replaced() -> None:
    account = Account()
    account.set(limit("1"))
    read = account.held.budget
    account.set(limit("2"))
    wish = BudgetRequested(
        client_id="x", actor="me", budget=Budget(limits=(limit("3"),)), replaces=read, reply_to=TO
    )
    account.feed(wish)
    assert [fault.code for fault in account.replies[-1].faults] == ["budget_changed"]
    account.feed(
        BudgetRequested(client_id="y", actor="me", budget=wish.budget, replaces=account.held.budget)
    )
    assert account.held.budget.limits == (limit("3"),)


def test_another_time_zone_does_not_begin_a_new_day() -> None:
    account = Account()
    account.set(limit("1", window="day"))
    account.ask("c1", "1")
    account.charge("c1", "1", n=2, reserved_usd="1")
    offsets = resolve_offsets("Pacific/Auckland", from_ms=account.now_ms - 48 * HOUR, years=1)
    zone = {"timezone": "Pacific/Auckland", "offsets": offsets}
    account.set(limit("1", window="day"), **zone)
    assert account.ask("c2", "0.5").outcome == "refused"
    account.set(limit("1", window="day"))
    assert account.ask("c2", "0.5", n=2).outcome == "refused"
    account.now_ms += 24 * HOUR
    assert account.ask("c2", "0.5", n=3).outcome == "granted"


def test_a_lower_limit_counts_at_once() -> None:
    account = Account()
    account.ask("c1", "3")
    account.set(limit("2"))
    refusal = account.ask("c1", "0.1", n=2).refusal
    assert refusal is not None
    assert refusal.left_usd == Decimal(0)
