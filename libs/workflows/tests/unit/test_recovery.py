"""What follows from a provider's trouble since logic 2: every knob, and that it is not ignored."""

from datetime import timedelta

import pytest

from facilitair_events.definitions import Endings, Output, Retry, Step
from facilitair_events.requests import Usage
from facilitair_events.text import inline
from facilitair_testing.inbox import VERDICT, Inbox, chained, step

JSON = Output(kind="json", json_schema=VERDICT, corrections=1)


def started(*steps: Step, models: int = 3, limit: int | None = None, output: str = "a") -> Inbox:
    inbox = Inbox()
    inbox.request(chained(*steps, models=models, limit=limit, output=output))
    return inbox


def trouble(inbox: Inbox, code: str, *, text: str = "", **more: object) -> None:
    """The latest task fails, after these words."""
    inbox.fail(inbox.tasks[-1], code, output=inline(text), **more)


def scheduled(inbox: Inbox) -> list[tuple[int, str, str]]:
    """Attempts, why, and on which model."""
    return [
        (event.attempt, event.reason, event.model)
        for event in inbox.events
        if type(event).__name__ == "StepScheduled"
    ]


def waits_s(inbox: Inbox) -> list[float]:
    failed = [e for e in inbox.events if getattr(e, "retry_at", None) is not None]
    return [(event.retry_at - event.at) / timedelta(seconds=1) for event in failed]


@pytest.mark.parametrize(
    ("code", "retryable"),
    [
        ("rate_limited", True), ("overloaded", True), ("unavailable", True), ("timeout", True),
        ("truncated", True), ("malformed", True), ("quota", False), ("authentication", False),
        ("refused_by_provider", False), ("provider_unknown", False), ("context_length", False),
        ("invalid_request", False),
    ],
)  # fmt: skip
def test_before_the_first_word_the_next_model_is_asked_at_once(code: str, retryable: bool) -> None:
    inbox = started(step("a"))
    trouble(inbox, code, retryable=retryable)
    assert scheduled(inbox) == [(1, "first", "m"), (2, "fallback", "n")]
    failed, fallback = inbox.events[-2:]
    assert (failed.model, failed.provider, failed.retry_at) == ("m", "p", None)
    assert (fallback.model, fallback.provider) == ("n", "q")
    assert [task.model_index for task in inbox.tasks] == [0, 1]


@pytest.mark.parametrize("code", ["input_invalid", "text_missing", "output_too_large", "other"])
def test_a_fault_of_the_step_itself_is_taken_to_no_other_model(code: str) -> None:
    inbox = started(step("a"))
    trouble(inbox, code)
    assert inbox.kinds[-1] == "collaboration.failed"
    assert len(inbox.tasks) == 1


def test_a_report_without_a_text_is_before_the_first_word_too() -> None:
    inbox = started(step("a"))
    inbox.fail(inbox.tasks[-1], "rate_limited", retryable=True)
    assert scheduled(inbox)[-1] == (2, "fallback", "n")


def test_after_the_first_word_there_is_no_fallback() -> None:
    inbox = started(step("a"))
    trouble(inbox, "overloaded", retryable=True, text="w")
    assert len(inbox.tasks) == 1
    inbox.fire("retry")
    assert scheduled(inbox)[-1] == (2, "retry", "m")


def test_nor_when_nobody_says_how_far_it_came() -> None:
    inbox = started(step("a", timeout_s=10))
    inbox.fire("attempt_timeout")
    inbox.fire("attempt_stop")
    inbox.fire("retry")
    assert scheduled(inbox)[-1] == (2, "retry", "m")


def test_a_round_of_all_models_counts_as_one_failure() -> None:
    inbox = started(step("a", retry=Retry(max_attempts=2)), models=2)
    for _ in range(2):
        trouble(inbox, "overloaded", retryable=True)
    inbox.fire("retry")
    for _ in range(2):
        trouble(inbox, "overloaded", retryable=True)
    assert [(reason, model) for _, reason, model in scheduled(inbox)] == [
        ("first", "m"), ("fallback", "n"), ("retry", "m"), ("fallback", "n"),
    ]  # fmt: skip
    assert inbox.kinds[-2:] == ["step.failed", "collaboration.failed"]
    assert inbox.events[-1].fault.code == "overloaded"


