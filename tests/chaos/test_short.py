"""The short part: three seeds on L0, and every fault once on Kafka is left to ``make chaos``."""

import os
from pathlib import Path

import pytest

from facilitair_testing.chaos.loads import L0
from facilitair_testing.chaos.results import Result, table
from facilitair_testing.chaos.running import Order, run
from facilitair_testing.fleet import require_kafka

pytestmark = pytest.mark.integration

SEEDS = (1, 3, 6)


async def proven(seed: int, system: str, folder: Path) -> Result:
    told: list[str] = [f"seed {seed} on {system} under {L0.name}"]
    order = Order(seed=seed, system=system, load=L0, folder=folder / "run")
    result = await run(order, tell=told.append)
    print("\n".join([*told, table([result]), *result.trouble, *result.void, *result.impossible]))
    return result


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", SEEDS)
async def test_solo_keeps_its_promises_under_faults(seed: int, tmp_path: Path) -> None:
    result = await proven(seed, "solo", tmp_path)
    assert result.violations == ()
    assert result.void == ()
    assert result.trouble == ()
    assert (result.accepted, result.terminal) == (L0.collaborations, L0.collaborations)
    assert result.unanswered == 0


@pytest.mark.chaos
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", [1])
async def test_a_fleet_keeps_its_promises_under_faults(seed: int, tmp_path: Path) -> None:
    require_kafka()
    result = await proven(seed, "kafka", tmp_path)
    assert result.violations == ()
    assert result.void == ()
    assert result.trouble == ()
    assert (result.accepted, result.terminal) == (L0.collaborations, L0.collaborations)
