"""The record that a collaboration waits for is spoiled on its way: it ends, and says why.

All cells run at the same time, in one set of services and in one partition of each topic.
"""

import pytest
import pytest_asyncio

from facilitair_events.ids import call_id
from tests.poison.spoiling import CELLS, check, run_all

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.integration]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outcomes(world):
    return await run_all(world, CELLS)


@pytest.mark.parametrize(("name", "kind"), CELLS)
async def test_a_spoiled_record_ends_what_waits_for_it(world, outcomes, name, kind):
    outcome = outcomes[name, kind]
    if isinstance(outcome, BaseException):
        raise outcome
    await check(world, outcome, name=name, kind=kind)


async def test_a_lost_reply_leaves_a_cursor_that_works(outcomes):
    outcome = outcomes["reply", "not-json"]
    assert outcome.submitted["status"] == "queued"
    assert outcome.submitted["cursor"] == "start"


async def test_a_claim_that_cannot_be_read_is_claimed_anew(world, outcomes):
    outcome = outcomes["claim", "not-json"]
    second = call_id("local", outcome.collaboration, "assistant", 1, 1)
    assert f"local/{second}" in world.model.calls
