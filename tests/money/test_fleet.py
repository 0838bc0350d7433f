"""Money on a real Kafka: many at a limit, a worker that stands still, accounts that are away."""

import asyncio
import json
import shutil
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from typing import Any

import httpx
import pytest
import pytest_asyncio

from facilitair_events.books import CallSettled
from facilitair_events.layout import checkout_root, topics_dir
from facilitair_events.registry import Registry
from facilitair_messaging.adapters.kafka import KafkaLog
from facilitair_native.kafka import KafkaServer
from facilitair_testing.chaos.preparing import write_definitions
from facilitair_testing.client_journal import ClientJournal
from facilitair_testing.crash_clients import CrashClient, open_session
from facilitair_testing.eventually import eventually
from facilitair_testing.history import Terms, judge, read_history
from facilitair_testing.history.index import Index
from facilitair_testing.history.judging import hold_none
from facilitair_testing.service_processes import ServiceProcesses, create_topics
from tests.money.telling import entries, set_budget, tenant_limit

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.chaos,
    pytest.mark.timeout(600),
]

LEASE_MS = 3_000
WAIT_S = 180.0
AWAY_S = 60.0
ALL = (
    "accounts-0", "accounts-1", "orchestrator-0", "orchestrator-1", "agent-worker-0",
    "agent-worker-1", "agent-worker-2", "gateway-0",
)  # fmt: skip


class Fleet:
    """Two orchestrators, two accounts, three workers, one gateway; and its clients."""

    def __init__(self, members: ServiceProcesses, *, bootstrap: str) -> None:
        self.members = members
        self.bootstrap = bootstrap
        self.journal = ClientJournal(members.home / "clients.jsonl")
        self._before = 0

    async def begin(self, *members: str, limits: Sequence[dict[str, str]] = ()) -> None:
        """Run these members and no others, with these limits; requests count from here."""
        for member in ALL:
            if self.members.runs(member):
                self.members.kill(member)
        await start(self, *members)
        async with httpx.AsyncClient(base_url=self.members.url(), timeout=60) as http:
            await set_budget(http, limits=list(limits))
        self._before = len(self._asked())

    def requests(self) -> list[dict[str, Any]]:
        """What the provider was asked since the test began."""
        return self._asked()[self._before :]

    def _asked(self) -> list[dict[str, Any]]:
        path = self.members.journal_path
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in map(json.loads, lines) if line["outcome"] == "started"]

    async def index(self, *, ended: bool = True) -> Index:
        """Everything that is there by now."""
        registry = Registry.load(topics_dir())
        async with KafkaLog.open(self.bootstrap, registry.topics) as log:
            history = await read_history(
                log,
                registry=registry,
                provider_journal=self.members.journal_path,
                client_journal=self.members.home / "clients.jsonl",
                artifacts=self.members.home / "artifacts",
            )
        return Index(history, Terms(lease_ms=LEASE_MS, ended=ended))

    async def held(self) -> Index:
        """The same once every account has closed; raises for a rule that is broken."""

        async def closed() -> Index | None:
            index = await self.index()
            newest = [max(e, key=lambda x: int(x.data.applied)) for e in index.books.state.values()]
            asked = {key for key in index.books.numbered if index.terminal(key) is None}
            return None if asked or any(e.data.state.open for e in newest) else index

        found = await eventually(closed, timeout_s=WAIT_S, what="closed envelopes")
        assert found is not None
        hold_none(judge(found.history, lease_ms=LEASE_MS, stop_grace_ms=20_000))
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(
    tmp_path_factory: pytest.TempPathFactory, victim_kafka: KafkaServer
) -> AsyncIterator[Fleet]:
    home = tmp_path_factory.mktemp("money") / "home"
    write_definitions(home / "definitions")
    own = checkout_root() / "workflows" / "answer.yaml"
    shutil.copy(own, home / "definitions" / "workflows")
    await create_topics(victim_kafka.address)
    variables = {"FACILITAIR_GATEWAY_DEFINITIONS": str(home / "definitions")}
    with ServiceProcesses(home, bootstrap=victim_kafka.address, variables=variables) as members:
        await members.start_simulator()
        found = Fleet(members, bootstrap=victim_kafka.address)
        with closing(found.journal):
            yield found


async def start(fleet: Fleet, *members: str) -> None:
    for member in members:
        fleet.members.start(member)
    await fleet.members.ready(*members)


