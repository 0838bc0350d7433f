"""The shapes of inboxes whose answers are kept: what a collaboration can live through.

A shape is written to its file once. To cover more, add another shape; a change of one that has a
file changes nothing but the test that compares both.
"""

from typing import Final

from facilitair_testing.golden import (
    endings,
    mixed,
    mixed_money,
    money,
    patience,
    recoveries,
    refusals,
    running,
    troubles,
)
from facilitair_testing.golden.story import Shape, Story
from facilitair_workflows.decide import KNOWN_LOGIC

_SEEDS: Final = 8
_MONEY_SEEDS: Final = (38, 68, 80, 96, 163, 253, 268, 274)
"""Those of four hundred in which most is refused, resumed and made cheaper."""


def _named(*shapes: Shape) -> dict[str, Shape]:
    return {shape.__name__.replace("_", "-"): shape for shape in shapes}


_SINCE: Final[dict[int, dict[str, Shape]]] = {
    1: _named(*running.SHAPES, *troubles.SHAPES, *endings.SHAPES)
    | {f"mixed-{seed}": mixed.mixed(seed) for seed in range(_SEEDS)},
    2: _named(*recoveries.SHAPES, *patience.SHAPES)
    | {f"mixed-recoveries-{seed}": mixed.mixed_recoveries(seed) for seed in range(_SEEDS)},
    3: _named(*money.SHAPES, *refusals.SHAPES)
    | {f"mixed-money-{seed}": mixed_money.mixed_money(seed) for seed in _MONEY_SEEDS},
}
"""By the first version that has what a shape is about."""


def shapes_of(logic: int) -> dict[str, Shape]:
    """The shapes that are kept for a version."""
    return {
        name: shape
        for since, shapes in _SINCE.items()
        if since <= logic
        for name, shape in shapes.items()
    }


SHAPES: Final = shapes_of(KNOWN_LOGIC)


def story_of(shape: Shape, *, logic: int = KNOWN_LOGIC) -> Story:
    """The story of a shape, with the answers of the ``decide`` of now."""
    story = Story(logic)
    shape(story)
    return story
