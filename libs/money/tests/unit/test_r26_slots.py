"""R26: slots bound how much of a tenant runs at once; the line is served in its order."""

from decimal import Decimal

import pytest

from facilitair_events.books import FundsRefused, FundsReserved
from facilitair_events.requests import TimerFired
from facilitair_money.decide import timers
from facilitair_testing.accounting import Account, in_order, limit, slots


def _outcomes(account: Account, since: int = 0) -> list[tuple[str, str]]:
    return [(name, answer.outcome) for name, answer in account.answers[since:]]


def test_r26_as_many_slots_are_granted_as_are_free_and_at_least_one() -> None:
    account = Account()
    account.set(slots=slots(5))
    assert account.ask("c1", slots=3).slots == 3
    assert account.ask("c2", slots=3).slots == 2
    assert account.ask("c3", slots=3).outcome == "waiting"
    assert account.held.taken == {"interactive": 5}
    in_order(account.state)


def test_r26_who_waits_holds_no_money() -> None:
    account = Account()
    account.set(slots=slots(1))
    account.ask("c1")
    account.ask("c2", "9")
    assert account.held.reserved["tenant|*"] == 1
    assert len(account.of(FundsReserved)) == 1


def test_r26_the_line_is_served_in_its_order_when_slots_are_given_back() -> None:
    account = Account()
    account.set(slots=slots(2))
    account.ask("c1", slots=2)
    for name in ("c2", "c3", "c4"):
        account.ask(name)
    since = len(account.answers)
    account.give_back("c1", n=2)
    assert _outcomes(account, since) == [("c2", "granted"), ("c3", "granted")]
    account.give_back("c3", n=2, close=False)
    assert _outcomes(account, since)[2:] == [("c4", "granted")]
    in_order(account.state)


def test_r26_nobody_passes_the_line() -> None:
    account = Account()
    account.set(slots=slots(1))
    account.ask("c1")
    account.ask("c2")
    account.set(slots=slots(2))
    assert account.answers[-1][0] == "c2"
    account.ask("c3")
    account.set(slots=slots(3))
    assert _outcomes(account)[-2:] == [("c3", "waiting"), ("c3", "granted")]


def test_r26_the_classes_do_not_wait_for_each_other() -> None:
    account = Account()
    account.set(slots=slots(1, 1))
    account.ask("c1")
    assert account.ask("c2").outcome == "waiting"
    assert account.ask("b1", priority="batch").outcome == "granted"
    assert account.ask("b2", priority="batch").outcome == "waiting"
    account.give_back("b1", n=2)
    assert _outcomes(account)[-1] == ("b2", "granted")
    assert account.held.waiting == {"interactive": ("c2",)}


def test_r26_who_waits_is_refused_when_there_is_no_money_by_then_and_the_next_is_served() -> None:
    account = Account()
    account.set(limit("3"), slots=slots(1))
    account.ask("c1", "2")
    account.ask("c2", "1")
    account.ask("c3", "0.5")
    account.charge("c1", "2.5", n=2, reserved_usd="2")
    since = len(account.answers)
    account.give_back("c1", n=3)
    assert _outcomes(account, since) == [("c2", "refused"), ("c3", "granted")]
    (refused,) = account.of(FundsRefused)
    assert refused.refusal.left_usd == Decimal("0.5")
    in_order(account.state)


def test_r26_who_has_no_money_does_not_wait_for_a_slot_first() -> None:
    account = Account()
    account.set(limit("1"), slots=slots(1))
    account.ask("c1", "1")
    assert account.ask("c2", "1").outcome == "refused"
    assert account.held.waiting == {}


def test_r26_a_top_up_needs_no_slot_and_passes_the_line() -> None:
    account = Account()
    account.set(slots=slots(1))
    account.ask("c1")
    account.ask("c2")
    answer = account.ask("c1", "1", n=2, slots=0)
    assert (answer.outcome, answer.slots) == ("granted", 1)


