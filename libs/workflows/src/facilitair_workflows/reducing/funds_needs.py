"""What the calls that are likely next may cost, from sizes alone (since logic 3)."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import msgspec
from msgspec import Struct

from facilitair_events.accounts import Part
from facilitair_events.definitions import Definition, Step
from facilitair_events.state import StepState
from facilitair_workflows import bounds
from facilitair_workflows.reducing import paths
from facilitair_workflows.reducing.draft import Draft

MOST_PARTS: Final = 4
"""Calls that are asked for at once: one round trip for most workflows, little that lies idle."""

_NOTHING: Final = Decimal(0)


class Need(Struct, frozen=True, kw_only=True):
    """A call that is wanted and what it may cost; None where its model has no known price."""

    path: str
    agent: str
    usd: Decimal | None


class Pool(Struct, kw_only=True):
    """What is granted and not taken, as far as a look ahead has given it away."""

    unused: dict[str, Decimal]
    unpriced: dict[str, int]

    def take(self, need: Need) -> bool:
        """Give it what it needs; False when that is not there, and then nothing is taken."""
        if need.usd is None:
            left = self.unpriced.get(need.agent, 0)
            self.unpriced[need.agent] = max(left - 1, 0)
            return left > 0
        has = self.unused.get(need.agent, _NOTHING)
        if has < need.usd:
            return False
        self.unused[need.agent] = has - need.usd
        return True

    def missing(self, need: Need) -> Part | None:
        """What has to be asked for it, beside what is there; None for nothing."""
        has = self.unused.get(need.agent, _NOTHING)
        if self.take(need):
            return None
        if need.usd is None:
            return Part(agent=need.agent, usd=None)
        self.unused[need.agent] = _NOTHING
        return Part(agent=need.agent, usd=need.usd - has)


def need_of(draft: Draft, step: StepState, *, model_index: int | None = None) -> Need:
    """What the next call of a step may cost, on its next model or on another one."""
    spec = draft.spec(step.path)
    agent = draft.definition.agents[str(spec.agent)]
    index = step.model_index if model_index is None else model_index
    model = agent.models[index]
    limit = step.max_output_tokens or agent.max_output_tokens
    size, more = _input(draft, step, spec=spec)
    usd = bounds.most_usd(
        model,
        input_tokens=bounds.input_tokens(size + len(agent.prompt.encode()), model, more=more),
        output_tokens=bounds.output_tokens(limit, model),
        at_ms=draft.now_ms,
    )
    if usd is not None and step.needed_usd is not None and index == step.model_index:
        usd = max(usd, step.needed_usd)
    return Need(path=step.path, agent=agent.name, usd=usd)


def _input(draft: Draft, step: StepState, *, spec: Step) -> tuple[int, int]:
    """The bytes of what a step is asked with, and the tokens of answers that are still to come.

    A name counts as often as the template has it; what a loop repeats is the worker's to find.
    """
    template = spec.input or ""
    size = len(template.encode()) + template.count("task") * draft.state.task.size
    if "inputs" in template:
        size += template.count("inputs") * len(msgspec.json.encode(draft.state.inputs))
    if spec.output.json_schema is not None:
        size += len(msgspec.json.encode(spec.output.json_schema))
    if step.correction is not None:
        size += step.correction.output.size
    if step.continued is not None:
        size += step.continued.size
    more = 0
    if "outputs" in template:
        known, more = _outputs(draft, template)
        size += known
    return size, more


def _outputs(draft: Draft, template: str) -> tuple[int, int]:
    size = more = 0
    for name in _ids(draft.definition.steps):
        if name not in template:
            continue
        times = max(template.count(f"outputs.{name}"), 1)
        output = draft.outputs.get(name)
        if output is not None:
            size += times * output.text.size
        else:
            more += times * _longest(draft.definition, name)
    return size, more


def _ids(steps: tuple[Step, ...]) -> dict[str, None]:
    """The ids of all steps, each once."""
    found: dict[str, None] = {}
    for step in steps:
        found[step.id] = None
        found |= _ids(step.steps)
    return found


def _longest(definition: Definition, name: str) -> int:
    """The longest answer that a step of that id may give."""
    return max((_limit(definition, step) for step in _named(definition.steps, name)), default=0)


def _named(steps: tuple[Step, ...], name: str) -> Iterator[Step]:
    for step in steps:
        if step.id == name and step.agent is not None:
            yield step
        yield from _named(step.steps, name)


def _limit(definition: Definition, step: Step) -> int:
    agent = definition.agents[str(step.agent)]
    return bounds.output_tokens(agent.max_output_tokens, agent.models[0])


def likely(draft: Draft, ready: list[StepState]) -> Iterator[Need]:
    """The calls of the steps that are ready, then of those that wait for them, in order."""
    for step in ready:
        yield need_of(draft, step)
    for step in list(draft.steps.values()):
        if step.status != "waiting" or step.funding is not None:
            continue
        if step.agent is not None:
            yield need_of(draft, step)
            continue
        for member in draft.spec(step.path).steps:
            if member.agent is not None:
                path = paths.child(step.path, member.id, iteration=1)
                state = StepState(path=path, step=member.id, agent=member.agent)
                yield need_of(draft, state)


def width(steps: tuple[Step, ...]) -> int:
    """How many attempts of a level may run at once, members of groups included."""
    depths: dict[str, int] = {}
    known = {step.id: step for step in steps}
    widths: dict[int, int] = {}
    for step in steps:
        depth = _depth(step, known=known, depths=depths)
        own = 1 if step.agent is not None else width(step.steps)
        widths[depth] = widths.get(depth, 0) + own
    return max(widths.values(), default=1)


def _depth(step: Step, *, known: dict[str, Step], depths: dict[str, int]) -> int:
    if step.id not in depths:
        depths[step.id] = 0
        needs = (_depth(known[need], known=known, depths=depths) for need in step.needs)
        depths[step.id] = max(needs, default=-1) + 1
    return depths[step.id]
