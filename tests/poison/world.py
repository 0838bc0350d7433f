"""All services in one process, over a log whose records a test can spoil."""

import asyncio
import json
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
from msgspec import structs
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from facilitair_accounts import app as accounts
from facilitair_accounts.settings import AccountReducerGroup, AccountsSettings
from facilitair_agent_worker import app as agent_worker
from facilitair_agent_worker.settings import AgentWorkerSettings
from facilitair_events.envelope import header
from facilitair_events.layout import topics_dir
from facilitair_events.registry import DLQ_SUFFIX, Registry, TopicSpec
from facilitair_events.topics import ACCOUNT_EVENTS, ACCOUNT_REQUESTS, COLLABORATION_EVENTS
from facilitair_events.types import TERMINAL_KINDS, kind_of
from facilitair_gateway import app as gateway
from facilitair_gateway.settings import GatewaySettings
from facilitair_llm.endpoints import Endpoint, Endpoints
from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_messaging.adapters.kafka import KafkaLog, Timing
from facilitair_messaging.following import Follower, readable
from facilitair_messaging.messages import Incoming
from facilitair_messaging.ports import Log, Message, Record, TopicPartition
from facilitair_observability.metrics import Metrics
from facilitair_orchestrator import app as orchestrator
from facilitair_orchestrator.settings import OrchestratorSettings
from facilitair_runtime.app import App, run_until
from facilitair_runtime.settings import ReducerGroup, RejectionsGroup
from facilitair_testing.eventually import eventually
from facilitair_testing.scripted_model import ScriptedModel
from facilitair_testing.spoiling import SpoilingLog

# Much of what these services read is poison; when that is too much, `test_limits` says.
_MANY: Final = RejectionsGroup(max_consecutive=1000, max_ratio=1)
PATIENCE_S: Final = 240.0
_REPLY_S: Final = 6.0
"""Who lost its reply waits so long, all at the same time; a busy broker may need some of it."""

_AWAY: Final = 503
Wanted = Callable[[Message], bool]
Change = Callable[[Message], Message]

SERVICES: Final = ("accounts", "orchestrator", "agent-worker", "gateway")
_OF_TENANTS: Final = frozenset({ACCOUNT_EVENTS, ACCOUNT_REQUESTS})
"""What is in them about a collaboration is about its tenant by key and header."""

_ENDPOINTS: Final = Endpoints(
    by_provider={"simulator": Endpoint(provider="simulator", base_url="http://127.0.0.1:9/v1")},
    default_provider="simulator",
)


def one_partition_each() -> dict[str, TopicSpec]:
    """The topics as declared, but for their partitions: whatever follows poison lies behind it."""
    topics = Registry.load(topics_dir()).topics
    return {name: structs.replace(spec, partitions=1) for name, spec in topics.items()}


def owner_of(message: Message) -> str:
    """The collaboration that a record is about; else its tenant."""
    if message.topic in _OF_TENANTS:
        told = json.loads(message.value or b"{}").get("collaboration")
        if told is not None:
            return str(told)
    return (header(message.headers, "ce_subject") or message.key.split(b":")[-1]).decode()


