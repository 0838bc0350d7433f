"""R25: the requests of a collaboration have a dense n; what comes again changes nothing."""

import pytest

from facilitair_events.accounts import FundsReturned
from facilitair_events.books import CallSettled, FundsRefused, FundsReserved, RequestSkipped
from facilitair_money import bounds, envelopes
from facilitair_testing.accounting import NOON, Account, asked, charged, in_order, limit, slots


def test_r25_a_repeated_ask_is_answered_the_same_and_reserves_nothing() -> None:
    account = Account()
    first = account.ask("c1", "1")
    before = account.held
    assert account.ask("c1", "1") == first
    assert len(account.answers) == 2
    assert account.held.reserved == before.reserved
    assert len(account.of(FundsReserved)) == 1


def test_r25_a_repeated_refusal_stays_one_also_when_there_is_money_by_then() -> None:
    account = Account()
    account.set(limit("0.5"))
    refused = account.ask("c1", "1")
    account.set(limit("5"))
    assert account.ask("c1", "1") == refused
    assert account.ask("c1", "1", n=2).outcome == "granted"
    assert len(account.of(FundsRefused)) == 1


def test_r25_the_last_ask_is_answered_again_also_behind_charges() -> None:
    account = Account()
    first = account.ask("c1", "1")
    account.charge("c1", "1", n=2)
    assert account.ask("c1", "1", n=1) == first
    second = account.ask("c1", "1", n=3)
    told = len(account.answers)
    assert account.feed(asked("c1", "1", n=1)).commands == ()
    assert len(account.answers) == told
    assert account.ask("c1", "1", n=3) == second


def test_r25_a_repeated_charge_counts_once() -> None:
    account = Account()
    account.ask("c1", "1")
    account.charge("c1", "0.4", n=2)
    before = account.held
    account.charge("c1", "0.4", n=2)
    assert account.state == before
    assert len(account.of(CallSettled)) == 1


def test_r25_a_repeat_of_giving_back_does_not_take_from_a_later_ask() -> None:
    account = Account()
    account.ask("c1", "1")
    account.give_back("c1", n=2, close=False)
    account.ask("c1", "2", n=3)
    account.give_back("c1", n=2, close=False)
    assert account.held.reserved["tenant|*"] == 2


def test_r25_a_gap_is_a_request_that_was_dead_lettered() -> None:
    account = Account()
    account.ask("c1", "1")
    assert account.ask("c1", "1", n=5).outcome == "granted"
    envelope = account.envelope()
    assert envelope is not None
    assert envelope.n == 5
    account.charge("c1", "1", n=4)
    assert not account.of(CallSettled)


def test_r25_a_repeat_that_changes_nothing_needs_no_snapshot() -> None:
    account = Account()
    account.ask("c1", "1")
    account.charge("c1", n=2)
    before = account.held
    assert account.feed(charged("c1", n=2), after_ms=5_000).state is before


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Accounts that remember two closed envelopes."""
    monkeypatch.setattr(envelopes, "CLOSED_ENVELOPES", 2)


def _forgetting(account: Account, *names: str) -> None:
    for name in names:
        account.ask(name, "1")
        account.give_back(name, n=2)


@pytest.mark.usefixtures("few")
def test_r25_a_repeat_of_a_forgotten_ask_reserves_nothing() -> None:
    account = Account()
    _forgetting(account, "c1", "c2", "c3")
    assert account.envelope("c1") is None
    answer = account.ask("c1", "1", asked_ms=NOON)
    assert (answer.outcome, answer.refusal and answer.refusal.code) == ("refused", "stale")
    assert account.envelope("c1") is None
    assert account.held.reserved == {}


@pytest.mark.usefixtures("few")
def test_r25_a_repeat_of_a_forgotten_charge_is_not_counted_and_told() -> None:
    account = Account()
    _forgetting(account, "c1", "c2", "c3")
    account.charge("c1", "1", asked_ms=NOON, call_id="call-7")
    assert account.held.counters == {}
    (skipped,) = account.of(RequestSkipped)
    assert (skipped.reason, skipped.collaboration, skipped.n, skipped.call_id) == (
        "stale", "c1", 2, "call-7",
    )  # fmt: skip
    assert skipped.offset == len(account.records) - 1


@pytest.mark.usefixtures("few")
def test_r25_a_repeat_of_a_forgotten_close_opens_nothing() -> None:
    account = Account()
    _forgetting(account, "c1", "c2", "c3")
    account.feed(FundsReturned(collaboration="c1", n=2, asked_ms=NOON, close=True))
    assert (account.held.open, account.envelope("c1")) == (0, None)
    assert account.of(RequestSkipped)[0].reason == "stale"


@pytest.mark.usefixtures("few")
def test_r25_who_is_stale_asks_anew_and_is_granted() -> None:
    account = Account()
    _forgetting(account, "c1", "c2", "c3")
    assert account.ask("c9", "1", asked_ms=NOON).outcome == "refused"
    again = account.ask("c9", "1", n=2)
    assert (again.outcome, again.n) == ("granted", 2)
    in_order(account.state)


@pytest.mark.usefixtures("few")
def test_r25_what_is_forgotten_is_never_younger_than_the_mark() -> None:
    """Closings may come in another order than asks: the mark is of the youngest of them."""
    account = Account()
    late = account.now_ms + 50_000
    account.ask("c1", "1", asked_ms=late)
    account.give_back("c1", n=2)
    _forgetting(account, "c2", "c3")
    assert account.held.forgotten_ms == late
    assert account.ask("c1", "1", asked_ms=late).outcome == "refused"


def test_r25_the_last_closed_ones_are_remembered() -> None:
    account = Account()
    names = [f"c{number}" for number in range(bounds.CLOSED_ENVELOPES + 1)]
    _forgetting(account, *names)
    assert len(account.held.closed) == bounds.CLOSED_ENVELOPES
    assert account.envelope(names[0]) is None
    assert account.envelope(names[1]) is not None
    in_order(account.state)


def test_r25_a_gap_in_which_slots_were_asked_for_is_no_slot() -> None:
    account = Account()
    account.set(slots=slots(1))
    account.give_back("c1", n=1, close=False)
    assert account.held.taken == {}
    assert account.ask("c1", "1", n=2).outcome == "granted"
