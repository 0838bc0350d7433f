"""Many at once at a limit: never over it, whoever asks first."""

import asyncio
from decimal import Decimal

import pytest

from facilitair_testing.history.tills import Till
from tests.money.telling import ask, balanced, end_of, set_budget, tenant_limit
from tests.poison.world import World

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

CROWD = 50


async def test_i07_fifty_at_once_are_never_over_their_limit(world: World) -> None:
    world.model.texts = ["a", "b"]
    await set_budget(world.http, limits=tenant_limit("0.000001"))
    poor = await ask(world)
    assert (await end_of(world, poor))[1]["fault"]["code"] == "budget_exceeded"
    need = next(v["refusal"]["asked_usd"] for k, v in world.events(poor) if k == "budget.refused")
    limit = 3 * Decimal(need)
    await set_budget(world.http, limits=tenant_limit(limit))
    crowd = [await ask(world) for _ in range(CROWD)]
    ends = await asyncio.gather(*(end_of(world, ident) for ident in crowd))
    kinds = {kind for kind, _ in ends}
    assert "collaboration.completed" in kinds
    index = await balanced(world.log)
    till, most = Till(), Decimal(0)
    for entry in index.books.first["local"].values():
        till.take(entry.data)
        most = max(most, till.spent_usd + till.reserved_usd())
    assert 0 < most <= limit
