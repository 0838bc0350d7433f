"""Fairness is what the log holds: a tenant has no more tasks with the workers than its slots."""

import asyncio
from collections import defaultdict

import pytest

from facilitair_events.collaboration import (
    AttemptCompleted,
    AttemptFailed,
    AttemptUnknown,
    StepScheduled,
)
from facilitair_testing.eventually import eventually
from facilitair_testing.history.index import Index
from facilitair_testing.history.tills import Till
from tests.money.telling import ask, balanced, end_of, grants, set_budget, settled
from tests.poison.world import PATIENCE_S, World

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

SLOTS = 2
CROWD = 12


def most_tasks(index: Index, key: str) -> int:
    """The most attempts that a collaboration had with the workers at once."""
    opened = most = 0
    for entry in index.first[key].values():
        opened += isinstance(entry.data, StepScheduled)
        opened -= isinstance(entry.data, AttemptCompleted | AttemptFailed | AttemptUnknown)
        most = max(most, opened)
    return most


def most_slots(index: Index) -> dict[str, int]:
    """The most slots of each class that were taken at once."""
    till, most = Till(), defaultdict(int)
    for entry in index.books.first["local"].values():
        till.take(entry.data)
        for priority in ("interactive", "batch"):
            most[priority] = max(most[priority], till.taken(priority))
    return dict(most)


async def test_r26_tasks_of_a_tenant_never_exceed_its_slots_and_batch_has_its_own(
    world: World,
) -> None:
    await set_budget(world.http, slots={"interactive": SLOTS, "batch": 1})
    model = world.model
    model.hold_at = 0
    crowd = [await ask(world) for _ in range(CROWD)]
    await eventually(lambda: len(model.calls) == SLOTS, timeout_s=PATIENCE_S, what="two calls")
    # Nobody of the crowd can end now: the model is held. Batch is served all the same.
    late = await ask(world, priority="batch")
    await eventually(lambda: len(model.calls) == SLOTS + 1, timeout_s=PATIENCE_S, what="its call")
    held = await settled(world.log, lambda index: len(grants(index)) == SLOTS + 1)
    assert grants(held)[-1].collaboration == late
    assert len(model.calls) == SLOTS + 1
    model.gate.set()
    ends = await asyncio.gather(*(end_of(world, ident) for ident in (*crowd, late)))
    assert {kind for kind, _ in ends} == {"collaboration.completed"}
    index = await balanced(world.log)
    assert most_slots(index) == {"interactive": SLOTS, "batch": 1}
    assert all(most_tasks(index, f"local:{ident}") == 1 for ident in crowd)
    assert [g.collaboration for g in grants(index) if g.priority == "interactive"] == crowd


async def test_r26_slots_are_given_in_the_order_in_which_they_were_asked_for(world: World) -> None:
    await set_budget(world.http, slots={"interactive": 1, "batch": 1})
    world.model.hold_at = 0
    crowd = [await ask(world) for _ in range(4)]
    await eventually(lambda: world.model.calls, timeout_s=PATIENCE_S, what="the first call")
    world.model.gate.set()
    await asyncio.gather(*(end_of(world, ident) for ident in crowd))
    index = await balanced(world.log)
    assert [grant.collaboration for grant in grants(index)] == crowd
