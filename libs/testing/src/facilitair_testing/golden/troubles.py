"""Shapes of attempts that fail, are lost, come late or take too long."""
# ruff: noqa: D103 - what a shape is called says what it is

from decimal import Decimal
from typing import Final

from facilitair_events.definitions import Repeat, Retry, Step
from facilitair_events.requests import AttemptReported, Parked, TimerFired
from facilitair_events.text import inline, personal
from facilitair_testing.golden.story import QUICK, Shape, Story
from facilitair_testing.inbox import call_reported, cancel, definition, describe, step


def retried_with_backoff(story: Story) -> None:
    retry = Retry(max_attempts=5, backoff_s=2, factor=3, max_backoff_s=15)
    story.request(definition(step("a", retry=retry), output="a"))
    for _ in range(3):
        story.overloaded()
        story.fire("retry")
    story.overloaded(retry_after_s=40.0)
    story.fire("retry")
    story.run_to_end()


def retries_used_up(story: Story) -> None:
    story.request(definition(step("a", retry=QUICK), step("b"), output="a"))
    story.fail(story.tasks[0], "provider_overloaded", retryable=True)
    story.fire("retry")
    story.overloaded()
    story.fail(story.tasks[1], "stopped")


def failed_for_good(story: Story) -> None:
    story.request(definition(step("a"), step("b", "a"), output="b"))
    quote = personal("key sk-… is not known")
    story.fail(story.tasks[0], "authentication", quote=quote, field="model")


def failed_while_others_run(story: Story) -> None:
    story.request(definition(step("a"), step("b"), step("c"), output="a"))
    first, second, third = story.tasks
    story.fail(first, "authentication")
    story.answer(second, "late but told")
    story.call(third, outcome="unknown", usage=None, cost_usd=None)


def attempt_without_a_reason(story: Story) -> None:
    story.request(definition(step("a"), output="a"))
    story.feed(AttemptReported(path="a", attempt=1, outcome="failed"))


def attempt_timed_out_and_stopped(story: Story) -> None:
    story.request(definition(step("a", timeout_s=10, retry=QUICK), output="a"))
    story.fire("attempt_timeout")
    story.call(story.tasks[0], outcome="failed", output=None)
    story.fail(story.tasks[0], "stopped")
    story.fire("retry")
    story.run_to_end()


def attempt_timed_out_unanswered(story: Story) -> None:
    story.request(definition(step("a", timeout_s=10, retry=QUICK), output="a"))
    story.fire("attempt_timeout")
    story.fire("attempt_stop")
    story.answer(story.tasks[0], "too late")
    story.fire("retry")
    story.fire("attempt_timeout")
    story.fire("attempt_stop")


def attempt_answered_after_its_timeout(story: Story) -> None:
    story.request(definition(step("a", timeout_s=10), step("b", "a"), output="b"))
    story.fire("attempt_timeout")
    story.answer(story.tasks[0], "in the grace")
    story.run_to_end()


def unknown_call_and_next_attempt(story: Story) -> None:
    story.request(definition(step("a"), step("b", "a"), output="b"))
    story.call(story.tasks[0], output=inline("paid"))
    story.call(story.tasks[0], outcome="unknown", index=1, usage=None, cost_usd=None)
    story.run_to_end()


def void_call_and_next_attempt(story: Story) -> None:
    story.request(definition(step("a"), output="a"))
    story.silent("void")
    story.run_to_end()


def lost_too_often(story: Story) -> None:
    story.request(definition(step("a", retry=QUICK), output="a"))
    story.silent("unknown")
    story.silent("void")


def result_after_unknown(story: Story) -> None:
    story.request(definition(step("a"), output="a"))
    story.silent("unknown")
    story.call(story.tasks[0], cost_usd=Decimal("3.5"), model="other")
    story.silent("unknown", attempt=1, call_id=story.records[1].id)
    story.call(story.tasks[0], outcome="unknown", cost_usd=None, usage=None)
    story.run_to_end()
    story.call(story.tasks[0], cost_usd=Decimal(4))


def until_cannot_be_evaluated(story: Story) -> None:
    again = Repeat(until="outputs.a.nothing > 1", max=3)
    story.request(definition(Step(id="g", steps=(step("a"),), repeat=again), output="a"))
    story.answer(story.tasks[0], "x")


def results_twice(story: Story) -> None:
    story.request(definition(step("a"), step("b", "a"), output="b"))
    for _ in range(2):
        story.answer(story.tasks[0], "x")
    story.fail(story.tasks[0], "late")
    for record in story.records[1:4]:
        story.feed(record.data)
    story.run_to_end()


def results_after_the_end(story: Story) -> None:
    story.request(definition(step("a"), step("b"), output="a"))
    story.feed(cancel())
    story.fire("ending")
    for task in story.tasks:
        story.answer(task, "late")
    story.feed(TimerFired(timer_id="gone", name="deadline"))
    story.feed(Parked(offset=3, reason="late"))
    story.feed(describe())


def timers_that_mean_nothing(story: Story) -> None:
    story.request(definition(step("a", timeout_s=10), output="a"))
    story.feed(TimerFired(timer_id="nobody", name="deadline"))
    story.fire("attempt_timeout", early_ms=5000)
    assert story.state is not None
    timer = story.state.timers[0]
    story.run_to_end()
    story.feed(TimerFired(timer_id=timer.timer_id, name=timer.name), after_ms=9_999_999)


def records_from_an_earlier_time(story: Story) -> None:
    story.request(definition(step("a", retry=QUICK), step("b", "a"), output="b"))
    story.now_ms -= 60_000
    story.overloaded()
    story.now_ms += 60_000
    story.fire("retry")
    story.now_ms -= 10_000
    story.run_to_end()


def calls_of_nobody(story: Story) -> None:
    story.request(definition(step("a"), output="a"))
    task = story.tasks[0]
    story.feed(call_reported(task, path="nowhere", call_id="stray", outcome="unknown"))
    story.feed(AttemptReported(path="nowhere", attempt=1, outcome="completed", output=inline("x")))
    story.feed(AttemptReported(path="a", attempt=7, outcome="completed", output=inline("x")))
    story.call(task, attempt=7, call_id="future", outcome="void")
    story.run_to_end()


SHAPES: Final[tuple[Shape, ...]] = (
    retried_with_backoff,
    retries_used_up,
    failed_for_good,
    failed_while_others_run,
    attempt_without_a_reason,
    attempt_timed_out_and_stopped,
    attempt_timed_out_unanswered,
    attempt_answered_after_its_timeout,
    unknown_call_and_next_attempt,
    void_call_and_next_attempt,
    lost_too_often,
    result_after_unknown,
    until_cannot_be_evaluated,
    results_twice,
    results_after_the_end,
    timers_that_mean_nothing,
    records_from_an_earlier_time,
    calls_of_nobody,
)
