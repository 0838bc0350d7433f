"""Shapes in which sixty things happen in an order that a seed gives."""

from decimal import Decimal
from random import Random  # noqa: TID251 - seeded: a shape is the same for ever
from typing import Final

from facilitair_events.definitions import Endings, Output, Repeat, Retry, Step
from facilitair_events.text import inline
from facilitair_testing.golden.story import Shape, Story
from facilitair_testing.inbox import (
    VERDICT,
    cancel,
    chained,
    definition,
    describe,
    review_loop,
    step,
)


def mixed(seed: int) -> Shape:
    """Sixty things in an order that the seed gives."""

    def story_of(story: Story) -> None:
        chance = Random(seed)  # noqa: S311 - the seed is the point
        story.request(chance.choice(_MIXED), inputs={"go": chance.random() < _HALF})
        for _ in range(60):
            chance.choice(_THINGS)(story, chance)

    return story_of


def mixed_recoveries(seed: int) -> Shape:
    """Sixty things that happen to steps with all the policies that logic 2 brought."""

    def story_of(story: Story) -> None:
        chance = Random(seed)  # noqa: S311 - the seed is the point
        story.request(chance.choice(_RECOVERING))
        for _ in range(60):
            chance.choice(_OF_RECOVERY)(story, chance)

    return story_of


def _now(story: Story, chance: Random) -> None:
    """Something that is due, or somebody who asks."""
    assert story.state is not None
    if story.state.timers and chance.random() < _HALF:
        timer = chance.choice(story.state.timers)
        story.fire(timer.name, early_ms=chance.choice((0, 0, 1)))
    elif chance.random() < _SELDOM:
        story.feed(cancel(f"k{chance.randrange(2)}"))
    else:
        story.feed(describe())


def _report(story: Story, chance: Random) -> None:
    """An answer to a task that is open, right or wrong."""
    if not story.open_tasks:
        return
    task = chance.choice(story.open_tasks)
    approved = chance.random() < _HALF
    value = {"approved": approved} if task.output.kind == "json" else None
    story.answer(task, f"text {chance.randrange(9)}", value=value)


def _trouble(story: Story, chance: Random) -> None:
    """A task that is open fails, or its call is lost."""
    if not story.open_tasks:
        return
    task = chance.choice(story.open_tasks)
    if chance.random() < _HALF:
        outcome = chance.choice(("unknown", "void"))
        story.call(task, outcome=outcome, usage=None, cost_usd=None)
    else:
        code = chance.choice(("provider_overloaded", "output_invalid", "stopped"))
        story.fail(task, code, retryable=code != "stopped", output=inline("wrong"))


def _again(story: Story, chance: Random) -> None:
    """A record once more, or an answer that comes late."""
    if chance.random() < _HALF:
        story.feed(chance.choice(story.records).data)
    elif story.tasks:
        story.call(chance.choice(story.tasks), cost_usd=Decimal(chance.randrange(5)))


def _provider_trouble(story: Story, chance: Random) -> None:
    """A task that is open fails by its provider, with or without a word before."""
    if not story.open_tasks:
        return
    task = chance.choice(story.open_tasks)
    code, retryable = chance.choice(_FAULTS)
    before = "" if task.continued is None or task.continued.text is None else task.continued.text.v
    more = "word " if chance.random() < _HALF else ""
    rest_s = chance.choice((None, None, 9.0))
    text = inline(before + more)
    story.fail(task, code, retryable=retryable, retry_after_s=rest_s, output=text)


_FAULTS: Final = (
    ("rate_limited", True),
    ("truncated", True),
    ("timeout", True),
    ("authentication", False),
    ("quota", False),
    ("length", False),
    ("refusal", False),
    ("content_filter", False),
)
_HALF: Final = 0.5
_SELDOM: Final = 0.1
_THINGS: Final = (_now, _report, _report, _trouble, _again)
_OF_RECOVERY: Final = (*_THINGS, _provider_trouble, _provider_trouble, _provider_trouble)
REPORTS: Final = (_report, _report, _report, _trouble, _again, _provider_trouble)
_PATIENT: Final = Retry(max_attempts=4, max_lost=4, backoff_s=0.1)
_MIXED: Final = (
    review_loop(3),
    definition(
        step("a", retry=_PATIENT), step("b", retry=_PATIENT), step("c", "a", "b"), output="c"
    ),
    definition(
        step("a", when="inputs.go == true", retry=_PATIENT), step("b", "a"), step("c"), output="b"
    ),
    definition(
        step("a", output=Output(kind="json", json_schema=VERDICT, corrections=1), retry=_PATIENT),
        Step(
            id="g",
            needs=("a",),
            steps=(step("x", retry=_PATIENT), step("y", "x", when="iteration == 1")),
            repeat=Repeat(until="iteration >= 2", max=3),
        ),
        output="x",
    ),
)
_LONG: Final = Retry(max_attempts=6, max_lost=4, backoff_s=0.5, deadline_s=600)
_RECOVERING: Final = (
    chained(
        step("a", retry=_LONG, endings=Endings(length="continue", cut="continue", max=5)),
        step("b", "a", retry=_LONG, endings=Endings(length="larger", refusal="fallback", max=5)),
        output="b",
        limit=100,
    ),
    chained(
        step("a", retry=_LONG, endings=Endings(content_filter="fallback", refusal="partial")),
        step("b", retry=_LONG, endings=Endings(length="partial", cut="partial")),
        step("c", "a", "b", retry=_LONG),
        output="c",
    ),
)
