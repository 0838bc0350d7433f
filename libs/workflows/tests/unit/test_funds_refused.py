"""R26: what is refused is not called; then the workflow finishes, pauses, or goes on cheaper."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from facilitair_events.definitions import Definition, Repeat, Step
from facilitair_events.requests import AttemptReported, ReplyTo, ResumeRequested
from facilitair_events.text import inline
from facilitair_testing.funded import FundedInbox, model, priced
from facilitair_testing.inbox import Inbox, cancel, definition, step

FIVE = [step("s1"), *(step(f"s{n}", f"s{n - 1}") for n in range(2, 6))]


def in_mid_run(on_budget: str, *models: Any) -> FundedInbox:
    """Four steps are paid for and done; the fifth is asked for."""
    inbox = FundedInbox(grants=False)
    inbox.request(priced(definition(*FIVE, output="s5"), *models, on_budget=on_budget))
    inbox.grant()
    inbox.run_to_end()
    assert len(inbox.tasks) == 4
    return inbox


def wide(on_budget: str) -> FundedInbox:
    """Four of five steps side by side run; the fifth is asked for."""
    inbox = FundedInbox(grants=False)
    inbox.request(priced(definition(*(step(n) for n in "abcde"), output="a"), on_budget=on_budget))
    inbox.grant()
    assert len(inbox.open_tasks) == 4
    return inbox


def budgeted(
    *steps: Step, usd: str | None = None, own: str | None = None, **more: Any
) -> FundedInbox:
    wanted: Definition = definition(*steps, output=steps[-1].id)
    inbox = FundedInbox()
    inbox.request(
        priced(wanted, budget_usd=None if own is None else Decimal(own), **more),
        budget_usd=None if usd is None else Decimal(usd),
    )
    return inbox


def paid_by(inbox: Inbox) -> None:
    """Every open task costs a dollar."""
    while inbox.open_tasks:
        task = inbox.open_tasks[0]
        inbox.call(task, cost_usd=Decimal(1))
        inbox.feed(
            AttemptReported(
                path=task.path, attempt=task.attempt, outcome="completed", output=inline("x")
            )
        )


@pytest.mark.parametrize("on_budget", ["finish", "pause", "cheaper"])
def test_r26_refused_at_the_start_nothing_ever_leaves(on_budget: str) -> None:
    inbox = FundedInbox(grants=False)
    inbox.request(priced(definition(*FIVE, output="s5"), on_budget=on_budget))
    inbox.refuse()
    assert inbox.kinds == ["collaboration.accepted", "budget.refused", "collaboration.failed"]
    assert inbox.events[1].policy == "finish"
    assert inbox.events[2].fault.code == "budget_exceeded"
    assert inbox.tasks == []
    assert [(r.n, r.close) for r in inbox.returns] == [(2, True)]


def test_r26_finish_lets_what_runs_end_and_starts_nothing_new() -> None:
    inbox = wide("finish")
    inbox.refuse()
    assert inbox.kinds[-1] == "budget.refused"
    assert inbox.events[-1].policy == "finish"
    assert inbox.events[-1].step == "e"
    inbox.run_to_end()
    assert len(inbox.tasks) == 4
    assert inbox.kinds.count("step.completed") == 4
    assert inbox.kinds[-1] == "collaboration.failed"
    assert (inbox.events[-1].fault.code, inbox.events[-1].step) == ("budget_exceeded", "e")


def test_r26_finish_does_not_wait_for_another_attempt() -> None:
    inbox = wide("finish")
    inbox.refuse()
    for task in inbox.tasks:
        inbox.fail(task, "overloaded", retryable=True)
    assert inbox.kinds[-1] == "collaboration.failed"
    assert inbox.events[-1].fault.code == "budget_exceeded"


def test_r26_pause_waits_for_somebody_and_gives_everything_back() -> None:
    inbox = wide("pause")
    inbox.refuse()
    assert inbox.kinds[-2:] == ["budget.refused", "collaboration.paused"]
    assert inbox.returns == []  # what runs is still paid from it
    inbox.run_to_end()
    assert inbox.state is not None
    assert inbox.state.status == "paused"
    assert [returned.close for returned in inbox.returns] == [False]
    assert (inbox.funds.slots, inbox.funds.unused) == (0, {})


def test_r26_resume_asks_anew_with_slots() -> None:
    inbox = in_mid_run("pause")
    inbox.refuse()
    decision = inbox.resume()
    assert inbox.kinds[-1] == "collaboration.resumed"
    assert decision.replies[0].data.outcome == "accepted"
    assert decision.replies[0].data.status == "running"
    assert (inbox.asks[-1].slots, len(inbox.asks[-1].parts)) == (1, 1)
    inbox.grant()
    inbox.run_to_end()
    assert inbox.kinds[-1] == "collaboration.completed"
    assert [told.n for told in inbox.money] == list(range(1, len(inbox.money) + 1))


def test_resume_while_something_still_runs_keeps_its_slots() -> None:
    inbox = wide("pause")
    inbox.refuse()
    inbox.resume()
    assert inbox.returns == []
    assert inbox.asks[-1].slots == 0
    inbox.grant()
    assert len(inbox.open_tasks) == 5
    inbox.run_to_end()
    assert inbox.kinds[-1] == "collaboration.completed"


def test_resume_is_a_duplicate_by_its_client_id_and_refused_where_nothing_is_paused() -> None:
    inbox = in_mid_run("pause")
    inbox.refuse()
    inbox.resume("r1")
    assert inbox.resume("r1").replies[0].data.outcome == "duplicate"
    refused = inbox.resume("r2").replies[0].data
    assert (refused.outcome, refused.faults[0].code) == ("refused", "not_paused")
    assert "not paused (running)" in refused.faults[0].message
    inbox.feed(cancel())
    ended = inbox.resume("r3").replies[0].data
    assert (ended.outcome, ended.faults[0].code) == ("refused", "not_paused")


def test_resume_of_nobody_is_answered() -> None:
    inbox = FundedInbox()
    request = ResumeRequested(
        client_id="r", actor="me", reply_to=ReplyTo(topic="query-replies", correlation="r")
    )
    assert inbox.feed(request).replies[0].data.outcome == "unknown"


def test_r14_a_cancel_ends_what_is_paused() -> None:
    inbox = in_mid_run("pause")
    inbox.refuse()
    inbox.feed(cancel())
    assert inbox.kinds[-1] == "collaboration.cancelled"
    assert [returned.close for returned in inbox.returns] == [False, True]


def test_r14_the_deadline_ends_what_is_paused_or_waits_for_a_slot() -> None:
    inbox = in_mid_run("pause")
    inbox.refuse()
    inbox.fire("deadline")
    assert inbox.kinds[-1] == "collaboration.expired"
    assert inbox.returns[-1].close


def test_r26_cheaper_asks_the_first_further_model_that_fits() -> None:
    inbox = in_mid_run(
        "cheaper", model("m", "4"), model("n", "3"), model("o", "2"), model("p", "1")
    )
    assert inbox.asks[-1].parts[0].usd == Decimal(4)
    inbox.refuse(left_usd=Decimal("2.5"))
    assert inbox.events[-1].policy == "cheaper"
    assert inbox.asks[-1].parts[0].usd == Decimal(2)
    inbox.grant()
    assert (inbox.events[-1].model, inbox.events[-1].reason) == ("o", "cheaper")
    assert inbox.tasks[-1].model_index == 2


def test_r26_cheaper_goes_on_to_the_end_of_the_list_and_then_finishes() -> None:
    inbox = in_mid_run("cheaper", model("m", "4"), model("n", "3"), model("o", "2"))
    inbox.refuse(left_usd=Decimal(3))
    inbox.refuse(left_usd=Decimal(2))
    assert [part.usd for part in inbox.asks[-1].parts] == [Decimal(2)]
    inbox.refuse(left_usd=Decimal(1))
    assert inbox.kinds[-2:] == ["budget.refused", "collaboration.failed"]
    assert inbox.events[-2].policy == "finish"


def test_r26_cheaper_helps_at_the_start_too() -> None:
    inbox = FundedInbox(grants=False)
    wanted = definition(step("a"), output="a")
    inbox.request(priced(wanted, model("m", "4"), model("n", "1"), on_budget="cheaper"))
    inbox.refuse(left_usd=Decimal(1))
    inbox.grant()
    assert inbox.tasks[0].model_index == 1


def test_r25_what_was_asked_too_late_is_asked_anew_three_times() -> None:
    inbox = FundedInbox(grants=False)
    inbox.request(priced(definition(*FIVE, output="s5")))
    for n in (2, 3, 4):
        inbox.refuse("stale")
        assert inbox.asks[-1].n == n
        assert inbox.asks[-1].asked_ms == inbox.now_ms
    inbox.refuse("stale")
    assert inbox.kinds[-1] == "collaboration.failed"
    assert inbox.events[-1].fault.code == "budget_unavailable"
    assert inbox.events[-1].fault.retryable
    assert len(inbox.asks) == 4


@pytest.mark.parametrize(("usd", "own"), [("1.5", None), (None, "1.5"), ("9", "1.5"), ("1.5", "9")])
def test_r26_a_budget_of_one_step_runs_one_step(usd: str | None, own: str | None) -> None:
    inbox = budgeted(step("a"), step("b", "a"), usd=usd, own=own)
    paid_by(inbox)
    assert [task.path for task in inbox.tasks] == ["a"]
    refused = next(e for e in inbox.events if hasattr(e, "refusal"))
    refusal = refused.refusal
    assert (refusal.scope, refusal.name, refused.step) == ("collaboration", "c1", "b")
    assert (refusal.asked_usd, refusal.left_usd) == (Decimal(1), Decimal("0.5"))
    assert (refusal.limit_usd, refusal.spent_usd) == (Decimal("1.5"), Decimal(1))
    assert inbox.kinds[-1] == "collaboration.failed"
    assert len(inbox.asks[0].parts) == 1  # no more is asked for than may be spent
    assert len(inbox.asks) == 1


def test_r26_a_budget_that_fits_nothing_asks_nobody() -> None:
    inbox = budgeted(step("a"), usd="0.99")
    assert inbox.kinds == ["collaboration.accepted", "budget.refused", "collaboration.failed"]
    assert inbox.money == []


def test_r26_steps_side_by_side_take_turns_in_a_budget() -> None:
    inbox = budgeted(step("a"), step("b"), step("c", "a", "b"), usd="1.5")
    assert [task.path for task in inbox.open_tasks] == ["a"]
    inbox.run_to_end()  # each costs a cent
    assert inbox.kinds[-1] == "collaboration.completed"
    assert "budget.refused" not in inbox.kinds


def test_r26_a_step_has_its_own_budget_over_all_iterations() -> None:
    again = Repeat(until="false", max=5)
    inner = step("x", budget_usd=Decimal(2))
    inbox = budgeted(Step(id="g", steps=(inner,), repeat=again), step("end", "g"))
    paid_by(inbox)
    assert [task.path for task in inbox.tasks] == ["g.1.x", "g.2.x"]
    refused = next(e for e in inbox.events if hasattr(e, "refusal"))
    assert (refused.refusal.scope, refused.refusal.name) == (None, "g.x")
    assert refused.step == "g.3.x"
    assert "step g.x" in refused.refusal.message


def test_r26_a_group_has_one_too() -> None:
    members = (step("x"), step("y", "x"))
    group = Step(
        id="g", steps=members, repeat=Repeat(until="false", max=5), budget_usd=Decimal("3.5")
    )
    inbox = budgeted(group, step("end", "g"))
    paid_by(inbox)
    assert len(inbox.tasks) == 3


def test_r26_a_call_without_a_price_goes_over_any_budget() -> None:
    inbox = FundedInbox()
    inbox.request(definition(step("a"), output="a"), budget_usd=Decimal(100))
    refused = next(e for e in inbox.events if hasattr(e, "refusal"))
    assert refused.refusal.code == "price_unknown"
    assert inbox.tasks == []


def test_r26_another_budget_comes_with_the_resume() -> None:
    inbox = budgeted(step("a"), step("b", "a"), usd="1.5", on_budget="pause")
    paid_by(inbox)
    assert inbox.kinds[-1] == "collaboration.paused"
    inbox.resume("r1")
    assert inbox.kinds[-1] == "collaboration.paused"
    inbox.resume("r2", budget_usd=Decimal(2))
    paid_by(inbox)
    assert inbox.kinds[-1] == "collaboration.completed"
    assert inbox.funds.limit_usd == Decimal(2)


def test_r26_a_retry_is_held_to_the_budget() -> None:
    inbox = budgeted(step("a"), usd="1.5")
    task = inbox.tasks[0]
    inbox.call(task, outcome="failed", output=None, cost_usd=Decimal("0.6"))
    inbox.fail(task, "overloaded", retryable=True)
    inbox.fire("retry")
    assert len(inbox.tasks) == 1
    assert inbox.events[-1].fault.code == "budget_exceeded"


def test_r26_a_fallback_is_paid_at_its_own_price() -> None:
    inbox = FundedInbox()
    wanted = definition(step("a"), output="a")
    inbox.request(priced(wanted, model("m", "1"), model("n", "7")))
    inbox.fail(inbox.tasks[0], "overloaded", retryable=True)
    assert inbox.tasks[1].reserved_usd == Decimal(7)
    assert inbox.asks[-1].parts[0].usd == Decimal(6)


def test_r26_a_larger_answer_costs_more() -> None:
    wanted = priced(definition(step("a"), output="a"), model(tokens=1000))
    agents = {n: replace(a, max_output_tokens=100) for n, a in wanted.agents.items()}
    [only] = wanted.steps
    larger = replace(only, endings=replace(only.endings, length="larger"))
    inbox = FundedInbox()
    inbox.request(replace(wanted, agents=agents, steps=(larger,)))
    assert inbox.tasks[0].reserved_usd == Decimal("0.1")
    inbox.fail(inbox.tasks[0], "length")
    assert inbox.tasks[1].reserved_usd == Decimal("0.2")
