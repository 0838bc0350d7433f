"""Records that a broker refuses: told in words by who sends them, and over when the cause is gone.

The operator of the cluster has set a topic so that it refuses (M3): because it believes the clocks
of clients, which are two hours ahead here, or because it takes next to nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping

import httpx
import pytest
import pytest_asyncio
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from facilitair_client.client import Facilitair
from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_events.topics import COLLABORATION_EVENTS, COLLABORATION_INBOX
from facilitair_messaging.adapters.kafka.topics import topic_config
from facilitair_native.kafka import KafkaServer
from facilitair_testing.eventually import eventually
from facilitair_testing.service_processes import ServiceProcesses, create_topics

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.integration,
    pytest.mark.timeout(400),
]

MEMBERS = ("accounts-0", "orchestrator-0", "agent-worker-0", "gateway-0")
AHEAD = "import time\n_now = time.time\ntime.time = lambda: _now() + 7200\n"
TELLS_THE_TIME = {"message.timestamp.type": "CreateTime"}
TAKES_NOTHING = {"max.message.bytes": "100"}
READY_S = 120.0
SUBMIT = {"task": "Say what a clock is", "workflow": "answer"}


class Operator:
    """Who may change the settings of topics."""

    def __init__(self, client: AIOKafkaAdminClient) -> None:
        self._client = client

    async def change(self, topic: str, changes: Mapping[str, str]) -> None:
        """Set a topic to what is declared, but for some changes."""
        config = topic_config(Registry.load(topics_dir()).spec(topic)) | dict(changes)
        wanted = ConfigResource(ConfigResourceType.TOPIC, topic, config)
        for answer in await self._client.alter_configs([wanted]):
            assert answer.resources[0][0] == 0, answer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def operator(victim_kafka: KafkaServer) -> AsyncIterator[Operator]:
    client = AIOKafkaAdminClient(bootstrap_servers=victim_kafka.address)
    await client.start()
    yield Operator(client)
    await client.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def members(
    victim_kafka: KafkaServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ServiceProcesses]:
    """One process of each service, whose clock is two hours ahead."""
    clock = tmp_path_factory.mktemp("clock")
    (clock / "sitecustomize.py").write_text(AHEAD)
    # The extension of the client library asks the system for the time, not Python.
    ahead = {"PYTHONPATH": str(clock), "AIOKAFKA_NO_EXTENSIONS": "1"}
    await create_topics(victim_kafka.address)
    home = tmp_path_factory.mktemp("refused") / "home"
    with ServiceProcesses(home, bootstrap=victim_kafka.address) as started:
        await started.start_simulator()
        for member in MEMBERS:
            started.start(member, ahead)
        await started.ready(*MEMBERS)
        yield started


async def submitted(members: ServiceProcesses) -> httpx.Response:
    async with httpx.AsyncClient(base_url=members.url(), timeout=60) as http:
        return await http.post("/v1/collaborations", json=SUBMIT)


async def check_well(members: ServiceProcesses) -> None:
    """A new collaboration is taken, and completed."""

    async def taken() -> httpx.Response | None:
        response = await submitted(members)
        return response if response.status_code == 202 else None

    response = await eventually(taken, timeout_s=READY_S, what="a request that is taken")
    assert response is not None
    await check_completed(members, response.json()["id"])


async def check_completed(members: ServiceProcesses, ident: str) -> None:
    async with Facilitair(members.url()) as client, asyncio.timeout(READY_S):
        kinds = [event.kind async for event in client.stream(ident)]
    assert kinds[-1] == "collaboration.completed"


async def test_r01_clocks_that_are_hours_ahead_change_nothing(members: ServiceProcesses) -> None:
    await check_well(members)


@pytest.mark.parametrize(
    ("changes", "status", "code", "told"),
    [
        (TELLS_THE_TIME, 503, "log_refuses", "InvalidTimestamp"),
        (TAKES_NOTHING, 422, "request_unusable", "MessageSizeTooLarge"),
    ],
    ids=["time-ahead", "oversized"],
)
async def test_m3_what_a_gateway_may_not_write_is_told_and_over_when_it_may(
    members: ServiceProcesses, operator: Operator, changes, status, code, told
) -> None:
    running = members.pid("gateway-0")
    await operator.change(COLLABORATION_INBOX, changes)
    try:

        async def refused() -> httpx.Response | None:
            response = await submitted(members)
            return response if response.status_code != 202 else None

        response = await eventually(refused, timeout_s=READY_S, what="a refusal")
        assert response is not None
        assert (response.status_code, response.json()["code"]) == (status, code)
        assert COLLABORATION_INBOX in response.text
        assert told in response.text
    finally:
        await operator.change(COLLABORATION_INBOX, {})
    await check_well(members)
    assert members.pid("gateway-0") == running


@pytest.mark.parametrize(
    ("changes", "told"),
    [(TELLS_THE_TIME, "InvalidTimestamp"), (TAKES_NOTHING, "MessageSizeTooLarge")],
    ids=["time-ahead", "oversized"],
)
async def test_m3_an_orchestrator_that_may_not_write_ends_loudly_and_loses_nothing(
    members: ServiceProcesses, operator: Operator, changes, told
) -> None:
    await operator.change(COLLABORATION_EVENTS, changes)
    try:
        response = await submitted(members)
        assert response.status_code == 202
        assert await members.gone("orchestrator-0", timeout_s=READY_S) == 1
        last = members.told("orchestrator-0").splitlines()[-1]
        assert COLLABORATION_EVENTS in last
        assert told in last
    finally:
        await operator.change(COLLABORATION_EVENTS, {})
        if not members.runs("orchestrator-0"):
            members.start("orchestrator-0")
    await members.ready("orchestrator-0")
    await check_completed(members, response.json()["id"])