def test_no_further_round_begins_when_no_model_may_help() -> None:
    inbox = started(step("a"), models=2)
    trouble(inbox, "authentication")
    trouble(inbox, "quota")
    assert inbox.kinds[-1] == "collaboration.failed"
    assert inbox.state is not None
    assert inbox.state.timers == ()


def test_a_model_without_a_key_does_not_end_what_another_may_still_answer() -> None:
    inbox = started(step("a"), models=2)
    trouble(inbox, "overloaded", retryable=True)
    trouble(inbox, "authentication")
    inbox.fire("retry")
    trouble(inbox, "overloaded", retryable=True)
    inbox.fire("retry")
    assert [model for _, _, model in scheduled(inbox)] == ["m", "n", "m", "m"]


def test_a_round_begins_at_the_first_model_that_may_be_asked_by_then() -> None:
    inbox = started(step("a", retry=Retry(backoff_s=1, jitter=0)))
    for rest_s in (90.0, 20.0, 60.0):
        trouble(inbox, "rate_limited", retryable=True, retry_after_s=rest_s)
    assert waits_s(inbox) == [pytest.approx(20, abs=0.01)]
    inbox.fire("retry")
    assert scheduled(inbox)[-1] == (4, "retry", "n")


def test_the_wait_is_jittered_and_no_two_attempts_wait_alike() -> None:
    waits = {}
    for jitter in (0.0, 0.5, 1.0):
        retry = Retry(max_attempts=9, backoff_s=10, factor=1, jitter=jitter)
        inbox = started(step("a", retry=retry), step("b", retry=retry), models=1)
        for _ in range(3):
            for task in inbox.open_tasks:
                inbox.fail(task, "overloaded", retryable=True)
            inbox.fire("retry")
            inbox.fire("retry")
        waits[jitter] = waits_s(inbox)
    assert waits[0.0] == [10.0] * 6
    assert all(5 <= wait < 10 for wait in waits[0.5])
    assert len(set(waits[0.5])) == 6
    assert min(waits[1.0]) < 5


def test_what_a_provider_asks_for_is_a_floor_for_the_jittered_wait() -> None:
    inbox = started(step("a", retry=Retry(backoff_s=30, jitter=1)), models=1)
    trouble(inbox, "rate_limited", retryable=True, retry_after_s=29.9)
    assert 29.9 <= waits_s(inbox)[0] <= 30


def test_no_attempt_begins_after_the_deadline_of_all() -> None:
    retry = Retry(max_attempts=9, backoff_s=8, jitter=0, deadline_s=20)
    inbox = started(step("a", retry=retry, timeout_s=15), models=1)
    assert inbox.tasks[0].timeout_s == 15
    trouble(inbox, "overloaded", retryable=True)
    inbox.fire("retry")
    assert inbox.tasks[1].timeout_s == pytest.approx(12, abs=0.01)
    trouble(inbox, "overloaded", retryable=True)
    assert inbox.kinds[-3:] == ["attempt.failed", "step.failed", "collaboration.failed"]
    assert inbox.events[-1].fault.code == "deadline"
    assert "20 s" in inbox.events[-1].fault.message
    assert "overloaded" in inbox.events[-1].fault.message


@pytest.mark.parametrize("what", ["fallback", "lost", "correction", "continue", "retry"])
def test_none_of_any_kind(what: str) -> None:
    late = step(
        "a", retry=Retry(deadline_s=20, backoff_s=1), output=JSON,
        endings=Endings(length="continue"),
    )  # fmt: skip
    inbox = started(late)
    if what == "retry":
        inbox.now_ms += 18_000
        trouble(inbox, "overloaded", retryable=True, text="w")
        inbox.now_ms += 1_500
        inbox.fire("retry")
    else:
        inbox.now_ms += 19_500
    if what == "lost":
        inbox.call(inbox.tasks[-1], outcome="unknown", usage=None, cost_usd=None)
    elif what != "retry":
        code = {"fallback": "overloaded", "correction": "output_invalid", "continue": "length"}
        text = "" if what == "fallback" else "text"
        trouble(inbox, code[what], retryable=True, text=text)
    assert len(inbox.tasks) == 1
    assert inbox.events[-1].fault.code == "deadline"


