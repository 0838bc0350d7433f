"""Shapes in which an account answers as a seed says, among the other things that happen."""

from decimal import Decimal
from random import Random  # noqa: TID251 - seeded: a shape is the same for ever
from typing import Final

from msgspec.structs import replace

from facilitair_events.accounts import FundsAnswered
from facilitair_events.definitions import Endings, Repeat, Retry, Step
from facilitair_testing.funded import model, priced
from facilitair_testing.golden.mixed import REPORTS
from facilitair_testing.golden.story import Shape, Story
from facilitair_testing.inbox import definition, step

_THINGS_THAT_HAPPEN: Final = 80
_HALF: Final = 0.5
_SELDOM: Final = 0.2
_PATIENT: Final = Retry(max_attempts=5, max_lost=5, backoff_s=0.1)


def mixed_money(seed: int) -> Shape:
    """Eighty things in an order that the seed gives, the account's answers among them."""

    def story_of(story: Story) -> None:
        chance = Random(seed)  # noqa: S311 - the seed is the point
        story.grants = False
        wanted = replace(
            chance.choice(_WORKFLOWS), on_budget=chance.choice(("finish", "pause", "cheaper"))
        )
        budget = chance.choice((None, Decimal(40), Decimal(9)))
        story.request(wanted, budget_usd=budget)
        for _ in range(_THINGS_THAT_HAPPEN):
            chance.choice((_answer, _answer, _answer, _resume, _time, *REPORTS))(story, chance)

    return story_of


def _answer(story: Story, chance: Random) -> None:
    """An answer to the open ask, and now and then to one that is none."""
    if not story.asks:
        return
    kind = chance.choice(
        ("all", "all", "all", "some", "waiting", "refused", "refused", "stale", "old")
    )
    if kind == "all":
        story.grant()
    elif kind == "some":
        story.grant(1)
    elif kind == "waiting":
        story.feed(FundsAnswered(n=story.asks[-1].n, outcome="waiting"))
    elif kind == "old":
        story.feed(FundsAnswered(n=story.asks[0].n, outcome="granted", parts=story.asks[0].parts))
    else:
        code = "stale" if kind == "stale" else "limit_reached"
        story.refuse(code, left_usd=Decimal(chance.randrange(4)))


def _time(story: Story, chance: Random) -> None:
    """A wait is over, and now and then a longer one."""
    assert story.state is not None
    due = [t.name for t in story.state.timers if t.name != "deadline"]
    if due and (due[0] == "retry" or chance.random() < _SELDOM):
        story.fire(due[0])


def _resume(story: Story, chance: Random) -> None:
    """Somebody asks to go on, whether or not it is paused."""
    budget = Decimal(60) if chance.random() < _HALF else None
    story.resume(f"r{chance.randrange(4)}", budget_usd=budget)


_CHAIN: Final = (model("m", "4", tokens=4000), model("n", "2", tokens=1000), model("o", "1"))
_ENDINGS: Final = Endings(length="larger", refusal="fallback", max=5)
_WORKFLOWS: Final = (
    priced(
        definition(
            step("a", retry=_PATIENT),
            step("b", retry=_PATIENT, endings=_ENDINGS),
            step("c", "a", "b", retry=_PATIENT),
            step("d", "c"),
            output="d",
        ),
        *_CHAIN,
    ),
    priced(
        definition(
            step("a", retry=_PATIENT, budget_usd=Decimal(12)),
            Step(
                id="g",
                needs=("a",),
                steps=(step("x", retry=_PATIENT), step("y", "x", retry=_PATIENT)),
                repeat=Repeat(until="iteration >= 3", max=4),
                budget_usd=Decimal(25),
            ),
            step("end", "g", retry=_PATIENT),
            output="end",
        ),
        *_CHAIN,
    ),
)
