"""The same on a real broker: one kind of each, and all of them among the long tests."""

import pytest
import pytest_asyncio

from tests.poison.spoiling import CELLS as SPOILED
from tests.poison.spoiling import check, run_all
from tests.poison.strewing import CELLS as STREWN
from tests.poison.strewing import strew
from tests.poison.world import kafka_world

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.integration]

SHORT = "not-json"
SLOW = {"call", "result"}
"""Who lost the outcome of a call waits 15 s for it (R14)."""


def cells(all_cells):
    """One kind in every run, the others with the long tests."""
    return [
        pytest.param(
            *cell, marks=() if cell[1] == SHORT and cell[0] not in SLOW else pytest.mark.chaos
        )
        for cell in all_cells
    ]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kafka(victim_kafka, tmp_path_factory):
    async with kafka_world(victim_kafka.address, tmp_path_factory.mktemp("poison")) as world:
        yield world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outcomes(kafka, request):
    """What became of the spoiled collaborations that this run asks for."""
    asked = {
        (item.callspec.params.get("name"), item.callspec.params.get("kind"))
        for item in request.session.items
        if hasattr(item, "callspec")
    }
    return await run_all(kafka, [cell for cell in SPOILED if cell in asked])


@pytest.mark.parametrize(("name", "kind"), cells(SPOILED))
async def test_a_spoiled_record_ends_what_waits_for_it(kafka, outcomes, name, kind):
    outcome = outcomes[name, kind]
    if isinstance(outcome, BaseException):
        raise outcome
    await check(kafka, outcome, name=name, kind=kind)


@pytest.mark.parametrize(("topic", "kind"), cells(STREWN))
async def test_poison_is_told_once_and_stops_nobody(kafka, topic, kind):
    await strew(kafka, topic, kind)