def test_an_attempt_that_the_deadline_cuts_fails_for_the_deadline() -> None:
    inbox = started(step("a", retry=Retry(deadline_s=20)))
    inbox.fire("attempt_timeout")
    trouble(inbox, "stopped")
    assert [e.fault.code for e in inbox.events[-3:]] == ["deadline"] * 3
    assert len(inbox.tasks) == 1


def test_an_answer_that_met_its_limit_is_no_success() -> None:
    inbox = started(step("a"))
    trouble(inbox, "length", text="half of it")
    assert inbox.kinds[-3:] == ["attempt.failed", "step.failed", "collaboration.failed"]


@pytest.mark.parametrize(("knob", "code"), [("length", "length"), ("cut", "truncated")])
def test_continue_hands_on_the_text_so_far_within_its_bound(knob: str, code: str) -> None:
    inbox = started(step("a", endings=Endings(**{knob: "continue", "max": 2})))
    retryable = code == "truncated"
    for text in ("one ", "one two "):
        trouble(inbox, code, text=text, retryable=retryable)
        assert inbox.tasks[-1].continued == inline(text)
        assert inbox.tasks[-1].model_index == 0
    trouble(inbox, code, text="one two three", retryable=retryable)
    assert [reason for _, reason, _ in scheduled(inbox)] == ["first", "continue", "continue"]
    assert inbox.events[-1].fault.code == code


def test_a_continuation_goes_on_through_other_trouble_from_where_it_was() -> None:
    inbox = started(step("a", endings=Endings(length="continue")), models=2)
    trouble(inbox, "length", text="one ")
    trouble(inbox, "overloaded", text="one ", retryable=True)
    inbox.call(inbox.tasks[-1], outcome="unknown", usage=None, cost_usd=None)
    trouble(inbox, "truncated", text="one tw", retryable=True)
    inbox.fire("retry")
    assert [(reason, model) for _, reason, model in scheduled(inbox)] == [
        ("first", "m"), ("continue", "m"), ("fallback", "n"), ("lost", "n"), ("retry", "m"),
    ]  # fmt: skip
    assert all(task.continued == inline("one ") for task in inbox.tasks[1:])
    inbox.answer(inbox.tasks[-1], "one two")
    assert inbox.kinds[-1] == "collaboration.completed"
    assert inbox.state is not None
    assert inbox.state.steps["a"].continued is None


def test_a_continuation_waits_as_long_as_the_provider_asks() -> None:
    inbox = started(step("a", endings=Endings(cut="continue")), models=1)
    trouble(inbox, "overloaded", text="one ", retryable=True, retry_after_s=40.0)
    assert waits_s(inbox) == [40.0]
    inbox.fire("retry")
    assert inbox.tasks[-1].continued == inline("one ")


def test_another_model_continues_for_one_that_is_of_no_use_any_more() -> None:
    inbox = started(step("a", endings=Endings(cut="continue")))
    trouble(inbox, "quota", text="one ")
    inbox.fire("retry")
    assert scheduled(inbox)[-1] == (2, "retry", "n")
    assert inbox.tasks[-1].continued == inline("one ")


def test_larger_doubles_the_limit_up_to_that_of_the_model() -> None:
    inbox = started(step("a", endings=Endings(length="larger", max=9)), limit=300)
    for _ in range(3):
        trouble(inbox, "length", text="half")
    assert [task.max_output_tokens for task in inbox.tasks] == [None, 600, 1000]
    assert [task.continued for task in inbox.tasks] == [None] * 3
    assert inbox.events[-1].fault.code == "length"


def test_larger_is_bounded_too() -> None:
    inbox = started(step("a", endings=Endings(length="larger", max=1)), limit=10)
    for _ in range(2):
        trouble(inbox, "length", text="half")
    assert [task.max_output_tokens for task in inbox.tasks] == [None, 20]


@pytest.mark.parametrize(("tokens", "larger"), [(300, 600), (700, 1000), (1000, None)])
def test_where_nobody_set_a_limit_it_is_what_was_used(tokens: int, larger: int | None) -> None:
    inbox = started(step("a", endings=Endings(length="larger")))
    used = Usage(input_tokens=9, output_tokens=tokens)
    inbox.call(inbox.tasks[0], outcome="failed", usage=used, output=None)
    trouble(inbox, "length", text="half")
    assert inbox.tasks[-1].max_output_tokens == larger
    assert len(inbox.tasks) == (1 if larger is None else 2)


