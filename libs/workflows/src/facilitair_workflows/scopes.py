"""Which outputs a place of a workflow can see, and in which order steps run.

A step sees the steps that it needs (and what those need), the members of groups among them, what
the enclosing groups can see, and everything of earlier iterations of the groups that it lies in.
Of several steps with one id it sees the latest answer, so their order must be certain.
"""

from functools import cached_property
from typing import Final

from msgspec import Struct

from facilitair_events.definitions import Step

Chain = tuple[int, ...]
"""Where a step stands: its position on the top level, then inside each group."""

ROOT: Final[Chain] = ()


class Visible(Struct, frozen=True):
    """A step whose output can be named; ``certain`` when it is always there by then."""

    chain: Chain
    certain: bool


class Level:
    """The steps of the top level or of one group, and their order.

    Of several steps with one id the first is meant.
    Steps in a cycle or behind one count as needing every step of the level.
    """

    def __init__(self, steps: tuple[Step, ...]) -> None:
        self.steps = steps
        self.positions: dict[str, int] = {}
        for position, step in enumerate(steps):
            if step.id:
                self.positions.setdefault(step.id, position)
        self.needs = [
            [self.positions[need] for need in step.needs if need in self.positions]
            for step in steps
        ]

    @cached_property
    def _sorted(self) -> tuple[list[int], list[int]]:
        """Bit sets of what each step needs, directly or not; the steps that never become free."""
        before = [0] * len(self.steps)
        open_needs = [len(set(needs)) for needs in self.needs]
        wanted_by: list[list[int]] = [[] for _ in self.steps]
        for position, needs in enumerate(self.needs):
            for need in set(needs):
                wanted_by[need].append(position)
        free = [position for position, count in enumerate(open_needs) if count == 0]
        for position in free:
            for other in wanted_by[position]:
                before[other] |= before[position] | 1 << position
                open_needs[other] -= 1
                if open_needs[other] == 0:
                    free.append(other)
        stuck = [position for position, count in enumerate(open_needs) if count > 0]
        for position in stuck:
            before[position] = (1 << len(self.steps)) - 1
        return before, stuck

    @property
    def stuck(self) -> list[int]:
        """Positions of steps that wait for each other, or for such a step."""
        return self._sorted[1]

    def is_before(self, first: int, then: int) -> bool:
        """Whether the step at ``then`` needs the one at ``first``, directly or not."""
        return bool(self._sorted[0][then] >> first & 1)

    def cycles(self) -> list[list[int]]:
        """Each cycle once, as positions in the order of needs."""
        left = set(self.stuck)
        found: list[list[int]] = []
        while left:
            walk = self._walk(min(left), within=left)
            last = walk[-1]
            closing = [need for need in self.needs[last] if need in left]
            cycle = walk[walk.index(closing[0]) :] if closing else []
            if cycle:
                found.append(cycle)
            left -= set(cycle or [last])
        return found

    def _walk(self, start: int, *, within: set[int]) -> list[int]:
        """Follow first needs until there is none left or one comes up again."""
        walk = {start: None}
        position = start
        while onward := [need for need in self.needs[position] if need in within]:
            position = onward[0]
            if position in walk:
                break
            walk[position] = None
        return list(walk)


class Outline:
    """All levels of a workflow."""

    def __init__(self, steps: tuple[Step, ...]) -> None:
        self.levels: dict[Chain, Level] = {}
        self.places: dict[Chain, Step] = {}
        self.answers: dict[str, list[Chain]] = {}
        self._add(steps, ROOT)

    def _add(self, steps: tuple[Step, ...], group: Chain) -> None:
        self.levels[group] = Level(steps)
        for position, step in enumerate(steps):
            chain = (*group, position)
            self.places[chain] = step
            if step.repeat is not None or step.steps:
                self._add(step.steps, chain)
            elif self.levels[group].positions.get(step.id) == position:
                self.answers.setdefault(step.id, []).append(chain)

    def visible_from(self, chain: Chain, *, at_the_end: bool = False) -> list[Visible]:
        """What the step at ``chain`` can name; ``at_the_end``: what its ``until`` can name."""
        found: list[Visible] = []
        for depth, own in enumerate(chain):
            group = chain[:depth]
            level = self.levels[group]
            for position in range(len(level.steps)):
                if level.is_before(position, own):
                    found += self._answers_of((*group, position), certain=True)
                elif depth > 0:
                    found += self._answers_of((*group, position), certain=False)
        if at_the_end:
            for position in range(len(self.levels[chain].steps)):
                found += self._answers_of((*chain, position), certain=True)
        return found

    def _answers_of(self, chain: Chain, *, certain: bool) -> list[Visible]:
        """The step itself, or the members of a group; with ``when`` they may be missing."""
        step = self.places[chain]
        certain = certain and step.when is None
        if chain not in self.levels:
            return [Visible(chain, certain)]
        return [
            answer
            for position in range(len(self.levels[chain].steps))
            for answer in self._answers_of((*chain, position), certain=certain)
        ]

    def concurrent(self, first: Chain, second: Chain) -> bool:
        """Whether neither of two steps waits for the other."""
        for depth, (one, other) in enumerate(zip(first, second, strict=False)):
            if one != other:
                level = self.levels[first[:depth]]
                return not (level.is_before(one, other) or level.is_before(other, one))
        return False

    def path(self, chain: Chain) -> str:
        """The ids from the top to a step, for messages."""
        return " > ".join(self.places[chain[: depth + 1]].id or "?" for depth in range(len(chain)))
