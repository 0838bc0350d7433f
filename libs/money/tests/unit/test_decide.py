"""What is common to all requests: questions, what cannot be read, and how an account stands."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from facilitair_events.accounts import AccountAsked
from facilitair_events.books import RequestSkipped
from facilitair_events.decision import Decision, Received
from facilitair_events.requests import Parked, TimerFired
from facilitair_money.decide import decide, logic_of, timers
from facilitair_money.draft import Draft
from facilitair_money.errors import NoEnvelopeError
from facilitair_money.slots import pump
from facilitair_testing.accounting import NOON, TO, Account, limit, slots


def _received(data) -> Received:
    return Received(tenant="acme", subject="acme", offset=7, at_ms=NOON, id="r", data=data)


def test_a_question_about_nobody_is_answered_and_keeps_nothing() -> None:
    decision = decide(None, _received(AccountAsked(reply_to=TO, usage=True)))
    assert decision.state is None
    (reply,) = decision.replies
    assert (reply.to, reply.data.outcome, reply.data.view.tenant) == (TO, "described", "acme")
    assert reply.data.view.spent_usd == 0


def test_a_question_changes_nothing() -> None:
    account = Account()
    account.ask("c1")
    before = account.held
    account.look(usage=True)
    assert account.held is before


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("KeyError on the record at offset 3", "unreadable"),
        ("state_too_large", "state_too_large"),
        ("output_too_large", "output_too_large"),
    ],
)
def test_r13_what_was_skipped_is_in_the_books_and_the_account_goes_on(reason, told) -> None:
    account = Account()
    account.ask("c1")
    account.feed(Parked(offset=3, reason=reason))
    (skipped,) = account.of(RequestSkipped)
    assert (skipped.reason, skipped.offset) == (told, 3)
    assert account.ask("c1", n=2).outcome == "granted"


def test_r13_nobody_has_no_books_to_tell_of_what_was_skipped() -> None:
    assert decide(None, _received(Parked(offset=3, reason="x"))) == Decision(state=None)


def test_r11_a_timer_that_nobody_needs_changes_nothing() -> None:
    account = Account()
    account.ask("c1")
    before = account.held
    assert timers(before) == ()
    account.feed(TimerFired(timer_id="t", name="slots"), after_ms=100_000)
    assert account.held is before


def test_r9_no_request_asks_for_a_version() -> None:
    assert logic_of(_received(AccountAsked(reply_to=TO))) is None
    account = Account()
    account.ask("c1")
    assert account.held.logic == 1


def test_how_an_account_stands() -> None:
    account = Account()
    account.set(
        limit("10", window="day"), limit("5", "project", kind="warning"),
        limit("3", "collaboration"), limit("4", "agent", name="writer"), slots=slots(1, 2),
    )  # fmt: skip
    account.ask("c1", "2")
    account.ask("c2", "1")
    account.charge("c1", "0.5", n=2, outcome="unknown", reserved_usd="2", call_id="a")
    account.ask("c1", "1", n=3, slots=0)
    view = account.look().view
    assert view is not None
    assert (view.spent_usd, view.reserved_usd, view.open_collaborations) == (
        Decimal("0.5"), Decimal(1), 2,
    )  # fmt: skip
    day, project, first, second, agent = view.limits
    assert (day.left_usd, day.since, day.until) == (
        Decimal("8.5"), datetime(2026, 6, 15, tzinfo=UTC), datetime(2026, 6, 16, tzinfo=UTC),
    )  # fmt: skip
    assert (project.name, project.left_usd, project.since) == ("web", Decimal("3.5"), None)
    assert [(one.name, one.left_usd) for one in (first, second)] == [
        ("c1", Decimal("1.5")), ("c2", Decimal(3)),
    ]  # fmt: skip
    assert (agent.name, agent.spent_usd, agent.reserved_usd) == (
        "writer", Decimal("0.5"), Decimal(1),
    )  # fmt: skip
    assert [(one.priority, one.limit, one.taken, one.waiting) for one in view.slots] == [
        ("interactive", 1, 1, 1), ("batch", 2, 0, 0),
    ]  # fmt: skip
    (unknown,) = view.unknown
    assert (unknown.call_id, unknown.charged_usd, view.unknown_calls) == ("a", Decimal("0.5"), 1)


def test_of_a_limit_for_each_those_with_the_least_left_are_shown(monkeypatch) -> None:
    monkeypatch.setattr("facilitair_money.view.VIEWED_NAMES", 2)
    account = Account()
    account.set(limit("10", "collaboration"))
    for number in range(5):
        account.ask(f"c{number}", str(number + 1))
    view = account.look().view
    assert view is not None
    assert [(one.name, one.left_usd) for one in view.limits] == [
        ("c4", Decimal(5)), ("c3", Decimal(6)),
    ]  # fmt: skip


def test_a_window_that_is_over_shows_as_empty() -> None:
    account = Account()
    account.set(limit("10", window="day"))
    account.charge("c1", "4")
    account.now_ms += 86_400_000
    (shown,) = account.look().view.limits
    assert (shown.spent_usd, shown.left_usd) == (0, 10)


def test_a_state_that_contradicts_itself_is_not_gone_on_with() -> None:
    account = Account()
    account.ask("c1")
    draft = Draft(account.held, account.records[-1])
    draft.waiting["interactive"] = ("nobody",)
    with pytest.raises(NoEnvelopeError, match="nobody waits without an envelope"):
        pump(draft)
