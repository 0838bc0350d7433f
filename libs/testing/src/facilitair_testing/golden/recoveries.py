"""Shapes of what logic 2 brought: fallback, and endings of an answer that are none of its own."""
# ruff: noqa: D103 - what a shape is called says what it is

from typing import Final

from facilitair_events.definitions import Endings, Output, Retry
from facilitair_events.requests import Usage
from facilitair_events.text import inline
from facilitair_testing.golden.story import HUGE, LONG, QUICK, Shape, Story
from facilitair_testing.inbox import VERDICT, cancel, chained, describe, step


def ended(story: Story, code: str, text: str = "") -> None:  # noqa: PLR0917 - as one says it
    """The last task's answer ended in a way that asking again does not change."""
    story.fail(story.tasks[-1], code, output=inline(text))


def broken(story: Story, code: str, text: str = "") -> None:  # noqa: PLR0917 - as one says it
    """The last task's stream broke after this text."""
    story.fail(story.tasks[-1], code, retryable=True, output=inline(text))


def fallback_before_the_first_word(story: Story) -> None:
    story.request(chained(step("a"), step("b", "a"), output="b"))
    story.fail(story.tasks[-1], "rate_limited", retryable=True, retry_after_s=30.0)
    story.fail(story.tasks[-1], "timeout", retryable=True, output=inline(""))
    story.run_to_end()


def fallback_through_the_chain_and_again(story: Story) -> None:
    story.request(chained(step("a", retry=Retry(max_attempts=3, backoff_s=2, factor=3))))
    for _ in range(2):
        broken(story, "overloaded")
        story.fail(story.tasks[-1], "unavailable", retryable=True, retry_after_s=20.0)
        broken(story, "malformed")
        story.fire("retry", early_ms=1)
        story.fire("retry")
    story.run_to_end()


def fallback_until_nobody_is_left(story: Story) -> None:
    story.request(chained(step("a"), step("b")))
    for code in ("authentication", "quota", "provider_unknown"):
        task = [task for task in story.tasks if task.path == "a"][-1]
        story.fail(task, code)
    story.fail(story.tasks[1], "stopped")


def fallback_passes_over_who_has_no_key(story: Story) -> None:
    story.request(chained(step("a", retry=QUICK), models=2))
    ended(story, "authentication")
    broken(story, "overloaded")
    story.fire("retry")
    broken(story, "overloaded")


def fallback_waits_for_who_rests_least(story: Story) -> None:
    story.request(chained(step("a", retry=Retry(backoff_s=1, max_attempts=5))))
    for rest_s in (90.0, 20.0, 60.0):
        story.fail(story.tasks[-1], "rate_limited", retryable=True, retry_after_s=rest_s)
    story.fire("retry")
    broken(story, "unavailable")
    story.fire("retry")
    story.run_to_end()


def fallback_is_cancelled(story: Story) -> None:
    story.request(chained(step("a")))
    broken(story, "overloaded")
    story.feed(cancel())
    story.fail(story.tasks[0], "overloaded", retryable=True)
    story.fail(story.tasks[1], "stopped")
    story.answer(story.tasks[0], "late")


def fallback_after_a_timeout(story: Story) -> None:
    story.request(chained(step("a", timeout_s=10)))
    story.fire("attempt_timeout")
    story.fail(story.tasks[-1], "stopped")
    story.fire("attempt_timeout")
    story.fire("attempt_stop")
    story.fire("retry")
    story.silent("unknown")
    story.silent("void")
    story.run_to_end()


def cut_and_retried(story: Story) -> None:
    story.request(chained(step("a", retry=QUICK), models=2))
    broken(story, "truncated", "half of it")
    story.fire("retry")
    broken(story, "unavailable", "another half")


def cut_by_a_quota_and_retried_elsewhere(story: Story) -> None:
    story.request(chained(step("a"), models=2))
    ended(story, "quota", "half of it")
    story.fire("retry")
    story.run_to_end()


def cut_and_continued(story: Story) -> None:
    story.request(chained(step("a", endings=Endings(cut="continue", max=2)), models=2))
    broken(story, "truncated", "one ")
    broken(story, "truncated", "one ")
    broken(story, "timeout", "one two ")
    story.silent("unknown")
    story.feed(describe())
    story.answer(story.tasks[-1], "one two three")


def cut_and_continued_too_often(story: Story) -> None:
    story.request(chained(step("a", endings=Endings(cut="continue", max=1))))
    broken(story, "truncated", "one ")
    broken(story, "truncated", "one two ")


def cut_and_accepted(story: Story) -> None:
    story.request(chained(step("a", endings=Endings(cut="partial")), step("b", "a"), output="b"))
    broken(story, "truncated", "half of it")
    story.feed(describe())
    story.run_to_end()
    story.feed(describe())