class World:
    """The services, and what a test does to them and sees of them."""

    def __init__(self, log: Log, home: Path) -> None:
        self.log = log
        self.model = ScriptedModel("x")
        self.spoiled: dict[str, Message] = {}
        self._home = home
        self._spoiling = SpoilingLog(log, self._spoil)
        self._wanted: dict[str, tuple[Wanted, Change]] = {}
        self._events: dict[str, list[tuple[str, dict[str, Any]]]] = defaultdict(list)
        self._apps: dict[str, App] = {}
        self._stops: dict[str, asyncio.Event] = {}
        self._runs: dict[str, asyncio.Task[None]] = {}
        self._http: httpx.AsyncClient | None = None

    @property
    def http(self) -> httpx.AsyncClient:
        """A client of the gateway."""
        assert self._http is not None
        return self._http

    async def start(self, name: str) -> None:
        """Start a service and return when it is ready."""
        ready, stop = asyncio.Event(), asyncio.Event()
        self._stops[name] = stop
        run = self._runs[name] = asyncio.create_task(self._run(name, ready, stop))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait([run, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        self.check_alive(name)
        app: Any = self._apps[name]
        await eventually(lambda: app.ready() or run.done(), timeout_s=PATIENCE_S, what=name)
        self.check_alive(name)

    async def stop(self, name: str) -> None:
        """Stop a service in good order; raises what it died of."""
        self._stops[name].set()
        await self._runs[name]

    async def restart(self, name: str) -> None:
        """Stop a service, then start it again."""
        await self.stop(name)
        await self.start(name)

    def check_alive(self, *names: str) -> None:
        """Raise what a service died of."""
        for name in names or SERVICES:
            if self._runs[name].done():
                self._runs[name].result()
                raise AssertionError(name)

    async def _run(self, name: str, ready: asyncio.Event, stop: asyncio.Event) -> None:
        async with self._build(name) as app:
            self._apps[name] = app
            ready.set()
            await run_until(app, stop, deadline_s=10)

    @asynccontextmanager
    async def _build(self, name: str) -> AsyncIterator[App]:
        home, log = self._home, self._spoiling
        if name == "orchestrator":
            reducer = ReducerGroup(snapshot_interval_ms=1)
            async with orchestrator.build_app(
                OrchestratorSettings(home=home, reducer=reducer, rejections=_MANY), log
            ) as built:
                yield built
        elif name == "accounts":
            group = AccountReducerGroup(snapshot_interval_ms=1)
            async with accounts.build_app(
                AccountsSettings(home=home, reducer=group, rejections=_MANY), log
            ) as kept:
                yield kept
        elif name == "agent-worker":
            settings = AgentWorkerSettings(home=home, rejections=_MANY)
            async with agent_worker.build_app(settings, log, endpoints=_ENDPOINTS) as worker:
                worker.models["simulator"] = self.model
                yield worker
        else:
            async with (
                gateway.build_app(
                    GatewaySettings(home=home, port=0, request_timeout_s=_REPLY_S), log,
                    endpoints=_ENDPOINTS,
                ) as served,
                httpx.AsyncClient(base_url=served.url, timeout=PATIENCE_S) as self._http,
            ):  # fmt: skip
                yield served

    def answer_with(self, *texts: str) -> ScriptedModel:
        """Have the model say this from now on."""
        worker: Any = self._apps["agent-worker"]
        self.model = worker.models["simulator"] = ScriptedModel(*texts)
        return self.model

    def spoil(self, collaboration: str, *, wanted: Wanted, change: Change) -> None:
        """Change the first record of a collaboration that is wanted, on its way into the log."""
        self._wanted[collaboration] = (wanted, change)

    def _spoil(self, messages: Sequence[Message]) -> list[Message]:
        return [self._maybe_spoilt(message) for message in messages]

    def _maybe_spoilt(self, message: Message) -> Message:
        owner = owner_of(message)
        if owner not in self._wanted or not self._wanted[owner][0](message):
            return message
        _, change = self._wanted.pop(owner)
        self.spoiled[owner] = changed = change(message)
        return changed

    async def append(self, *messages: Message) -> int:
        """Append records as they are; the offset of the first."""
        async with self.log.producer() as producer:
            acks = await producer.send(messages)
        return acks[0].offset or 0

    async def records(self, topic: str) -> list[Record]:
        """Everything in a topic."""
        tp = TopicPartition(topic, 0)
        end = (await self.log.admin().end_offsets([tp]))[tp]
        found: list[Record] = []
        async with self.log.reader() as reader:
            reader.assign({tp: 0})
            while reader.positions()[tp] < end:
                found += await reader.poll(max_records=1000, wait_s=1)
        return found

    async def letters(self, topic: str, offset: int) -> list[dict[str, str]]:
        """The headers of the dead letters of one record that say why."""
        found = []
        for letter in await self.records(topic + DLQ_SUFFIX):
            why = {n: v.decode() for n, v in letter.headers if n.startswith("dlq_")}
            if why.get("dlq_offset") == str(offset):
                found.append(why)
        return found

    def counted(self, service: str, metric: str, **labels: str) -> float:
        """The value of a counter of a service."""
        text = self._apps[service].metrics.render().decode()
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == f"{metric}_total" and labels.items() <= sample.labels.items()
        )

    async def submit(self, key: str | None = None) -> dict[str, Any]:
        """Ask for a collaboration of one agent; again, while a busy log has written nothing."""
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        body = {"task": "Say it.", "workflow": "answer"}
        async with asyncio.timeout(PATIENCE_S):
            while _is_silent(
                answer := await self.http.post("/v1/collaborations", json=body, headers=headers)
            ):
                pass
        assert answer.status_code == 202, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def events(self, collaboration: str) -> list[tuple[str, dict[str, Any]]]:
        """Kind and value of the public events of a collaboration that could be read so far."""
        return self._events[collaboration]

    def take(self, incoming: Incoming) -> None:
        """Remember a public event."""
        value = json.loads(incoming.record.value or b"")
        kind = kind_of(incoming.envelope.type)
        self._events[incoming.envelope.subject].append((kind, value))

    async def end(self, collaboration: str) -> tuple[str, dict[str, Any]]:
        """The terminal event of a collaboration, which is its last and only one."""

        def ended() -> list[tuple[str, dict[str, Any]]]:
            self.check_alive()
            events = self.events(collaboration)
            return [event for event in events if event[0] in TERMINAL_KINDS]

        what = f"the end of {collaboration}"
        (terminal,) = await eventually(ended, timeout_s=PATIENCE_S, what=what)
        return terminal

    async def watch(
        self, collaboration: str, *, cursor: str | None = None
    ) -> list[tuple[str, str, Any]]:
        """Id, event and data of every frame until the stream ends; a broken frame raises.

        Asked again when nobody answers in time, as on a machine with much to do.
        """
        path = f"/v1/collaborations/{collaboration}/stream"
        params = {} if cursor is None else {"cursor": cursor}
        async with asyncio.timeout(PATIENCE_S):
            while (answer := await self.http.get(path, params=params)).status_code == _AWAY:
                pass
        text = answer.text
        assert answer.status_code == 200, text
        blocks = [block for block in text.split("\n\n") if block.startswith("id: ")]
        return [_frame(block) for block in blocks]


def _is_silent(answer: httpx.Response) -> bool:
    return answer.status_code == _AWAY and answer.json()["code"] == "log_silent"


def _frame(block: str) -> tuple[str, str, Any]:
    ident, event, data = block.split("\n")
    assert (ident[:4], event[:7], data[:6]) == ("id: ", "event: ", "data: "), block
    return ident[4:], event[7:], json.loads(data[6:])


@asynccontextmanager
async def embedded_world(home: Path) -> AsyncIterator[World]:
    """The services over an embedded log."""
    topics = one_partition_each()
    async with EmbeddedLog.open(home / "log.db", topics) as log, running(log, home) as world:
        yield world


@asynccontextmanager
async def kafka_world(bootstrap: str, home: Path) -> AsyncIterator[World]:
    """The services over a broker that has nothing else to do."""
    topics = one_partition_each()
    async with (
        KafkaLog.open(bootstrap, topics, timing=Timing.for_tests()) as log,
        running(log, home) as world,
    ):
        yield world


@asynccontextmanager
async def running(log: Log, home: Path) -> AsyncIterator[World]:
    """All services, ready; each is stopped at the end, and what one died of is raised."""
    await log.admin().ensure_topics(one_partition_each().values())
    world = World(log, home)
    apply = readable(world.take, metrics=Metrics(CollectorRegistry()))
    events = Follower(log=log, topic=COLLABORATION_EVENTS, apply=apply)
    async with AsyncExitStack() as stack:
        following = asyncio.create_task(events.run())
        stack.push_async_callback(_end, following)
        for name in SERVICES:
            await world.start(name)
            stack.push_async_callback(world.stop, name)
        yield world


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
