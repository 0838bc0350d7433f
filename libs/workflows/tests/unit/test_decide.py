"""The life of a collaboration, record by record."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from facilitair_events import codec
from facilitair_events.definitions import Output, Repeat, Retry, Step
from facilitair_events.envelope import instant
from facilitair_events.requests import AttemptReported, Parked, ReplyTo, TimerFired, Usage
from facilitair_events.state import CollaborationSnapshot
from facilitair_events.text import Artifact, Personal, Text, inline, personal
from facilitair_testing.inbox import (
    VERDICT,
    Inbox,
    call_reported,
    cancel,
    definition,
    describe,
    requested,
    review_loop,
    step,
)
from facilitair_workflows.decide import KNOWN_LOGIC, decide
from facilitair_workflows.errors import UnknownLogicError


def test_a_chain_runs_in_order_and_completes_with_the_output_step() -> None:
    inbox = Inbox()
    inbox.request(definition(step("a"), step("b", "a"), output="b"))
    assert [task.path for task in inbox.tasks] == ["a"]
    inbox.run_to_end()
    assert [task.path for task in inbox.tasks] == ["a", "b"]
    assert inbox.kinds == [
        "collaboration.accepted", "step.scheduled", "attempt.completed", "step.completed",
        "step.scheduled", "attempt.completed", "step.completed", "collaboration.completed",
    ]  # fmt: skip
    end = inbox.events[-1]
    assert (end.step, end.attempt, end.totals.calls) == ("b", 1, 2)
    assert end.totals.cost_usd == Decimal("0.02")
    assert end.totals.usage == Usage(input_tokens=20, output_tokens=10)


def test_r12_seq_is_dense_from_one() -> None:
    inbox = Inbox()
    inbox.request(review_loop())
    inbox.run_to_end()
    assert [event.seq for event in inbox.events] == list(range(1, len(inbox.events) + 1))


def test_steps_without_needs_run_at_once_and_a_join_waits_for_both() -> None:
    inbox = Inbox()
    inbox.request(definition(step("a"), step("b"), step("c", "a", "b"), output="c"))
    first, second = inbox.tasks
    inbox.answer(first, "x")
    assert len(inbox.tasks) == 2
    inbox.answer(second, "y")
    assert inbox.tasks[-1].path == "c"


def test_a_task_carries_only_the_outputs_its_template_may_name() -> None:
    inbox = Inbox()
    last = step("c", "a", "b", input="{{ outputs.a }}")
    inbox.request(definition(step("a"), step("b"), last, output="c"))
    inbox.run_to_end()
    assert set(inbox.tasks[-1].outputs) == {"a"}


def test_a_task_says_its_attempt_also_to_who_cannot_read_it() -> None:
    (task,) = Inbox().request(definition(step("a"), output="a")).commands
    assert task.headers == (("attempt", b"1"),)


def test_the_loop_repeats_until_the_reviewer_approves() -> None:
    inbox = Inbox()
    inbox.request(review_loop())
    inbox.run_to_end({"review.1.reviewer": ('{"approved": false}', {"approved": False})})
    assert [task.path for task in inbox.tasks] == [
        "coder", "review.1.reviewer", "review.1.coder", "review.2.reviewer", "documenter",
    ]  # fmt: skip
    assert inbox.state is not None
    assert inbox.state.steps["review.2.coder"].status == "skipped"
    end = inbox.events[-1]
    assert (end.step, end.attempt) == ("review.1.coder", 1)
    [group] = [e for e in inbox.events if getattr(e, "iterations", None)]
    assert (group.iterations, group.exhausted) == (2, False)


def test_the_second_review_reads_the_code_of_the_first_repair() -> None:
    inbox = Inbox()
    inbox.request(review_loop())
    inbox.run_to_end({"review.1.reviewer": ('{"approved": false}', {"approved": False})})
    second = next(task for task in inbox.tasks if task.path == "review.2.reviewer")
    assert second.outputs["coder"].text == inline("text of review.1.coder")
    assert second.iteration == 2


@pytest.mark.parametrize("maximum", [1, 2])
def test_the_loop_ends_at_its_maximum_and_says_so(maximum: int) -> None:
    inbox = Inbox()
    inbox.request(review_loop(maximum))
    no = ('{"approved": false}', {"approved": False})
    inbox.run_to_end({f"review.{n}.reviewer": no for n in (1, 2, 3)})
    [group] = [e for e in inbox.events if getattr(e, "iterations", None)]
    assert (group.iterations, group.exhausted) == (maximum, True)
    assert inbox.kinds[-1] == "collaboration.completed"


def test_a_false_when_skips_a_step_and_what_needs_it_still_runs() -> None:
    inbox = Inbox()
    inbox.request(definition(step("a", when="task == 'x'"), step("b", "a"), output="b"))
    assert inbox.kinds[1] == "step.skipped"
    assert [task.path for task in inbox.tasks] == ["b"]


@pytest.mark.parametrize("expression", ["outputs.a.b", "outputs.a.n"])
def test_an_expression_that_cannot_be_evaluated_fails_the_step(expression: str) -> None:
    inbox = Inbox()
    wanted = definition(step("a"), step("b", "a", when=expression), output="b")
    inbox.request(wanted)
    inbox.run_to_end()
    assert inbox.kinds[-2:] == ["step.failed", "collaboration.failed"]
    assert inbox.events[-1].fault.code == "expression_failed"
    assert inbox.events[-1].step == "b"


def test_a_workflow_whose_steps_are_all_skipped_completes_without_a_result() -> None:
    inbox = Inbox()
    inbox.request(definition(step("a", when="false"), output="a"))
    assert inbox.kinds[-1] == "collaboration.completed"
    assert inbox.events[-1].step is None


def test_a_retryable_failure_waits_and_tries_again() -> None:
    inbox = Inbox()
    retry = Retry(max_attempts=3, backoff_s=2, factor=3, max_backoff_s=100, jitter=0)
    inbox.request(definition(step("a", retry=retry), output="a"))
    for wait_s in (2, 6):
        decision = inbox.fail(inbox.tasks[-1], "overloaded", retryable=True)
        [event] = decision.events
        assert (event.retry_at - event.at).total_seconds() == wait_s
        inbox.fire("retry")
    inbox.fail(inbox.tasks[-1], "overloaded", retryable=True)
    assert [task.attempt for task in inbox.tasks] == [1, 2, 3]
    assert inbox.kinds[-3:] == ["attempt.failed", "step.failed", "collaboration.failed"]


def test_backoff_is_capped_and_a_provider_may_ask_for_more() -> None:
    inbox = Inbox()
    retry = Retry(max_attempts=9, backoff_s=10, factor=10, max_backoff_s=20, jitter=0)
    inbox.request(definition(step("a", retry=retry), output="a"))
    waits = []
    for asked in (None, None, 50.0):
        [event] = inbox.fail(inbox.tasks[-1], "limit", retryable=True, retry_after_s=asked).events
        waits.append((event.retry_at - event.at).total_seconds())
        inbox.fire("retry")
    assert waits == [10, 20, 50]


def test_a_failure_that_is_not_retryable_ends_it() -> None:
    inbox = Inbox()
    inbox.request(definition(step("a"), output="a"))
    inbox.fail(inbox.tasks[0], "authentication")
    assert inbox.kinds[-1] == "collaboration.failed"


def test_an_invalid_output_is_corrected_at_once_within_its_bound() -> None:
    inbox = Inbox()
    output = Output(kind="json", json_schema=VERDICT, corrections=1)
    inbox.request(definition(step("a", output=output, retry=Retry(max_attempts=1)), output="a"))
    inbox.fail(inbox.tasks[0], "output_invalid", retryable=True, output=inline("no"))
    second = inbox.tasks[1]
    assert (second.attempt, second.correction and second.correction.output) == (2, inline("no"))
    inbox.fail(second, "output_invalid", retryable=True, output=inline("no"))
    assert inbox.kinds[-1] == "collaboration.failed"
    assert len(inbox.tasks) == 2


@pytest.mark.parametrize("outcome", ["unknown", "void"])
def test_r20_a_silent_call_closes_its_attempt_and_a_new_one_follows(outcome: str) -> None:
    inbox = Inbox()
    inbox.request(definition(step("a"), output="a"))
    inbox.call(inbox.tasks[0], outcome=outcome, usage=None, cost_usd=None)
    assert [task.attempt for task in inbox.tasks] == [1, 2]
    [event] = [
        e for e, kind in zip(inbox.events, inbox.kinds, strict=True) if kind == "attempt.unknown"
    ]
    assert event.void is (outcome == "void")
    inbox.run_to_end()
    assert inbox.events[-1].totals.unknown_calls == (1 if outcome == "unknown" else 0)


def test_lost_attempts_are_bounded_by_max_lost() -> None:
    inbox = Inbox()
    inbox.request(definition(step("a", retry=Retry(max_lost=1)), output="a"))
    for _ in range(2):
        inbox.call(inbox.tasks[-1], outcome="unknown")
    assert inbox.events[-1].fault.code == "attempts_lost"


def test_r22_a_new_attempt_carries_the_finished_calls_of_the_lost_one() -> None:
    inbox = Inbox()
    inbox.request(definition(step("a"), output="a"))
    inbox.call(inbox.tasks[0], output=inline("paid"))
    inbox.call(inbox.tasks[0], outcome="void", index=1)
    [carried] = inbox.tasks[1].finished
    assert (carried.output, carried.request_digest) == (inline("paid"), "q1")


def test_r20_a_late_unknown_closes_the_attempt_but_not_the_money_of_a_known_call() -> None:
    inbox = Inbox()
    inbox.request(definition(step("a"), output="a"))
    inbox.call(inbox.tasks[0], output=inline("paid"))
    inbox.call(inbox.tasks[0], outcome="unknown", cost_usd=None)
    assert len(inbox.tasks) == 2
    assert inbox.state is not None
    [call] = inbox.state.calls.values()
    assert (call.outcome, call.cost_usd) == ("completed", Decimal("0.01"))


def test_r20_a_result_after_an_unknown_sets_the_money_and_changes_nothing_else() -> None:
    inbox = Inbox()
    inbox.request(definition(step("a"), output="a"))
    inbox.call(inbox.tasks[0], outcome="unknown", usage=None, cost_usd=None)
    before = len(inbox.events)
    inbox.call(inbox.tasks[0], outcome="completed", cost_usd=Decimal(3))
    assert len(inbox.events) == before
    assert inbox.state is not None
    [call] = inbox.state.calls.values()
    assert (call.outcome, call.cost_usd) == ("unknown", Decimal(3))


def test_r11_reports_of_closed_attempts_change_nothing() -> None:
    inbox = Inbox()
    inbox.request(definition(step("a"), step("b", "a"), output="b"))
    first = inbox.tasks[0]
    inbox.answer(first, "x")
    decision = inbox.answer(first, "y")
    assert decision.events == ()
    assert decision.commands == ()


def test_r11_unknown_and_early_timers_change_nothing() -> None:
    inbox = Inbox()
    inbox.request(definition(step("a", timeout_s=10), output="a"))
    assert inbox.feed(TimerFired(timer_id="nobody", name="deadline")).events == ()
    early = inbox.fire("attempt_timeout", early_ms=1)
    assert early.events == ()
    assert early.state is not None
    assert any(timer.name == "attempt_timeout" for timer in early.state.timers)


def test_the_workflow_timeout_expires_the_collaboration() -> None:
    inbox = Inbox()
    inbox.request(definition(step("a", timeout_s=500), output="a", timeout_s=60))
    inbox.fire("deadline")
    inbox.fail(inbox.tasks[0], "stopped")
    assert inbox.kinds[-1] == "collaboration.expired"
    assert inbox.events[-1].timeout_s == 60


def test_r14_cancel_stops_open_attempts_and_waits_for_their_outcome() -> None:
    inbox = Inbox()
    inbox.request(definition(step("a"), step("b"), output="a"))
    decision = inbox.feed(cancel())
    [stop] = decision.commands
    assert {ref.path for ref in stop.data.attempts} == {"a", "b"}
    assert decision.state is not None
    assert decision.state.status == "cancelling"
    assert "collaboration.cancelled" not in inbox.kinds
    inbox.fail(inbox.tasks[0], "stopped")
    inbox.fail(inbox.tasks[1], "stopped")
    assert inbox.kinds[-1] == "collaboration.cancelled"
    assert inbox.events[-1].reason == personal("enough")


def test_r14_what_stays_silent_is_unknown_after_the_grace() -> None:
    inbox = Inbox()
    inbox.request(definition(step("a"), output="a"))
    inbox.feed(cancel())
    inbox.fire("ending")
    assert inbox.kinds[-2:] == ["attempt.unknown", "collaboration.cancelled"]
    assert inbox.events[-1].totals.unknown_calls == 1


@pytest.mark.parametrize(("logic", "outcome"), [(1, "refused"), (2, "duplicate")])
def test_r11_a_cancel_that_is_repeated_after_the_end(logic: int, outcome: str) -> None:
    inbox = Inbox()
    inbox.request(definition(step("a"), output="a"), logic=logic)
    inbox.feed(cancel("k1"))
    inbox.fire("ending")
    assert [reply.data.outcome for reply in inbox.feed(cancel("k1")).replies] == [outcome]


def test_r14_nothing_but_money_and_answers_after_the_terminal_event() -> None:
    inbox = Inbox()
    inbox.request(definition(step("a"), output="a"))
    task = inbox.tasks[0]
    inbox.feed(cancel())
    inbox.fire("ending")
    terminal = len(inbox.events)
    inbox.answer(task, "late")
    inbox.fail(task, "late")
    inbox.feed(cancel("k2"))
    inbox.feed(Parked(offset=1, reason="late"))
    assert len(inbox.events) == terminal
    assert inbox.state is not None
    [call] = inbox.state.calls.values()
    assert call.cost_usd == Decimal("0.01")


def test_r14_the_stub_holds_no_text() -> None:
    inbox = Inbox()
    inbox.request(review_loop(), task=inline("canary task"))
    inbox.run_to_end({"coder": ("canary code", None)})
    assert inbox.state is not None
    stub = codec.encode(CollaborationSnapshot(applied=1, state=inbox.state))
    assert b"canary" not in stub
    assert b"You are." not in stub
    assert b"text of" not in stub


def test_a_failed_step_stops_the_others_before_the_end() -> None:
    inbox = Inbox()
    inbox.request(definition(step("a"), step("b"), output="a"))
    decision = inbox.fail(inbox.tasks[0], "authentication")
    assert [c.topic for c in decision.commands] == ["worker-control"]
    assert "collaboration.failed" not in inbox.kinds
    inbox.answer(inbox.tasks[1], "late but told")
    assert inbox.kinds[-2:] == ["attempt.completed", "collaboration.failed"]


def test_r15_replies_by_correlation() -> None:
    inbox = Inbox()
    wanted = definition(step("a"), output="a")
    first = inbox.request(wanted).replies[0].data
    assert (first.outcome, first.stream_start, first.correlation) == ("accepted", 7, "r1")
    assert inbox.request(wanted).replies[0].data.outcome == "duplicate"
    assert inbox.request(wanted, body_digest="other").replies[0].data.outcome == "conflict"
    inbox.feed(cancel())
    assert inbox.feed(cancel()).replies[0].data.outcome == "duplicate"
    assert inbox.feed(cancel("k2")).replies[0].data.outcome == "refused"
    assert len([kind for kind in inbox.kinds if kind == "collaboration.accepted"]) == 1


def test_r15_an_unknown_id_is_answered_and_keeps_nothing() -> None:
    for question in (cancel(), describe()):
        inbox = Inbox()
        decision = inbox.feed(question)
        assert decision.state is None
        assert decision.events == ()
        assert decision.replies[0].data.outcome == "unknown"


def test_a_request_without_reply_to_is_not_answered() -> None:
    inbox = Inbox()
    assert inbox.request(definition(step("a"), output="a"), reply_to=None).replies == ()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"task": inline("")}, "task_empty"),
        ({"definition": None}, "definition_missing"),
        ({"definition": definition(output="a")}, "workflow_empty"),
        (
            {"definition": definition(step("a", input="x" * 300_000), output="a")},
            "definition_too_large",
        ),
    ],
)
def test_a_request_that_cannot_run_is_refused(change: dict[str, object], code: str) -> None:
    inbox = Inbox()
    fields = {"wanted": definition(step("a"), output="a")}
    wanted = change.pop("definition", fields["wanted"])
    decision = inbox.feed(requested(wanted, **change))  # type: ignore[arg-type]
    assert inbox.kinds == ["collaboration.refused"]
    assert [fault.code for fault in inbox.events[0].faults] == [code]
    assert decision.replies[0].data.outcome == "refused"
    assert decision.commands == ()
    assert decision.state is not None
    assert decision.state.status == "refused"


def test_describe_shows_steps_calls_and_money_and_emits_nothing() -> None:
    inbox = Inbox()
    inbox.request(definition(step("a"), step("b", "a"), output="b"))
    inbox.answer(inbox.tasks[0], "x")
    decision = inbox.feed(describe())
    assert decision.events == ()
    view = decision.replies[0].data.view
    assert [(s.path, s.status) for s in view.steps] == [("a", "completed"), ("b", "running")]
    assert view.steps[0].output == inline("x")
    assert view.totals.cost_usd == Decimal("0.01")
    assert view.calls[0].agent == "a"


def test_r9_a_newer_logic_stops_the_service() -> None:
    inbox = Inbox()
    with pytest.raises(UnknownLogicError, match=f"logic {KNOWN_LOGIC + 1}"):
        inbox.request(definition(step("a"), output="a"), logic=KNOWN_LOGIC + 1)


def test_r13_parked_fails_the_collaboration_as_internal() -> None:
    inbox = Inbox()
    inbox.request(definition(step("a"), output="a"))
    inbox.feed(Parked(offset=3, reason="KeyError"))
    inbox.fail(inbox.tasks[0], "stopped")
    assert inbox.events[-1].fault.code == "internal"


def test_r13_a_first_record_that_raised_still_ends_in_failed() -> None:
    inbox = Inbox()
    inbox.feed(Parked(offset=0, reason="KeyError"))
    assert inbox.kinds == ["collaboration.failed"]
    assert inbox.events[0].seq == 1


@pytest.mark.parametrize("reason", ["state_too_large", "output_too_large"])
def test_r8_what_would_not_fit_fails_inside_decide(reason: str) -> None:
    inbox = Inbox()
    inbox.request(definition(step("a"), output="a"))
    inbox.feed(Parked(offset=1, reason=reason))
    inbox.fail(inbox.tasks[0], "stopped")
    assert inbox.events[-1].fault.code == reason


def test_a_long_output_stays_in_its_event_and_leaves_the_state() -> None:
    artifact = Artifact(uri="local/c1/ab", sha256="ab", size=9000)
    long = Text(size=9000, text=Personal(k=None, v="y" * 9000), artifact=artifact)
    inbox = Inbox()
    inbox.request(definition(step("a"), step("b", "a", input="{{ outputs.a }}"), output="b"))
    task = inbox.tasks[0]
    inbox.call(task, output=long)
    inbox.feed(AttemptReported(path="a", attempt=1, outcome="completed", output=long))
    [event] = [e for e in inbox.events if getattr(e, "output", None)]
    assert event.output == long
    assert inbox.tasks[-1].outputs["a"].text == Text(size=9000, artifact=artifact)


def test_batch_priority_goes_to_its_own_topic() -> None:
    inbox = Inbox()
    inbox.request(definition(step("a"), output="a"), priority="batch")
    assert inbox.commands[0].topic == "agent-tasks-batch"


def test_r17_attempts_count_up_per_path_and_ids_differ() -> None:
    inbox = Inbox()
    inbox.request(definition(step("a"), output="a"))
    seen = set()
    for _ in range(3):
        task = inbox.tasks[-1]
        seen.add(call_reported(task).call_id)
        inbox.call(task, outcome="unknown")
    assert [task.attempt for task in inbox.tasks] == [1, 2, 3, 4]
    assert len(seen) == 3


def test_decide_does_not_touch_the_state_it_is_given() -> None:
    inbox = Inbox()
    inbox.request(review_loop())
    before = inbox.state
    assert before is not None
    snapshot = (dict(before.steps), dict(before.calls), before.timers)
    inbox.answer(inbox.tasks[0], "x")
    assert (dict(before.steps), dict(before.calls), before.timers) == snapshot
    assert decide(before, inbox.records[1]) == inbox.decisions[1]


def test_r16_whoever_asks_names_where_the_answer_goes() -> None:
    """A caller that is no gateway uses the same records."""
    inbox = Inbox()
    to = ReplyTo(topic="estimate-replies", correlation="z")
    asked = [requested(definition(step("a"), output="a")), describe(), cancel()]
    for data in asked:
        [reply] = inbox.feed(replace(data, reply_to=to)).replies
        assert (reply.to, reply.data.correlation) == (to, "z")


def test_the_result_is_the_answer_that_was_completed_last() -> None:
    inbox = Inbox()
    group = Step(id="draft", steps=(step("writer"),), repeat=Repeat(until="iteration == 2", max=2))
    inbox.request(definition(step("writer", "draft"), group, output="writer"))
    inbox.run_to_end()
    assert inbox.events[-1].step == "writer"


def test_a_question_leaves_the_state_it_was_asked_of() -> None:
    inbox = Inbox()
    wanted = definition(step("a"), output="a")
    inbox.request(wanted)
    before = inbox.state
    assert before is not None
    asked = inbox.feed(describe(), after_ms=60_000)
    assert asked.state is before
    assert asked.replies[0].data.view.updated_at == instant(before.now_ms)
    assert inbox.request(wanted).state is before
