"""Shapes of collaborations that go their way."""
# ruff: noqa: D103 - what a shape is called says what it is

from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from facilitair_events.definitions import Model, Output, Prices, Repeat, Step
from facilitair_events.requests import AttemptReported, Fault, Usage
from facilitair_events.text import Artifact, inline
from facilitair_testing.golden.story import HUGE, LONG, NO, QUICK, Shape, Story
from facilitair_testing.inbox import VERDICT, definition, describe, review_loop, step


def linear(story: Story) -> None:
    story.request(definition(step("a"), step("b", "a"), step("c", "b"), output="c"))
    story.run_to_end()


def parallel_and_join(story: Story) -> None:
    steps = step("a"), step("b"), step("c", "a", "b", input="{{ outputs.a }}{{ outputs.b }}")
    story.request(definition(*steps, step("d"), output="c"))
    for task in reversed(story.open_tasks):
        story.answer(task, f"text of {task.path}")
    story.run_to_end()


def skipped_by_when(story: Story) -> None:
    steps = step("a", when="inputs.go == true"), step("b", "a"), step("c", when="task == 'Do it.'")
    story.request(definition(*steps, output="b"), inputs={"go": False})
    story.run_to_end()


def all_skipped(story: Story) -> None:
    story.request(definition(step("a", when="false"), step("b", "a", when="1 > 2"), output="b"))


def when_cannot_be_evaluated(story: Story) -> None:
    story.request(definition(step("a"), step("b", "a", when="outputs.a.b"), step("c"), output="b"))
    story.answer(story.open_tasks[0], "x")
    story.fail(story.tasks[1], "stopped")


def review_approved_at_once(story: Story) -> None:
    story.request(review_loop())
    story.run_to_end()


def review_approved_later(story: Story) -> None:
    story.request(review_loop())
    story.run_to_end({"review.1.reviewer": NO, "review.2.reviewer": NO})


def review_exhausted(story: Story) -> None:
    story.request(review_loop(2))
    story.run_to_end({f"review.{number}.reviewer": NO for number in (1, 2, 3)})


def groups_side_by_side(story: Story) -> None:
    again = Repeat(until="iteration >= 2", max=3)
    story.request(
        definition(
            step("a"),
            Step(id="g", needs=("a",), steps=(step("x"), step("y", "x")), repeat=again),
            Step(id="h", needs=("a",), steps=(step("z"),), repeat=again),
            step("end", "g", "h"),
            output="end",
        )
    )
    story.run_to_end()


def json_corrected(story: Story) -> None:
    output = Output(kind="json", json_schema=VERDICT, corrections=2)
    story.request(definition(step("a", output=output), step("b", "a"), output="b"))
    for text in ("no", "still no"):
        story.call(story.tasks[-1], output=inline(text))
        story.fail(story.tasks[-1], "output_invalid", retryable=True, output=inline(text))
    story.run_to_end()


def json_never_right(story: Story) -> None:
    output = Output(kind="json", json_schema=VERDICT, corrections=1)
    story.request(definition(step("a", output=output, retry=QUICK), output="a"))
    for _ in range(2):
        story.fail(story.tasks[-1], "output_invalid", retryable=True, output=inline("no"))
    story.fire("retry")
    story.fail(story.tasks[-1], "output_invalid", retryable=True, output=inline("no"))


def of_class_batch(story: Story) -> None:
    story.request(definition(step("a", retry=QUICK), output="a"), priority="batch")
    story.overloaded()
    story.fire("retry")
    story.run_to_end()


def definition_as_an_artifact(story: Story) -> None:
    artifact = Artifact(uri="local/c1/ef56", sha256="ef56", size=70_000, media_type="text/plain")
    wanted = definition(step("a", input="x" * 2000), output="a")
    story.request(wanted, definition_artifact=artifact)
    story.run_to_end()


def long_texts(story: Story) -> None:
    story.request(
        definition(step("a"), step("b", "a", input="{{ task }}{{ outputs.a }}"), output="b"),
        task=LONG,
        inputs={"names": ["Zoë", "\n", "🙂"], "depth": {"n": 1.5, "none": None, "yes": True}},
    )
    for output in (LONG, HUGE):
        task = story.open_tasks[0]
        story.call(task, output=output)
        story.feed(
            AttemptReported(
                path=task.path, attempt=1, outcome="completed", output=output, value=[1]
            )
        )


def money_of_many_calls(story: Story) -> None:
    story.request(definition(step("a"), step("b"), output="a"))
    first, second = story.tasks
    usage = Usage(input_tokens=1000, output_tokens=7, cached_input_tokens=900, reasoning_tokens=5)
    story.call(first, usage=usage, cost_usd=Decimal("0.123456789"), simulated=True)
    story.call(first, index=1, outcome="failed", cost_usd=Decimal(0), duration_ms=12)
    fault = Fault(code="rate_limited", message="wait", retryable=True)
    story.call(first, index=2, outcome="failed", usage=None, cost_usd=None, fault=fault)
    story.call(second, usage=None, cost_usd=None, finish_reason="length", duration_ms=9)
    story.run_to_end()
    story.feed(describe())


def models_with_a_fallback(story: Story) -> None:
    wanted = definition(step("a", retry=QUICK), output="a")
    prices = Prices(input=Decimal("0.25"), output=Decimal(2))
    models = (Model(name="m", provider="p", prices=prices), Model(name="n", provider="q"))
    agents = {name: replace(agent, models=models) for name, agent in wanted.agents.items()}
    story.request(replace(wanted, agents=agents))
    story.overloaded()
    if story.logic == 1:  # it asks the first model again, after a wait
        story.fire("retry")
    story.run_to_end()


SHAPES: Final[tuple[Shape, ...]] = (
    linear,
    parallel_and_join,
    skipped_by_when,
    all_skipped,
    when_cannot_be_evaluated,
    review_approved_at_once,
    review_approved_later,
    review_exhausted,
    groups_side_by_side,
    json_corrected,
    json_never_right,
    of_class_batch,
    definition_as_an_artifact,
    long_texts,
    money_of_many_calls,
    models_with_a_fallback,
)
