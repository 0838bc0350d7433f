"""The crash table on a real Kafka: one process of a service dies at every point it has."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from facilitair_native.kafka import KafkaServer
from facilitair_testing.chaos.preparing import write_definitions
from facilitair_testing.crash_cells import check, run_cell
from facilitair_testing.crash_table import SERVICES, cells, twice
from facilitair_testing.crash_victims import BEHIND, MemberVictim
from facilitair_testing.history import Violation
from facilitair_testing.service_processes import ServiceProcesses, create_topics

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]


class Fleet:
    """The broker, one member of each service, and what was wrong in earlier cells."""

    def __init__(self, members: ServiceProcesses, *, bootstrap: str) -> None:
        self.members = members
        self.bootstrap = bootstrap
        self.known: list[Violation] = []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def crew(tmp_path_factory, victim_kafka: KafkaServer) -> AsyncIterator[Fleet]:
    home = tmp_path_factory.mktemp("crash") / "home"
    write_definitions(home / "definitions")
    await create_topics(victim_kafka.address)
    variables = {"FACILITAIR_GATEWAY_DEFINITIONS": str(home / "definitions"), **BEHIND}
    members = ServiceProcesses(home, bootstrap=victim_kafka.address, variables=variables)
    with members:
        await members.start_simulator()
        for service in SERVICES:
            members.start(f"{service}-0")
        await members.ready(*(f"{service}-0" for service in SERVICES))
        yield Fleet(members, bootstrap=victim_kafka.address)


@pytest.mark.parametrize("cell", cells("orchestrator", "agent-worker", "accounts", n=2), ids=str)
async def test_nothing_is_lost_and_nothing_is_paid_twice(cell, crew, keep_row):
    await die_and_be_judged(cell, crew, keep_row)


@pytest.mark.chaos
@pytest.mark.parametrize(
    "cell",
    [*cells("gateway", n=2), *cells(*SERVICES, n=1), *cells(*SERVICES, n=3)],
    ids=str,
)
async def test_the_gateway_the_first_and_a_later_reach_too(cell, crew, keep_row):
    await die_and_be_judged(cell, crew, keep_row)


@pytest.mark.chaos
@pytest.mark.parametrize("cell", twice("orchestrator", "agent-worker", "accounts"), ids=str)
async def test_a_second_death_while_the_first_is_made_good(cell, crew, keep_row):
    await die_and_be_judged(cell, crew, keep_row)


async def die_and_be_judged(cell, crew: Fleet, keep_row):
    victim = MemberVictim(crew.members, cell.service, bootstrap=crew.bootstrap)
    row, crew.known = await run_cell(cell, victim, known=crew.known)
    keep_row(row)
    check(row)
