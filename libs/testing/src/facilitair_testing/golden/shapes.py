"""The shapes of inboxes whose answers are kept: what a collaboration can live through.

A shape is written to its file once. To cover more, add another shape; a change of one that has a
file changes nothing but the test that compares both.
"""

from typing import Final

from facilitair_testing.golden import endings, mixed, patience, recoveries, running, troubles
from facilitair_testing.golden.story import Shape, Story
from facilitair_workflows.decide import KNOWN_LOGIC

_SEEDS: Final = 8


def _named(*shapes: Shape) -> dict[str, Shape]:
    return {shape.__name__.replace("_", "-"): shape for shape in shapes}


_SINCE: Final[dict[int, dict[str, Shape]]] = {
    1: _named(*running.SHAPES, *troubles.SHAPES, *endings.SHAPES)
    | {f"mixed-{seed}": mixed.mixed(seed) for seed in range(_SEEDS)},
    2: _named(*recoveries.SHAPES, *patience.SHAPES)
    | {f"mixed-recoveries-{seed}": mixed.mixed_recoveries(seed) for seed in range(_SEEDS)},
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