def cut_and_failed(story: Story) -> None:
    story.request(chained(step("a", endings=Endings(cut="fail"))))
    broken(story, "truncated", "half of it")


def length_fails(story: Story) -> None:
    story.request(chained(step("a"), limit=100))
    story.call(story.tasks[-1], outcome="failed", finish_reason="length", output=None)
    ended(story, "length", "half of it")


def length_continued(story: Story) -> None:
    story.request(chained(step("a", endings=Endings(length="continue"))))
    ended(story, "length", "one ")
    broken(story, "overloaded", "one ")
    ended(story, "length", "one two ")
    story.answer(story.tasks[-1], "one two three")


def length_continued_with_long_texts(story: Story) -> None:
    story.request(
        chained(step("a", endings=Endings(length="continue")), step("b", "a"), output="b")
    )
    for text in (LONG, HUGE):
        story.fail(story.tasks[-1], "length", output=text)
    story.answer(story.tasks[-1], "x")
    story.run_to_end()


def length_met_before_a_word(story: Story) -> None:
    story.request(chained(step("a", endings=Endings(length="continue", max=2)), limit=200))
    ended(story, "length")
    ended(story, "length", "one ")
    ended(story, "length", "one two")


def length_larger(story: Story) -> None:
    story.request(chained(step("a", endings=Endings(length="larger", max=9)), limit=300))
    for _ in range(3):
        ended(story, "length", "half of it")


def length_larger_by_what_was_used(story: Story) -> None:
    story.request(chained(step("a", endings=Endings(length="larger"))))
    broken(story, "overloaded")
    for tokens in (512, 1024, 2048, 4096):
        usage = Usage(input_tokens=9, output_tokens=tokens)
        story.call(story.tasks[-1], outcome="failed", usage=usage, output=None)
        ended(story, "length", "half of it")


def length_accepted(story: Story) -> None:
    story.request(chained(step("a", endings=Endings(length="partial")), step("b"), output="b"))
    story.call(story.tasks[0], outcome="failed", finish_reason="length", output=None)
    story.fail(story.tasks[0], "length", output=LONG)
    story.run_to_end()


def length_accepted_without_a_word(story: Story) -> None:
    story.request(chained(step("a", endings=Endings(length="partial"))))
    ended(story, "length")


def length_of_json(story: Story) -> None:
    output = Output(kind="json", json_schema=VERDICT, corrections=1)
    story.request(chained(step("a", output=output, endings=Endings(length="continue"))))
    ended(story, "length", '{"approved": ')
    broken(story, "output_invalid", '{"approved": maybe}')
    ended(story, "length", '{"appr')
    broken(story, "output_invalid", '{"approved": 1}')
    story.fire("retry")
    story.run_to_end()


def length_of_json_is_no_part(story: Story) -> None:
    output = Output(kind="json", json_schema=VERDICT)
    story.request(chained(step("a", output=output, endings=Endings(length="partial"))))
    ended(story, "length", '{"approved": ')


def refused_and_failed(story: Story) -> None:
    story.request(chained(step("a"), step("b")))
    story.fail(story.tasks[0], "refusal", output=inline("I cannot"))
    story.fail(story.tasks[1], "content_filter", output=inline("half"))


def refused_and_asked_elsewhere(story: Story) -> None:
    both = Endings(refusal="fallback", content_filter="fallback")
    story.request(chained(step("a", endings=both)))
    ended(story, "refusal", "I cannot")
    ended(story, "content_filter", "half")
    story.run_to_end()


def refused_by_all(story: Story) -> None:
    story.request(chained(step("a", endings=Endings(refusal="fallback")), models=2))
    ended(story, "refusal", "I cannot")
    ended(story, "refusal")


def refused_and_accepted(story: Story) -> None:
    both = Endings(refusal="partial", content_filter="partial")
    story.request(chained(step("a", endings=both), step("b", endings=both)))
    story.fail(story.tasks[0], "refusal", output=inline("I cannot"))
    story.fail(story.tasks[1], "content_filter", output=inline("half"))


SHAPES: Final[tuple[Shape, ...]] = (
    fallback_before_the_first_word,
    fallback_through_the_chain_and_again,
    fallback_until_nobody_is_left,
    fallback_passes_over_who_has_no_key,
    fallback_waits_for_who_rests_least,
    fallback_is_cancelled,
    fallback_after_a_timeout,
    cut_and_retried,
    cut_by_a_quota_and_retried_elsewhere,
    cut_and_continued,
    cut_and_continued_too_often,
    cut_and_accepted,
    cut_and_failed,
    length_fails,
    length_continued,
    length_continued_with_long_texts,
    length_met_before_a_word,
    length_larger,
    length_larger_by_what_was_used,
    length_accepted,
    length_accepted_without_a_word,
    length_of_json,
    length_of_json_is_no_part,
    refused_and_failed,
    refused_and_asked_elsewhere,
    refused_by_all,
    refused_and_accepted,
)
