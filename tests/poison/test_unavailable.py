"""A collaboration whose account never hears of it ends by its deadline, and says why.

It waits two minutes for that, so this is of the long tests; the timer itself is a unit test.
"""

import pytest
import pytest_asyncio

from tests.poison.spoiling import PATIENT, cells_of, check, run_all

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.chaos,
    pytest.mark.timeout(400),
]

CELLS = cells_of(PATIENT)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outcomes(world):
    return await run_all(world, CELLS)


@pytest.mark.parametrize(("name", "kind"), CELLS)
async def test_whoever_waits_for_money_in_vain_fails(world, outcomes, name, kind):
    outcome = outcomes[name, kind]
    if isinstance(outcome, BaseException):
        raise outcome
    await check(world, outcome, name=name, kind=kind)