def test_nothing_to_go_on_from_asks_for_a_larger_answer() -> None:
    inbox = started(step("a", endings=Endings(length="continue")), limit=300)
    trouble(inbox, "length")
    assert (inbox.tasks[-1].continued, inbox.tasks[-1].max_output_tokens) == (None, 600)


@pytest.mark.parametrize(
    ("knob", "code"),
    [
        ("length", "length"),
        ("refusal", "refusal"),
        ("content_filter", "content_filter"),
        ("cut", "truncated"),
    ],
)
def test_partial_takes_the_answer_and_marks_it_everywhere(knob: str, code: str) -> None:
    first = step("a", endings=Endings(**{knob: "partial"}))
    inbox = started(first, step("b", "a", input="{{ outputs.a }}"), output="b")
    trouble(inbox, code, text="half of it")
    attempt, completed = inbox.events[-3:-1]
    assert (attempt.output, attempt.partial, completed.partial) == (
        inline("half of it"),
        code,
        code,
    )
    assert inbox.tasks[-1].outputs["a"].text == inline("half of it")
    inbox.run_to_end()
    assert inbox.events[-1].partial_steps == ("a",)
    assert inbox.state is not None
    assert inbox.state.steps["a"].partial == code


@pytest.mark.parametrize(("output", "text"), [(JSON, '{"appro'), (Output(), "")])
def test_a_part_of_json_is_no_answer_and_neither_is_nothing(output: Output, text: str) -> None:
    inbox = started(step("a", output=output, endings=Endings(length="partial")))
    trouble(inbox, "length", text=text)
    assert inbox.kinds[-1] == "collaboration.failed"


def test_an_answer_that_is_whole_after_all_is_not_marked() -> None:
    inbox = started(step("a", endings=Endings(cut="partial")))
    inbox.run_to_end()
    assert inbox.events[-1].partial_steps == ()


@pytest.mark.parametrize("code", ["refusal", "content_filter"])
def test_a_refusal_may_be_taken_to_the_next_model_and_to_no_other_round(code: str) -> None:
    inbox = started(step("a", endings=Endings(**{code: "fallback"})), models=2)
    for _ in range(2):
        trouble(inbox, code, text="I cannot")
    assert scheduled(inbox) == [(1, "first", "m"), (2, "fallback", "n")]
    assert inbox.events[-1].fault.code == code


@pytest.mark.parametrize("code", ["refusal", "content_filter"])
def test_by_itself_it_fails_the_step(code: str) -> None:
    inbox = started(step("a"))
    trouble(inbox, code, text="I cannot")
    assert len(inbox.tasks) == 1
    assert inbox.events[-1].fault.code == code


def test_a_cut_that_is_to_fail_is_not_tried_again() -> None:
    inbox = started(step("a", endings=Endings(cut="fail")))
    trouble(inbox, "truncated", text="half", retryable=True)
    assert inbox.kinds[-1] == "collaboration.failed"
    assert len(inbox.tasks) == 1


def test_joined_json_is_corrected_from_its_beginning() -> None:
    inbox = started(step("a", output=JSON, endings=Endings(length="continue")))
    trouble(inbox, "length", text='{"approved": ')
    trouble(inbox, "output_invalid", text='{"approved": maybe}', retryable=True)
    last = inbox.tasks[-1]
    assert last.continued is None
    assert last.correction is not None
    assert last.correction.output == inline('{"approved": maybe}')


def test_r9_logic_1_knows_none_of_it() -> None:
    inbox = Inbox()
    retry = Retry(backoff_s=4, deadline_s=1)
    wanted = chained(step("a", retry=retry, endings=Endings(cut="partial")))
    inbox.request(wanted, logic=1)
    trouble(inbox, "overloaded", text="half", retryable=True)
    assert waits_s(inbox) == [4.0]
    inbox.fire("retry")
    assert inbox.tasks[-1].timeout_s == 600
    assert [(reason, model) for _, reason, model in scheduled(inbox)] == [
        ("first", "m"),
        ("retry", "m"),
    ]
    trouble(inbox, "length", text="half")
    assert inbox.kinds[-1] == "collaboration.failed"
