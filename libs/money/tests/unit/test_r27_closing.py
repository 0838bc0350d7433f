"""R27: closing frees what is held and refuses what comes later; money of calls still counts."""

from decimal import Decimal

import pytest

from facilitair_events.books import CallSettled, FundsReleased
from facilitair_testing.accounting import Account, asked, in_order, slots


def test_r27_closing_frees_money_and_slots() -> None:
    account = Account()
    account.ask("c1", "1", "0.5", slots=2)
    account.give_back("c1", n=2)
    (released,) = account.of(FundsReleased)
    assert (released.usd, released.slots, released.closed, released.n) == (
        Decimal("1.5"), 2, True, 2,
    )  # fmt: skip
    assert account.held.reserved == {}
    assert account.held.taken == {}
    assert account.held.open == 0
    in_order(account.state)


def test_r27_giving_back_without_closing_leaves_the_envelope_open() -> None:
    account = Account()
    account.ask("c1", "1", slots=2)
    account.give_back("c1", n=2, close=False)
    assert (account.held.open, account.held.reserved, account.held.taken) == (1, {}, {})
    assert account.ask("c1", "1", n=3, slots=1).outcome == "granted"


def test_r27_nothing_is_granted_after_the_close() -> None:
    account = Account()
    account.ask("c1", "1")
    account.give_back("c1", n=2)
    refused = account.ask("c1", "1", n=3)
    assert (refused.outcome, refused.refusal and refused.refusal.code) == ("refused", "closed")
    assert account.held.reserved == {}
    assert account.ask("c1", "1", n=3) == refused
    in_order(account.state)


def test_r27_a_charge_after_the_close_counts_and_is_late() -> None:
    account = Account()
    account.ask("c1", "1")
    account.give_back("c1", n=2)
    account.charge("c1", "0.7", n=3)
    (settled,) = account.of(CallSettled)
    assert settled.late
    assert account.look().view.spent_usd == Decimal("0.7")
    in_order(account.state)


def test_r27_a_result_after_the_close_sets_what_was_charged_for_the_unknown() -> None:
    account = Account()
    account.ask("c1", "1")
    account.charge("c1", "1", n=2, outcome="unknown", call_id="a", reserved_usd="1")
    account.give_back("c1", n=3)
    account.charge("c1", "0.25", n=4, call_id="a", was_usd="1")
    assert account.look().view.spent_usd == Decimal("0.25")
    assert account.held.unknown == {}


def test_r27_a_close_of_somebody_unknown_is_remembered() -> None:
    account = Account()
    account.give_back("c1", n=2)
    assert account.held.closed == ("c1",)
    assert account.held.open == 0
    told = len(account.answers)
    account.charge("c1", "1", n=1)
    assert not account.of(CallSettled)
    assert account.ask("c1", n=3).refusal is not None
    assert len(account.answers) == told + 1
    in_order(account.state)


def test_r27_a_charge_of_somebody_unknown_is_late_and_opens_nothing() -> None:
    account = Account()
    account.charge("c1", "1", n=7)
    (settled,) = account.of(CallSettled)
    assert settled.late
    assert (account.held.open, account.held.closed) == (0, ("c1",))
    account.feed(asked("c1", n=1))
    assert account.answers == []
    in_order(account.state)


def test_r27_closing_twice_is_closing_once() -> None:
    account = Account()
    account.ask("c1")
    account.give_back("c1", n=2)
    account.give_back("c1", n=3)
    assert account.held.closed == ("c1",)
    assert account.held.open == 0
    assert [event.closed for event in account.of(FundsReleased)] == [True, False]


@pytest.mark.parametrize("late", [False, True])
def test_r27_what_a_call_did_not_use_is_the_tenants_again(late) -> None:
    account = Account()
    account.set(slots=slots(4))
    account.ask("c1", "1", "1")
    if late:
        account.give_back("c1", n=2)
    account.charge("c1", "0.1", n=3, reserved_usd="1")
    left = account.held.reserved.get("tenant|*", Decimal(0))
    assert left == (0 if late else 1)
    in_order(account.state)


def test_r27_more_than_was_set_aside_cannot_become_free() -> None:
    account = Account()
    account.ask("c1", "1")
    account.ask("c2", "5")
    account.charge("c1", "1", n=2, reserved_usd="3")
    assert account.held.reserved["tenant|*"] == 5
    in_order(account.state)
