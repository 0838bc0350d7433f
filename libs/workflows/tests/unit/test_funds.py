"""R25, R26: a collaboration asks before it starts, pays for its calls, and closes at the end."""

from decimal import Decimal

import pytest

from facilitair_events.accounts import FundsReturned
from facilitair_events.topics import ACCOUNT_REQUESTS
from facilitair_testing.funded import FundedInbox, model, priced
from facilitair_testing.inbox import Inbox, definition, review_loop, step

CHAIN = priced(definition(step("a"), step("b", "a"), output="b"))


def test_r26_nothing_starts_before_the_account_has_answered() -> None:
    inbox = FundedInbox(grants=False)
    inbox.request(CHAIN)
    assert inbox.tasks == []
    assert inbox.state is not None
    assert inbox.state.status == "accepted"
    [ask] = inbox.asks
    assert (ask.n, ask.slots) == (1, 1)
    assert [part.agent for part in ask.parts] == ["a", "b"]
    assert all(part.usd == Decimal(1) for part in ask.parts)
    assert [timer.name for timer in inbox.state.timers] == ["reserve"]
    inbox.grant()
    assert inbox.kinds == ["collaboration.accepted", "budget.reserved", "step.scheduled"]
    assert inbox.state.status == "running"
    [task] = inbox.tasks
    assert task.reserved_usd == Decimal(1)


def test_r25_requests_are_of_the_tenant_and_dense() -> None:
    inbox = FundedInbox()
    inbox.request(review_loop())
    inbox.run_to_end({"review.1.reviewer": ('{"approved": false}', {"approved": False})})
    told = [command for command in inbox.commands if command.topic == ACCOUNT_REQUESTS]
    assert {(command.key, command.subject) for command in told} == {("local", "local")}
    assert [command.data.n for command in told] == list(range(1, len(told) + 1))
    assert isinstance(told[-1].data, FundsReturned)
    assert told[-1].data.close


def test_r26_every_call_is_charged_once_and_the_end_closes() -> None:
    inbox = FundedInbox()
    inbox.request(CHAIN)
    inbox.run_to_end()
    assert inbox.kinds[-1] == "collaboration.completed"
    assert [(c.path, c.charged_usd, c.reserved_usd) for c in inbox.charges] == [
        ("a", Decimal("0.01"), Decimal(1)),
        ("b", Decimal("0.01"), Decimal(1)),
    ]
    assert [(c.price_version, c.provider, c.priced) for c in inbox.charges] == [
        ("2026-01", "p", True)
    ] * 2
    assert [returned.close for returned in inbox.returns] == [True]
    assert inbox.funds.unused == {}


@pytest.mark.parametrize("more", [{"policy": {}}, {"policy": {"reserve": "off"}}, {"logic": 2}])
def test_without_accounts_nothing_is_asked(more) -> None:
    inbox = FundedInbox()
    inbox.request(CHAIN, **more)
    inbox.run_to_end()
    assert inbox.money == []
    assert inbox.kinds[-1] == "collaboration.completed"


def test_r9_without_accounts_logic_3_is_logic_2() -> None:
    def told(logic: int) -> list[object]:
        inbox = Inbox()
        inbox.request(review_loop(), logic=logic)
        inbox.run_to_end()
        return [inbox.events, inbox.commands]

    assert told(2) == told(3)


def test_r26_slots_are_as_many_as_can_run_at_once_and_bound_what_does() -> None:
    inbox = FundedInbox(grants=False)
    inbox.request(priced(definition(*(step(n) for n in "abc"), step("d", *"abc"), output="d")))
    assert inbox.asks[0].slots == 3
    inbox.grant(slots=2)
    assert [task.path for task in inbox.open_tasks] == ["a", "b"]
    inbox.answer(inbox.tasks[1], "x")
    assert [task.path for task in inbox.open_tasks] == ["a", "c"]


def test_r26_a_workflow_that_costs_nothing_still_asks_for_its_slots() -> None:
    inbox = FundedInbox(grants=False)
    inbox.request(priced(CHAIN, model(usd="0")))
    assert inbox.tasks == []
    inbox.grant()
    assert len(inbox.tasks) == 1
