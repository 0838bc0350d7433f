"""What the calls that are likely next may cost, from sizes alone (since logic 3)."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import msgspec
from msgspec import Struct

from facilitair_events.accounts import Part
from facilitair_events.definitions import Step
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


def need_of(
    draft: Draft, step: StepState, *, model_index: int | None = None, ahead: bool = False
) -> Need:
    """What the next call of a step may cost, on its next model or on another one.

    With ``ahead`` answers that it names may still come; else what is not there stays away.
    """
    spec = draft.spec(step.path)
    agent = draft.definition.agents[str(spec.agent)]
    index = step.model_index if model_index is None else model_index
    model = agent.models[index]
    limit = step.max_output_tokens or agent.max_output_tokens
    size = _input(draft, step, spec=spec)
    more = _to_come(draft, spec.input or "") if ahead else 0
    usd = bounds.most_usd(
        model,
        input_tokens=bounds.input_tokens(size + len(agent.prompt.encode()), model, more=more),
        output_tokens=bounds.output_tokens(limit, model),
        at_ms=draft.now_ms,
    )
    if usd is not None and step.needed_usd is not None and index == step.model_index:
        usd = max(usd, step.needed_usd)
    return Need(path=step.path, agent=agent.name, usd=usd)


def _input(draft: Draft, step: StepState, *, spec: Step) -> int:
    """The bytes of what a step is asked with.

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
    for name, times in bounds.named_outputs(template):
        output = draft.outputs.get(name)
        size += 0 if output is None else times * output.text.size
    return size


def _to_come(draft: Draft, template: str) -> int:
    """The tokens of the answers that a template names and that are not there yet."""
    names = bounds.named_outputs(template)
    return sum(times * _longest(draft, name) for name, times in names if name not in draft.outputs)


def _longest(draft: Draft, name: str) -> int:
    """The longest answer that a step of that id may give; 0 where there is none."""
    agents = draft.definition.agents
    owners = (
        agents[step.agent]
        for step in draft.places.values()
        if step.id == name and step.agent is not None
    )
    return max(
        (bounds.output_tokens(owner.max_output_tokens, owner.models[0]) for owner in owners),
        default=0,
    )


def likely(draft: Draft, ready: list[StepState]) -> Iterator[Need]:
    """The calls of the steps that are ready, then of those that wait for them, in order."""
    for step in ready:
        yield need_of(draft, step)
    for step in list(draft.steps.values()):
        if step.status != "waiting" or step.funding is not None:
            continue
        if step.agent is not None:
            yield need_of(draft, step, ahead=True)
            continue
        for member in draft.spec(step.path).steps:
            if member.agent is not None:
                path = paths.child(step.path, member.id, iteration=1)
                state = StepState(path=path, step=member.id, agent=member.agent)
                yield need_of(draft, state, ahead=True)


def width(steps: tuple[Step, ...]) -> int:
    """How many attempts of a level may run at once, members of groups included.

    It counts the steps that are as far from the beginning; a chain may be as long as it likes.
    """
    users: dict[str, list[Step]] = {}
    waits: dict[str, int] = {}
    for step in steps:
        waits[step.id] = len(step.needs)
        for need in step.needs:
            users.setdefault(need, []).append(step)
    most, layer = 1, [step for step in steps if not step.needs]
    while layer:
        most = max(most, sum(1 if s.agent is not None else width(s.steps) for s in layer))
        following = []
        for user in (user for step in layer for user in users.get(step.id, ())):
            waits[user.id] -= 1
            if not waits[user.id]:
                following.append(user)
        layer = following
    return most
