"""The crash table in solo: the whole process dies at every point of every service."""

import pytest

from facilitair_testing.crash_cells import check, run_cell
from facilitair_testing.crash_table import SERVICES, Cell, cells, twice
from facilitair_testing.crash_victims import SoloVictim

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]


@pytest.mark.parametrize("cell", cells(*SERVICES, n=2), ids=str)
async def test_nothing_is_lost_and_nothing_is_paid_twice(cell, tmp_path, keep_row):
    await die_and_be_judged(cell, tmp_path, keep_row)


@pytest.mark.chaos
@pytest.mark.parametrize("cell", [*cells(*SERVICES, n=1), *cells(*SERVICES, n=3)], ids=str)
async def test_the_first_and_a_later_reach_too(cell, tmp_path, keep_row):
    await die_and_be_judged(cell, tmp_path, keep_row)


@pytest.mark.chaos
@pytest.mark.parametrize("cell", twice("orchestrator", "agent-worker", "accounts"), ids=str)
async def test_a_second_death_while_the_first_is_made_good(cell, tmp_path, keep_row):
    await die_and_be_judged(cell, tmp_path, keep_row)


@pytest.mark.chaos
async def test_a_point_that_is_not_reached_makes_the_cell_void(tmp_path):
    victim = SoloVictim(tmp_path / "home")
    try:
        row, _ = await run_cell(Cell(service="gateway", point="before_reply", n=1000), victim)
    finally:
        await victim.end()
    assert (row.reached, row.violations, row.recovery_s) == (False, (), None)


async def die_and_be_judged(cell, tmp_path, keep_row):
    victim = SoloVictim(tmp_path / "home")
    try:
        row, _ = await run_cell(cell, victim)
    finally:
        await victim.end()
    keep_row(row)
    check(row)
