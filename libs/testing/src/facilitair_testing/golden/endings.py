"""Shapes of requests, refusals, cancels, deadlines and poison."""
# ruff: noqa: D103 - what a shape is called says what it is

from typing import Final

from msgspec.structs import replace

from facilitair_events.requests import AttemptReported, Parked, TimerFired
from facilitair_events.text import inline
from facilitair_testing.golden.story import Shape, Story
from facilitair_testing.inbox import cancel, definition, describe, review_loop, step


def cancelled_before_it_began(story: Story) -> None:
    story.feed(cancel("early"))
    story.request(definition(step("a"), output="a"))
    story.feed(cancel("early"))
    story.fail(story.tasks[0], "stopped")


def cancelled_while_it_runs(story: Story) -> None:
    story.request(definition(step("a"), step("b"), output="a"))
    story.feed(cancel())
    story.feed(describe())
    story.fail(story.tasks[0], "stopped")
    story.answer(story.tasks[1], "just finished")


def cancelled_and_nobody_answers(story: Story) -> None:
    story.request(definition(step("a"), step("b"), output="a"))
    story.call(story.tasks[0], output=inline("paid"))
    story.feed(cancel())
    story.fire("ending", early_ms=1)
    story.fire("ending")
    story.answer(story.tasks[1], "too late")


def cancelled_while_a_retry_waits(story: Story) -> None:
    story.request(definition(step("a"), output="a"))
    story.overloaded()
    assert story.state is not None
    timer = next(timer for timer in story.state.timers if timer.name == "retry")
    story.feed(cancel())
    story.feed(TimerFired(timer_id=timer.timer_id, name="retry"), after_ms=60_000)


def cancelled_again_and_after_the_end(story: Story) -> None:
    story.request(definition(step("a"), output="a"))
    story.feed(cancel("k1"))
    story.feed(cancel("k1"))
    story.feed(cancel("k2"))
    story.fail(story.tasks[0], "stopped")
    story.feed(cancel("k1"))
    story.feed(cancel("k3"))


def lost_while_it_ends(story: Story) -> None:
    story.request(definition(step("a"), step("b"), output="a"))
    story.feed(cancel())
    story.call(story.tasks[0], outcome="unknown", usage=None, cost_usd=None)
    story.call(story.tasks[1], outcome="void", usage=None, cost_usd=None)


def deadline_of_the_workflow(story: Story) -> None:
    story.request(definition(step("a", timeout_s=500), step("b"), output="a", timeout_s=60))
    story.fire("deadline", early_ms=1)
    story.fire("deadline")
    story.fail(story.tasks[0], "stopped")
    story.fire("ending")


def asked_again(story: Story) -> None:
    wanted = definition(step("a"), output="a")
    story.request(wanted)
    story.request(wanted)
    story.request(review_loop())
    story.request(wanted, body_digest="other")
    story.run_to_end()
    story.request(wanted, stream_start=99)
    story.request(wanted, body_digest="other")


def described_all_along(story: Story) -> None:
    story.feed(describe())
    story.request(review_loop(2))
    story.feed(describe())
    while story.open_tasks:
        task = story.open_tasks[0]
        value = {"approved": True} if task.output.kind == "json" else None
        story.answer(task, "text", value=value)
        story.feed(describe())


def nobody_wants_an_answer(story: Story) -> None:
    story.request(definition(step("a"), output="a"), reply_to=None)
    story.request(definition(step("a"), output="a"), reply_to=None)
    story.run_to_end()


def refused(story: Story) -> None:
    story.request(definition(output="a"), task=inline(""))
    story.request(definition(step("a"), output="a"))
    story.feed(describe())
    story.feed(cancel())


def refused_without_a_workflow(story: Story) -> None:
    story.request(None)


def refused_for_its_size(story: Story) -> None:
    story.request(definition(step("a", input="x" * 256 * 1024), output="a"))


def records_without_a_request(story: Story) -> None:
    story.feed(TimerFired(timer_id="nobody", name="deadline"))
    story.feed(AttemptReported(path="a", attempt=1, outcome="completed", output=inline("x")))
    story.feed(replace(cancel(), reply_to=None))
    story.request(definition(step("a"), output="a"))
    story.run_to_end()


def parked_at_the_first_record(story: Story) -> None:
    story.feed(Parked(offset=0, reason="KeyError on the record at offset 0"))
    story.request(definition(step("a"), output="a"))
    story.feed(describe())


def parked_in_the_middle(story: Story) -> None:
    story.request(definition(step("a"), step("b"), output="a"))
    story.answer(story.tasks[0], "x")
    story.feed(Parked(offset=3, reason="unreadable record at offset 3"))
    story.fail(story.tasks[1], "stopped")


def parked_while_it_ends(story: Story) -> None:
    story.request(definition(step("a"), output="a"))
    story.feed(cancel())
    story.feed(Parked(offset=2, reason="KeyError on the record at offset 2"))
    story.fire("ending")


def state_too_large(story: Story) -> None:
    story.request(definition(step("a"), step("b", "a"), output="b"))
    story.call(story.tasks[0], output=inline("x"))
    story.feed(Parked(offset=2, reason="state_too_large"))
    story.fire("ending")


def output_too_large(story: Story) -> None:
    story.request(definition(step("a"), output="a"))
    story.feed(Parked(offset=1, reason="output_too_large"))
    story.fail(story.tasks[0], "stopped")


SHAPES: Final[tuple[Shape, ...]] = (
    cancelled_before_it_began,
    cancelled_while_it_runs,
    cancelled_and_nobody_answers,
    cancelled_while_a_retry_waits,
    cancelled_again_and_after_the_end,
    lost_while_it_ends,
    deadline_of_the_workflow,
    asked_again,
    described_all_along,
    nobody_wants_an_answer,
    refused,
    refused_without_a_workflow,
    refused_for_its_size,
    records_without_a_request,
    parked_at_the_first_record,
    parked_in_the_middle,
    parked_while_it_ends,
    state_too_large,
    output_too_large,
)
