"""R25, R26: a collaboration asks before it starts, pays for its calls, and closes at the end."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from facilitair_events.accounts import FundsAnswered, FundsReturned
from facilitair_events.definitions import Output, Repeat, Step
from facilitair_events.requests import AttemptReported, Fault
from facilitair_events.topics import ACCOUNT_REQUESTS
from facilitair_testing.funded import FundedInbox, model, priced
from facilitair_testing.inbox import (
    VERDICT,
    Inbox,
    cancel,
    definition,
    output_bytes,
    reloaded,
    review_loop,
    step,
)
from facilitair_workflows.reducing.funds_needs import width

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


def test_r26_more_is_asked_for_when_it_runs_low_and_only_what_is_missing() -> None:
    steps = [step("s1"), *(step(f"s{n}", f"s{n - 1}") for n in range(2, 7))]
    inbox = FundedInbox()
    inbox.request(priced(definition(*steps, output="s6")))
    inbox.run_to_end()
    assert [[part.agent for part in ask.parts] for ask in inbox.asks] == [
        ["s1", "s2", "s3", "s4"],
        ["s5", "s6"],
    ]
    assert [ask.slots for ask in inbox.asks] == [1, 0]
    assert inbox.kinds[-1] == "collaboration.completed"


def test_r26_steps_that_are_ready_are_asked_for_first() -> None:
    wanted = definition(step("a"), step("b"), step("z", "a", "b"), step("c"), output="z")
    inbox = FundedInbox(grants=False)
    inbox.request(priced(wanted))
    assert [part.agent for part in inbox.asks[0].parts] == ["a", "b", "c", "z"]


def test_r26_a_grant_of_less_is_shared_out_as_attempts_close() -> None:
    inbox = FundedInbox(grants=False)
    inbox.request(priced(definition(step("a"), step("b"), step("c", "a", "b"), output="c")))
    inbox.grant(1)
    assert [task.path for task in inbox.open_tasks] == ["a"]
    assert len(inbox.asks) == 1
    inbox.answer(inbox.tasks[0], "x")
    assert [part.agent for part in inbox.asks[1].parts] == ["b", "c"]
    inbox.grant()
    inbox.run_to_end()
    assert inbox.kinds[-1] == "collaboration.completed"


def test_r26_one_ask_is_open_at_a_time() -> None:
    inbox = FundedInbox(grants=False)
    inbox.request(priced(definition(*(step(n) for n in "abcdef"), output="a")))
    inbox.grant()
    assert [task.path for task in inbox.open_tasks] == ["a", "b", "c", "d"]
    assert [part.agent for part in inbox.asks[1].parts] == ["e", "f"]
    inbox.answer(inbox.tasks[0], "x")
    assert len(inbox.asks) == 2
    inbox.grant()
    assert {task.path for task in inbox.open_tasks} == set("bcdef")


def test_r26_money_that_an_agent_has_left_is_used_before_more_is_asked() -> None:
    output = Output(kind="json", json_schema=VERDICT)
    inbox = FundedInbox(grants=False)
    inbox.request(priced(definition(step("a", output=output), output="a")))
    inbox.grant()
    inbox.fail(inbox.tasks[0], "unavailable", retryable=True)  # it asked nobody
    assert inbox.funds.unused == {"a": Decimal(1)}
    inbox.fire("retry")
    assert len(inbox.tasks) == 2
    assert len(inbox.asks) == 1


def test_r11_an_answer_to_no_open_ask_changes_nothing() -> None:
    inbox = FundedInbox(grants=False)
    inbox.request(CHAIN)
    inbox.grant()
    before = inbox.state
    for answer in (
        FundsAnswered(n=1, outcome="granted", parts=inbox.asks[0].parts, slots=9),
        FundsAnswered(n=2, outcome="granted", parts=inbox.asks[0].parts, slots=9),
        FundsAnswered(n=1, outcome="refused"),
    ):
        decision = inbox.feed(answer)
        assert decision.state is before
        assert decision.events == decision.commands == ()


def test_r26_without_an_answer_it_ends_before_it_began() -> None:
    inbox = FundedInbox(grants=False)
    inbox.request(CHAIN)
    inbox.fire("reserve", early_ms=1)
    assert inbox.kinds == ["collaboration.accepted"]
    inbox.fire("reserve")
    assert inbox.kinds[1:] == ["collaboration.failed"]
    assert inbox.events[-1].fault.code == "budget_unavailable"
    assert inbox.events[-1].duration_ms >= 120_000
    assert [(r.n, r.close) for r in inbox.returns] == [(2, True)]
    late = inbox.grant()
    assert late.events == late.commands == ()


def test_r26_in_the_queue_for_a_slot_nothing_runs_out() -> None:
    inbox = FundedInbox(grants=False)
    inbox.request(CHAIN)
    inbox.feed(FundsAnswered(n=1, outcome="waiting"))
    assert inbox.funds.queued
    assert inbox.state is not None
    assert inbox.state.timers == ()
    inbox.grant()
    assert not inbox.funds.queued
    assert len(inbox.tasks) == 1


def test_the_time_of_the_workflow_counts_from_the_grant() -> None:
    inbox = FundedInbox(grants=False)
    inbox.request(CHAIN)
    inbox.now_ms += 60_000
    inbox.grant()
    assert inbox.state is not None
    [deadline] = [timer for timer in inbox.state.timers if timer.name == "deadline"]
    assert deadline.due_ms == inbox.now_ms + 3_600_000


def test_accounts_away_in_mid_run_lets_what_runs_end_and_starts_nothing() -> None:
    inbox = FundedInbox(grants=False)
    inbox.request(priced(definition(*(step(n) for n in "abcde"), output="a", timeout_s=9_999)))
    inbox.grant()
    inbox.fire("reserve")
    assert inbox.kinds[-1] == "step.scheduled"
    for task in inbox.tasks:
        inbox.answer(task, "x")
    assert inbox.kinds[-1] == "collaboration.failed"
    assert inbox.events[-1].fault.code == "budget_unavailable"
    assert len(inbox.charges) == 4
    assert inbox.returns[-1].close


def test_a_cancel_closes_what_was_only_asked_for() -> None:
    inbox = FundedInbox(grants=False)
    inbox.request(CHAIN)
    inbox.feed(cancel())
    assert inbox.kinds[-1] == "collaboration.cancelled"
    assert [(r.n, r.close) for r in inbox.returns] == [(2, True)]


def test_a_workflow_that_calls_nobody_asks_for_nothing() -> None:
    inbox = FundedInbox()
    inbox.request(priced(definition(step("a", when="false"), output="a")))
    assert inbox.kinds[-1] == "collaboration.completed"
    assert inbox.money == []


def test_r26_a_call_without_a_price_is_asked_for_too() -> None:
    inbox = FundedInbox(grants=False)
    inbox.request(definition(step("a"), step("b", "a"), output="b"))
    assert [part.usd for part in inbox.asks[0].parts] == [None, None]
    inbox.grant(1)
    assert inbox.tasks[0].reserved_usd is None
    assert inbox.events[-2].usd is None
    inbox.answer(inbox.tasks[0], "x")
    assert [part.usd for part in inbox.asks[1].parts] == [None]
    inbox.grant()
    assert len(inbox.tasks) == 2


def test_r06_what_waited_for_money_over_a_restart_starts_with_the_same_bytes() -> None:
    through, straight = FundedInbox(grants=False), FundedInbox(grants=False)
    for inbox in (through, straight):
        inbox.request(CHAIN)
    through.state = reloaded(through.state)
    assert output_bytes(through.grant()) == output_bytes(straight.grant())


def test_r26_a_worker_that_counted_more_gets_that_much() -> None:
    inbox = FundedInbox()
    inbox.request(CHAIN)
    short = Fault(code="reservation_short", message="it needs 3 USD", retryable=True)
    report = AttemptReported(
        path="a", attempt=1, outcome="failed", fault=short, needed_usd=Decimal(3)
    )
    inbox.feed(report)
    assert [part.usd for part in inbox.asks[-1].parts] == [Decimal(2)]
    assert inbox.tasks[-1].reserved_usd == Decimal(3)
    assert inbox.events[-1].reason == "funds"
    for attempt in (2, 3):
        inbox.feed(replace(report, attempt=attempt))
    assert inbox.kinds[-1] == "step.scheduled"
    inbox.feed(replace(report, attempt=4))
    assert inbox.kinds[-1] == "collaboration.failed"
    assert inbox.events[-1].fault.code == "reservation_short"
    assert inbox.charges == []


def test_a_chain_of_any_length_in_any_order_is_one_wide() -> None:
    long = [step("s0"), *(step(f"s{n}", f"s{n - 1}") for n in range(1, 3000))]
    assert width(tuple(reversed(long))) == 1


def test_width_counts_what_is_as_far_from_the_beginning() -> None:
    again = Repeat(until="true", max=2)
    group = Step(id="g", needs=("a",), steps=(step("x"), step("y"), step("z", "x")), repeat=again)
    assert width((step("a"), group, step("b", "a"), step("c", "g", "b"))) == 3
    assert width((step("a", "b"), step("b", "a"))) == 1
