"""The shapes of inboxes whose answers are kept: what a collaboration can live through.

A shape is written to its file once. To cover more, add another shape; a change of one that has a
file changes nothing but the test that compares both.
"""

from typing import Final

from facilitair_testing.golden import endings, mixed, running, troubles
from facilitair_testing.golden.story import Shape, Story
from facilitair_workflows.decide import KNOWN_LOGIC

_SEEDS: Final = 8

SHAPES: Final[dict[str, Shape]] = {
    shape.__name__.replace("_", "-"): shape
    for shape in (*running.SHAPES, *troubles.SHAPES, *endings.SHAPES)
} | {f"mixed-{seed}": mixed.mixed(seed) for seed in range(_SEEDS)}


def story_of(shape: Shape, *, logic: int = KNOWN_LOGIC) -> Story:
    """The story of a shape, with the answers of the ``decide`` of now."""
    story = Story(logic)
    shape(story)
    return story
