"""Solo processes of a test, stopped at its end, and one fleet for all tests."""

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from facilitair_testing.fleet import FleetProcess, FleetSystem, require_kafka
from facilitair_testing.solo import SoloProcess

MakeSolo = Callable[..., SoloProcess]
MakeSystem = Callable[..., SoloProcess | FleetSystem]

_FLEET = pytest.StashKey[FleetProcess]()

UNANSWERED_S = 15
"""Well above the session of the tests, so that a member that is stopped for shorter is left."""

SCALE = {"accounts": 2, "orchestrator": 2, "agent-worker": 2, "gateway": 2}


@pytest.fixture
async def make_solo(tmp_path: Path) -> AsyncIterator[MakeSolo]:
    made: list[SoloProcess] = []

    def make(**settings: int) -> SoloProcess:
        made.append(SoloProcess(tmp_path / f"home{len(made)}", **settings))
        return made[-1]

    yield make
    for solo in made:
        await solo.stop()


@pytest.fixture
async def solo(make_solo: MakeSolo) -> SoloProcess:
    process = make_solo()
    await process.start()
    return process


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_solo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SoloProcess]:
    """One solo for the tests of a module that do not kill it."""
    process = SoloProcess(tmp_path_factory.mktemp("shared"))
    await process.start()
    yield process
    await process.stop()


@pytest.fixture(scope="session")
def shared_fleet(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FleetProcess]:
    """One fleet for all tests, with two of each service; its end leaves no process behind."""
    require_kafka()
    process = FleetProcess(tmp_path_factory.mktemp("fleet") / "home", scale=SCALE)
    process.environment["FACILITAIR_SUPERVISOR_UNANSWERED_S"] = str(UNANSWERED_S)
    request.session.stash[_FLEET] = process
    yield process
    end(process)


@pytest.fixture(scope="module")
def fleet(shared_fleet: FleetProcess) -> FleetProcess:
    """The fleet of all tests, which runs."""
    if not shared_fleet.runs:
        shared_fleet.start()
    return shared_fleet


def end(fleet: FleetProcess) -> None:
    """Nothing of a fleet may be left."""
    if fleet.runs:
        fleet.stop()
    assert fleet.processes() == {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, None, None]:
    """End the fleet with the last test of this folder: idle, it takes a third of a core."""
    yield
    process = item.session.stash.get(_FLEET, None)
    if process and (nextitem is None or Path(__file__).parent not in nextitem.path.parents):
        end(process)


@pytest.fixture
def admin_key() -> str:
    """The key that opens ``locked_system``."""
    return "operator-of-the-locked-system-0123456789"


@pytest.fixture(params=["solo", "fleet"])
async def locked_system(
    request: pytest.FixtureRequest, tmp_path: Path, admin_key: str
) -> AsyncIterator[SoloProcess | FleetSystem]:
    """A system of its own that serves nobody without a key."""
    variables = {"FACILITAIR_GATEWAY_ADMIN_KEY": admin_key}
    if request.param == "solo":
        solo = SoloProcess(tmp_path / "home", variables=variables)
        await solo.start()
        yield solo
        await solo.stop()
        return
    require_kafka()
    scale = {"orchestrator": 1, "agent-worker": 1, "gateway": 2}
    process = FleetProcess(tmp_path / "home", scale=scale, variables=variables)
    try:
        await asyncio.to_thread(process.start)
        yield FleetSystem(process, services=scale)
    finally:
        await asyncio.to_thread(process.stop)


@pytest.fixture(params=["solo", "fleet"])
def make_system(request: pytest.FixtureRequest) -> MakeSystem:
    """Makes a solo, or shows the fleet, which is as quick as the tests ask for; both act alike."""
    if request.param == "solo":
        make: MakeSystem = request.getfixturevalue("make_solo")
        return make
    shared = request.getfixturevalue("fleet")
    return lambda **_settings: FleetSystem(shared, services=SCALE)


@pytest.fixture(scope="module", params=["solo", "fleet"])
def shared_system(request: pytest.FixtureRequest) -> SoloProcess | FleetSystem:
    """A solo of the module, or the fleet, for tests that kill nothing."""
    if request.param == "solo":
        solo: SoloProcess = request.getfixturevalue("shared_solo")
        return solo
    return FleetSystem(request.getfixturevalue("fleet"), services=SCALE)


@pytest.fixture
async def system(make_system: MakeSystem) -> SoloProcess | FleetSystem:
    """A solo, or the fleet, that is up."""
    made = make_system()
    await made.start()
    return made