def test_r26_who_holds_slots_gets_no_more_of_them_past_the_line() -> None:
    account = Account()
    account.set(slots=slots(3))
    account.ask("c1", slots=1)
    assert account.ask("c1", n=2, slots=2).slots == 2
    account.ask("c2", slots=1)
    account.ask("c3", slots=1)
    account.set(slots=slots(3))
    assert account.ask("c1", n=3, slots=3).slots == 2
    in_order(account.state)


def test_r26_who_wants_fewer_slots_frees_the_others() -> None:
    account = Account()
    account.set(slots=slots(3))
    account.ask("c1", slots=3)
    account.ask("c2", slots=1)
    assert account.ask("c1", n=2, slots=1) is not None
    assert _outcomes(account)[-2:] == [("c1", "granted"), ("c2", "granted")]
    assert account.held.taken == {"interactive": 2}


def test_r26_after_a_pause_the_class_may_be_another() -> None:
    account = Account()
    account.ask("c1", slots=2)
    account.give_back("c1", n=2, close=False)
    assert account.held.taken == {}
    account.ask("c1", n=3, slots=1, priority="batch")
    assert account.held.taken == {"batch": 1}
    account.give_back("c1", n=4)
    assert account.held.taken == {}


@pytest.mark.parametrize("close", [True, False])
def test_r26_who_gives_back_leaves_the_line(close) -> None:
    account = Account()
    account.set(slots=slots(1))
    account.ask("c1")
    account.ask("c2")
    account.ask("c3")
    account.give_back("c2", n=2, close=close)
    account.give_back("c1", n=2)
    assert _outcomes(account)[-1] == ("c3", "granted")
    assert account.held.waiting == {}
    in_order(account.state)


def test_r26_who_asks_anew_keeps_its_place_in_the_line() -> None:
    account = Account()
    account.set(slots=slots(1))
    account.ask("c1")
    account.ask("c2", "1", slots=2)
    account.ask("c3")
    waiting = account.ask("c2", "3", n=2, slots=0)
    assert (waiting.outcome, waiting.n) == ("waiting", 2)
    account.give_back("c1", n=2)
    name, answer = account.answers[-1]
    assert (name, answer.n, answer.slots) == ("c2", 2, 1)
    assert answer.parts[0].usd == 3
    in_order(account.state)


def test_r26_a_repeat_while_waiting_is_told_to_wait_and_later_what_came_of_it() -> None:
    account = Account()
    account.set(slots=slots(1))
    account.ask("c1")
    account.ask("c2")
    assert account.ask("c2").outcome == "waiting"
    assert account.held.waiting == {"interactive": ("c2",)}
    account.give_back("c1", n=2)
    assert account.ask("c2").outcome == "granted"
    assert len(account.of(FundsReserved)) == 2


def test_r26_fewer_slots_take_none_away_and_grant_none_until_there_are_some() -> None:
    account = Account()
    account.ask("c1", slots=3)
    account.ask("c2", slots=1)
    account.set(slots=slots(2))
    assert account.ask("c3").outcome == "waiting"
    account.give_back("c2", n=2)
    assert account.answers[-1] == ("c3", account.answers[-1][1])
    assert account.answers[-1][1].outcome == "waiting"
    account.give_back("c1", n=2)
    assert _outcomes(account)[-1] == ("c3", "granted")


def test_r26_a_long_line_is_answered_in_bits_and_a_timer_asks_for_the_rest(monkeypatch) -> None:
    monkeypatch.setattr("facilitair_money.slots.PUMPED", 2)
    account = Account()
    account.set(limit("1"), slots=slots(1))
    account.ask("c0", "1")
    account.charge("c0", "0", n=2, reserved_usd="1")
    for number in range(1, 6):
        account.ask(f"c{number}", "0.5")
    account.charge("c0", "1", n=3)
    assert timers(account.held) == ()
    account.give_back("c0", n=4)
    fired = []
    while due := timers(account.held):
        (timer,) = due
        assert timer.due_ms <= account.now_ms
        assert timer.timer_id not in fired
        fired.append(timer.timer_id)
        account.feed(TimerFired(timer_id=timer.timer_id, name=timer.name))
    refused = [name for name, answer in account.answers if answer.outcome == "refused"]
    assert refused == ["c1", "c2", "c3", "c4", "c5"]
    assert len(fired) == 2
    in_order(account.state)
