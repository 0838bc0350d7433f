"""Shapes of what logic 2 brought: waits with jitter, and a deadline over all attempts."""
# ruff: noqa: D103 - what a shape is called says what it is

from typing import Final

from facilitair_events.definitions import Endings, Retry
from facilitair_events.text import inline
from facilitair_testing.golden.story import Shape, Story
from facilitair_testing.inbox import chained, step


def jitter_of_each_attempt(story: Story) -> None:
    retry = Retry(max_attempts=6, backoff_s=2, factor=3, max_backoff_s=15, jitter=1)
    story.request(chained(step("a", retry=retry), models=1))
    for rest_s in (None, None, 40.0, None):
        story.overloaded(retry_after_s=rest_s)
        story.fire("retry")
    story.run_to_end()


def jitter_of_nothing(story: Story) -> None:
    story.request(chained(step("a", retry=Retry(jitter=0, backoff_s=4)), models=1))
    story.overloaded()
    story.fire("retry")
    story.run_to_end()


def deadline_before_the_next_attempt(story: Story) -> None:
    retry = Retry(max_attempts=9, backoff_s=8, jitter=0, deadline_s=20)
    story.request(chained(step("a", retry=retry), models=1))
    story.overloaded()
    story.fire("retry")
    story.overloaded()


def deadline_that_leaves_a_moment(story: Story) -> None:
    retry = Retry(max_attempts=9, backoff_s=0.2, jitter=0, deadline_s=20)
    story.request(chained(step("a", retry=retry), models=1))
    story.now_ms += 18_300
    story.overloaded()
    story.fire("retry")
    story.overloaded()


def deadline_in_an_attempt(story: Story) -> None:
    retry = Retry(backoff_s=8, jitter=0, deadline_s=20)
    story.request(chained(step("a", retry=retry, timeout_s=15), models=1))
    story.overloaded()
    story.fire("retry")
    story.fire("attempt_timeout")
    story.fail(story.tasks[-1], "stopped", output=inline("half"))


def deadline_that_nobody_answers(story: Story) -> None:
    story.request(chained(step("a", retry=Retry(deadline_s=20)), models=2))
    story.fire("attempt_timeout")
    story.fire("attempt_stop")


def deadline_and_what_there_is(story: Story) -> None:
    retry, endings = Retry(deadline_s=20), Endings(cut="partial")
    story.request(chained(step("a", retry=retry, endings=endings), models=2))
    story.fire("attempt_timeout")
    story.fail(story.tasks[-1], "stopped", output=inline("half"))


def deadline_of_fallbacks_and_lost_attempts(story: Story) -> None:
    wanted = chained(step("a", retry=Retry(deadline_s=20)), step("b", retry=Retry(deadline_s=20)))
    story.request(wanted)
    story.now_ms += 19_500
    story.fail(story.tasks[0], "overloaded", retryable=True)
    story.call(story.tasks[1], outcome="unknown", usage=None, cost_usd=None)


def deadline_of_a_lost_attempt(story: Story) -> None:
    story.request(chained(step("a", retry=Retry(deadline_s=20))))
    story.now_ms += 19_500
    story.silent("unknown")


SHAPES: Final[tuple[Shape, ...]] = (
    jitter_of_each_attempt,
    jitter_of_nothing,
    deadline_before_the_next_attempt,
    deadline_that_leaves_a_moment,
    deadline_in_an_attempt,
    deadline_that_nobody_answers,
    deadline_and_what_there_is,
    deadline_of_fallbacks_and_lost_attempts,
    deadline_of_a_lost_attempt,
)
