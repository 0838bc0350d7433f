"""Shapes of money that is refused, and of what a workflow says about it (since logic 3)."""
# ruff: noqa: D103 - what a shape is called says what it is

from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from facilitair_events.definitions import Definition, Prices, Repeat, Step
from facilitair_events.requests import AttemptReported
from facilitair_events.text import inline
from facilitair_testing.funded import model, priced
from facilitair_testing.golden.story import Shape, Story
from facilitair_testing.inbox import cancel, definition, describe, step

_SIX: Final = (step("s1"), *(step(f"s{n}", f"s{n - 1}") for n in range(2, 7)))
_DOWN: Final = (model("m", "4"), model("n", "3"), model("o", "2"), model("p", "1"))


def _long(on_budget: str) -> Definition:
    return priced(definition(*_SIX, output="s6"), *_DOWN, on_budget=on_budget)


def _wide(on_budget: str) -> Definition:
    return priced(definition(*(step(n) for n in "abcde"), output="a"), on_budget=on_budget)


def _dear(story: Story, usd: str = "1") -> None:
    """Every open task costs that much."""
    while story.open_tasks:
        task = story.open_tasks[0]
        story.call(task, cost_usd=Decimal(usd))
        story.feed(
            AttemptReported(
                path=task.path, attempt=task.attempt, outcome="completed", output=inline("x")
            )
        )


def refused_money_at_the_start(story: Story) -> None:
    story.grants = False
    story.request(_wide("pause"))
    story.refuse()
    story.feed(describe())


def refused_and_finished(story: Story) -> None:
    story.grants = False
    story.request(_wide("finish"))
    story.grant()
    story.refuse()
    story.feed(describe())
    story.fail(story.tasks[0], "overloaded", retryable=True)
    story.run_to_end()


def refused_and_paused(story: Story) -> None:
    story.grants = False
    story.request(_wide("pause"))
    story.grant()
    story.refuse(left_usd=Decimal(0))
    story.feed(describe())
    story.run_to_end()
    story.feed(describe())
    story.resume("r1")
    story.resume("r1")
    story.resume("r2")
    story.grant()
    story.run_to_end()
    story.resume("r3")


def paused_and_resumed_while_it_runs(story: Story) -> None:
    story.grants = False
    story.request(_wide("pause"))
    story.grant()
    story.refuse()
    story.resume("r1")
    story.grant()
    story.run_to_end()


def paused_and_refused_again(story: Story) -> None:
    story.grants = False
    story.request(_long("pause"))
    story.grant()
    story.run_to_end()
    story.refuse()
    story.resume("r1")
    story.refuse()
    story.feed(cancel())


def paused_until_the_deadline(story: Story) -> None:
    story.grants = False
    story.request(_long("pause"))
    story.grant()
    story.run_to_end()
    story.refuse()
    story.fire("deadline")


def paused_with_a_retry_on_its_way(story: Story) -> None:
    story.grants = False
    story.request(_wide("pause"))
    story.grant()
    story.fail(story.tasks[0], "overloaded", retryable=True)
    story.refuse()
    story.fire("retry")
    story.run_to_end()
    story.grants = True
    story.resume("r1")
    story.run_to_end()


def refused_and_cheaper(story: Story) -> None:
    story.grants = False
    story.request(_long("cheaper"))
    story.grant()
    story.run_to_end()
    story.refuse(left_usd=Decimal("2.5"))
    story.refuse(left_usd=Decimal("1.5"))
    story.grant()
    story.run_to_end()
    story.refuse("price_unknown")
    story.grant()
    story.run_to_end()


def refused_and_nothing_is_cheap_enough(story: Story) -> None:
    story.grants = False
    story.request(_long("cheaper"))
    story.refuse(left_usd=Decimal(3))
    story.grant()
    story.run_to_end()
    story.refuse(left_usd=Decimal("0.5"))


def asked_too_late(story: Story) -> None:
    story.grants = False
    story.request(_wide("finish"))
    story.refuse("stale")
    story.grant()
    for _ in range(4):
        story.refuse("stale")
    story.run_to_end()


def a_budget_of_one_step(story: Story) -> None:
    story.request(
        priced(definition(step("a"), step("b", "a"), output="b")), budget_usd=Decimal("1.5")
    )
    _dear(story)


def a_budget_that_fits_nothing(story: Story) -> None:
    story.request(priced(definition(step("a"), output="a"), budget_usd=Decimal("0.5")))


def a_budget_in_turns(story: Story) -> None:
    wanted = priced(definition(step("a"), step("b"), step("c", "a", "b"), output="c"))
    story.request(replace(wanted, budget_usd=Decimal("1.5")), budget_usd=Decimal(9))
    story.run_to_end()


def a_budget_without_a_price(story: Story) -> None:
    story.grants = False
    unpriced = replace(model(), prices=Prices(input=Decimal(1)))
    story.request(priced(definition(step("a"), output="a"), unpriced), budget_usd=Decimal(5))


def a_budget_of_a_step_and_of_a_group(story: Story) -> None:
    members = (step("x", budget_usd=Decimal("2.5")), step("y", "x"))
    again = Repeat(until="false", max=5)
    group = Step(id="g", steps=members, repeat=again, budget_usd=Decimal("3.5"))
    story.request(priced(definition(group, step("end", "g"), output="end"), on_budget="pause"))
    _dear(story, "0.9")
    story.resume("r1")


def a_budget_of_a_step_in_a_loop(story: Story) -> None:
    members = (step("x", budget_usd=Decimal("2.5")), step("y", "x"))
    group = Step(id="g", steps=members, repeat=Repeat(until="false", max=5))
    story.request(priced(definition(group, step("end", "g"), output="end")))
    _dear(story, "0.9")


def another_budget_with_the_resume(story: Story) -> None:
    wanted = priced(definition(step("a"), step("b", "a"), output="b"), on_budget="pause")
    story.request(wanted, budget_usd=Decimal("1.5"))
    _dear(story)
    story.resume("r1")
    story.resume("r2", budget_usd=Decimal(2))
    _dear(story)


def a_budget_and_cheaper_models(story: Story) -> None:
    story.request(replace(_long("cheaper"), budget_usd=Decimal("7.5")))
    _dear(story, "1.25")


SHAPES: Final[tuple[Shape, ...]] = (
    refused_money_at_the_start,
    refused_and_finished,
    refused_and_paused,
    paused_and_resumed_while_it_runs,
    paused_and_refused_again,
    paused_until_the_deadline,
    paused_with_a_retry_on_its_way,
    refused_and_cheaper,
    refused_and_nothing_is_cheap_enough,
    asked_too_late,
    a_budget_of_one_step,
    a_budget_that_fits_nothing,
    a_budget_in_turns,
    a_budget_without_a_price,
    a_budget_of_a_step_and_of_a_group,
    a_budget_of_a_step_in_a_loop,
    another_budget_with_the_resume,
    a_budget_and_cheaper_models,
)
