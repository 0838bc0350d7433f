"""Poison of every kind in every topic of the registry, about collaborations that nobody began.

A topic that is added later is covered by itself: its first type has an example, and how its
consumers read it follows from its declaration.
"""

import pytest

from tests.poison.strewing import CELLS, strew
from tests.poison.world import SERVICES

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.integration]


@pytest.mark.parametrize(("topic", "kind"), CELLS)
async def test_poison_is_told_once_and_stops_nobody(world, topic, kind):
    await strew(world, topic, kind)


async def test_owners_that_start_find_their_way_through_all_of_it(world):
    """Runs last: what was strewn is read from its beginning by views, ledgers and owners."""
    before = (await world.submit())["id"]
    assert (await world.end(before))[0] == "collaboration.completed"
    for name in SERVICES:
        await world.restart(name)
    shown = await world.http.get(f"/v1/collaborations/{before}")
    assert shown.json()["status"] == "completed"
    after = (await world.submit())["id"]
    assert (await world.end(after))[0] == "collaboration.completed"
    assert (await world.watch(after))[-1][1] == "collaboration.completed"