def client(fleet: Fleet, name: str, *, session: Any, task: str, workflow: str) -> CrashClient:
    return CrashClient(
        name, task=task, workflow=workflow, url=fleet.members.url, session=session,
        journal=fleet.journal,
    )  # fmt: skip


async def run_all(fleet: Fleet, tasks: Sequence[str], *, workflow: str, name: str) -> list[str]:
    """Ask for all of them at once and watch them to their ends."""
    async with open_session() as session:
        clients = [
            client(fleet, f"{name}-{n}", session=session, task=task, workflow=workflow)
            for n, task in enumerate(tasks)
        ]
        await asyncio.gather(*(one.submit() for one in clients))
        return list(await asyncio.gather(*(one.watch() for one in clients)))


async def test_i07_two_orchestrators_and_three_workers_never_go_over_a_limit(fleet: Fleet) -> None:
    await fleet.begin(*ALL, limits=tenant_limit("0.15"))
    tasks = [f"Write a function about primes, number {n}, with tests" for n in range(50)]
    ends = await run_all(fleet, tasks, workflow="trio", name="many")
    assert len(ends) == len(tasks)
    assert "collaboration.failed" in ends, "the limit was never reached: the test shows nothing"
    assert fleet.requests(), "nothing ran at all"
    index = await fleet.held()
    assert entries(index)


async def test_r20_a_worker_that_stood_still_burns_one_call_and_the_books_say_so(
    fleet: Fleet,
) -> None:
    await fleet.begin(*(name for name in ALL if name not in {"agent-worker-1", "agent-worker-2"}))
    slow = "Say what the log is [[simulator:ttft_ms=6000;times=1]]"
    async with open_session() as session:
        one = client(fleet, "frozen", session=session, task=slow, workflow="answer")
        await one.submit()
        await eventually(fleet.requests, timeout_s=WAIT_S, what="the first request")
        fleet.members.signal("agent-worker-0", signal.SIGSTOP)
        await start(fleet, "agent-worker-1")
        assert await one.watch() == "collaboration.completed"
        fleet.members.signal("agent-worker-0", signal.SIGCONT)
    burned, counted = (line["call_id"] for line in fleet.requests())

    async def told() -> Index | None:
        index = await fleet.index()
        outcomes = [e.outcome for e in entries(index) if e.call_id == burned]
        return index if outcomes == ["unknown", "completed"] else None

    index = await eventually(told, timeout_s=WAIT_S, what="what the burned call did cost")
    assert index is not None
    first, late = (e for e in entries(index) if e.call_id == burned)
    assert first.charged_usd == first.reserved_usd
    assert (late.was_usd, late.late) == (first.charged_usd, True)
    assert late.charged_usd < first.charged_usd
    assert [e.outcome for e in entries(index) if e.call_id == counted] == ["completed"]
    await fleet.held()


async def test_r26_accounts_away_for_a_minute_start_nothing_and_lose_nothing(fleet: Fleet) -> None:
    await fleet.begin(*ALL)
    slow = "Say what the log is, once [[simulator:ttft_ms=5000]]"
    async with open_session() as session:
        running = client(fleet, "running", session=session, task=slow, workflow="answer")
        await running.submit()
        await eventually(fleet.requests, timeout_s=WAIT_S, what="a call that runs")
        for member in ("accounts-0", "accounts-1"):
            fleet.members.kill(member)
        away_until = time.monotonic() + AWAY_S
        waiting = [
            client(fleet, f"waiting-{n}", session=session, task=f"Say {n}", workflow="answer")
            for n in range(5)
        ]
        await asyncio.gather(*(one.submit() for one in waiting))
        assert await running.watch() == "collaboration.completed"
        await eventually(
            lambda: time.monotonic() >= away_until, timeout_s=2 * AWAY_S, what="a minute away"
        )
        assert len(fleet.requests()) == 1
        assert charged(await fleet.index(ended=False), running) == []
        await start(fleet, "accounts-0", "accounts-1")
        ends = await asyncio.gather(*(one.watch() for one in waiting))
    assert set(ends) == {"collaboration.completed"}
    index = await fleet.held()
    assert [len(charged(index, one)) for one in (running, *waiting)] == [1] * 6


def charged(index: Index, one: CrashClient) -> list[CallSettled]:
    """What a client's collaboration was charged."""
    return [entry for entry in entries(index) if entry.collaboration == one.ident]
