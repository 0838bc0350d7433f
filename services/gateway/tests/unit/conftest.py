"""A real gateway over an embedded log, and an orchestrator that is nothing but ``decide``."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from facilitair_events import codec
from facilitair_events.decision import Received
from facilitair_events.envelope import Envelope, from_headers, header
from facilitair_events.keys import collaboration_key
from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_events.requests import AttemptReported, CallReported, Usage
from facilitair_events.stream import AttemptReset, AttemptStarted, Token
from facilitair_events.text import inline
from facilitair_events.topics import (
    ACCOUNT_REQUESTS,
    COLLABORATION_INBOX,
    COLLABORATION_STREAM,
)
from facilitair_gateway.app import Gateway, build_app
from facilitair_gateway.settings import GatewaySettings, PolicyGroup, StreamGroup
from facilitair_llm.endpoints import Endpoint, Endpoints
from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_messaging.errors import ReplyTimeoutError
from facilitair_messaging.messages import message
from facilitair_messaging.ports import Log, Message, Record, TopicPartition
from facilitair_messaging.request_reply import PendingReply, reply_message
from facilitair_observability.timestamps import now_ms
from facilitair_testing.eventually import eventually
from facilitair_workflows.decide import decide
from services.gateway.tests.accounting import Accountant
from services.gateway.tests.accounting import envelope as account_envelope

ENDPOINTS = Endpoints(
    by_provider={"simulator": Endpoint(provider="simulator", base_url="http://127.0.0.1:9/v1")},
    default_provider="simulator",
)


def envelope(data: msgspec.Struct, *, subject: str, ident: str, seq: int | None = None) -> Envelope:
    return Envelope(
        id=ident, type=codec.type_name(data), source="test", time="2026-01-01T00:00:00.000Z",
        subject=subject, tenant="local", project="default", actor="local", correlation="r", seq=seq,
    )  # fmt: skip


class Orchestrator:
    """Reads the whole inbox and answers; ``task`` runs it until it is cancelled."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.states: dict[str, Any] = {}
        self.commands: list[Any] = []

    async def run(self) -> None:
        partitions = await self._log.admin().partitions(COLLABORATION_INBOX)
        tps = [TopicPartition(COLLABORATION_INBOX, number) for number in range(partitions)]
        async with self._log.reader() as reader, self._log.producer() as producer:
            reader.assign(dict.fromkeys(tps, 0))
            while True:
                for record in await reader.poll(max_records=100, wait_s=5):
                    messages = self._decide(record)
                    if messages:
                        await producer.send(messages)

    def _decide(self, record: Record) -> list[Message]:
        about = from_headers(record.headers)
        received = Received(
            tenant=about.tenant, subject=about.subject, offset=record.offset,
            at_ms=record.timestamp_ms, id=about.id, data=codec.decode(about.type, record.value),
        )  # fmt: skip
        name = about.subject if about.tenant == "local" else f"{about.tenant}:{about.subject}"
        decision = decide(self.states.get(name), received)
        self.states[name] = decision.state
        self.commands += [command.data for command in decision.commands]
        asked = [
            message(
                topic=ACCOUNT_REQUESTS,
                key=command.key,
                data=command.data,
                envelope=account_envelope(
                    command.data,
                    tenant=about.tenant,
                    subject=about.tenant,
                    ident=f"{about.id}/{number}",
                ),
            )
            for number, command in enumerate(decision.commands)
            if command.topic == ACCOUNT_REQUESTS
        ]
        copies = [
            event_copy(about.subject, event, tenant=about.tenant) for event in decision.events
        ]
        replies = [
            reply_message(
                to=reply.to,
                data=reply.data,
                envelope=envelope(reply.data, subject=about.subject, ident=about.id),
            )
            for reply in decision.replies
        ]
        return copies + replies + asked


def event_copy(collaboration: str, event: Any, *, tenant: str = "local") -> Message:
    about = envelope(event, subject=collaboration, ident=f"{event.seq}", seq=event.seq)
    about = msgspec.structs.replace(about, tenant=tenant)
    key = collaboration_key(tenant, collaboration)
    return message(topic=COLLABORATION_STREAM, key=key, data=event, envelope=about)


class Stage:
    """What a test does beside the gateway: writes as a worker would, and looks into the log."""

    def __init__(self, log: Log) -> None:
        self.log = log

    async def write(self, *messages: Message) -> None:
        async with self.log.producer() as producer:
            await producer.send(messages)

    def token(
        self, collaboration: str, index: int, text: str = "x", *, attempt: int = 1,
        step: str = "coder",
    ) -> Message:  # fmt: skip
        data = Token(step=step, attempt=attempt, agent="coder", index=index, text=text)
        headers = (
            ("ce_type", b"facilitair.token.v1"),
            ("step", step.encode()),
            ("attempt", b"%d" % attempt),
            ("index", b"%d" % index),
        )
        key = collaboration_key("local", collaboration).encode()
        return Message(COLLABORATION_STREAM, key, codec.encode(data), headers)

    def event(self, collaboration: str, event: Any) -> Message:
        return event_copy(collaboration, event)

    def announcement(self, collaboration: str, attempt: int, *, step: str = "coder") -> Message:
        kind = AttemptStarted if attempt == 1 else AttemptReset
        data = kind(
            collaboration=collaboration, step=step, attempt=attempt, agent="coder", model="m"
        )
        about = envelope(data, subject=collaboration, ident=f"{step}/{attempt}")
        key = collaboration_key("local", collaboration)
        built = message(topic=COLLABORATION_STREAM, key=key, data=data, envelope=about)
        where = (("step", step.encode()), ("attempt", b"%d" % attempt))
        return Message(built.topic, built.key, built.value, (*built.headers, *where))

    async def report(self, collaboration: str, path: str, text: str, **usage: Any) -> None:
        """The one call of a step's first attempt, and the attempt, are done."""
        call = CallReported(
            call_id=f"{path}-1-0", path=path, attempt=1, index=0, outcome="completed",
            model="simulated", output=inline(text), usage=Usage(input_tokens=10, output_tokens=5),
            **usage,
        )  # fmt: skip
        done = AttemptReported(path=path, attempt=1, outcome="completed", output=inline(text))
        key = collaboration_key("local", collaboration)
        await self.write(
            *(
                message(
                    topic=COLLABORATION_INBOX,
                    key=key,
                    data=data,
                    envelope=envelope(data, subject=collaboration, ident=f"{path}/{number}"),
                )
                for number, data in enumerate((call, done))
            )
        )

    async def sizes(self) -> dict[str, int]:
        """How many records each topic has."""
        found = {}
        for topic in Registry.load(topics_dir()).names:
            partitions = await self.log.admin().partitions(topic)
            tps = [TopicPartition(topic, number) for number in range(partitions)]
            found[topic] = sum((await self.log.admin().end_offsets(tps)).values())
        return found

    async def records(self, topic: str) -> list[Record]:
        partitions = await self.log.admin().partitions(topic)
        tps = [TopicPartition(topic, number) for number in range(partitions)]
        ends = await self.log.admin().end_offsets(tps)
        found: list[Record] = []
        async with self.log.reader() as reader:
            reader.assign(await self.log.admin().beginning_offsets(tps))
            while any(reader.positions()[tp] < ends[tp] for tp in tps):
                found += await reader.poll(max_records=1000, wait_s=1)
        return found

    async def inbox(self) -> list[Any]:
        """Everything in the inbox, decoded."""
        return [
            codec.decode((header(record.headers, "ce_type") or b"").decode(), record.value)
            for record in await self.records(COLLABORATION_INBOX)
        ]


class Clock:
    """The log's clock; a test may put it forward."""

    ahead_ms = 0

    def __call__(self) -> int:
        return now_ms() + self.ahead_ms


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def log(tmp_path, clock):
    topics = Registry.load(topics_dir()).topics
    async with EmbeddedLog.open(tmp_path / "log.db", topics, clock=clock) as opened:
        await opened.admin().ensure_topics(topics.values())
        yield opened


@pytest.fixture
def stage(log):
    return Stage(log)


@asynccontextmanager
async def running(task: asyncio.Task[None]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def act(log):
    """Starts an orchestrator for the body of an ``async with``."""

    @asynccontextmanager
    async def acting() -> AsyncIterator[Orchestrator]:
        orchestrator = Orchestrator(log)
        async with running(asyncio.create_task(orchestrator.run())):
            yield orchestrator

    return acting


@pytest.fixture
async def orchestrator(act):
    async with act() as acting:
        yield acting


@pytest.fixture
async def accountant(log):
    """Somebody who keeps accounts."""
    found = Accountant(log)
    async with running(asyncio.create_task(found.run())):
        yield found


@pytest.fixture
def start(log):
    """Starts a gateway for the body of an ``async with``; it is ready, and stops in good order."""

    @asynccontextmanager
    async def starting(
        home: Path,
        *,
        stream: dict[str, Any] | None = None,
        endpoints: Endpoints = ENDPOINTS,
        **settings: Any,
    ) -> AsyncIterator[Gateway]:
        told = {
            "home": home,
            "port": 0,
            "stream": StreamGroup(**(stream or {})),
            "request_timeout_s": PATIENT_S,
            # Only tests of money have somebody who keeps accounts.
            "policy": PolicyGroup(reserve="off"),
        }
        wanted = GatewaySettings(**(told | settings))
        stop = asyncio.Event()
        async with build_app(wanted, log, endpoints=endpoints) as built:
            task = asyncio.create_task(built.run(stop))
            await eventually(lambda: built.ready() or task.done(), what="the gateway to be ready")
            try:
                yield built
            finally:
                stop.set()
                await asyncio.wait_for(task, 60)

    return starting


# How long a request may take. A busy machine may need much of the first; whoever waits for what
# never comes waits for the second, which is short for that and long for the log.
PATIENT_S, UNANSWERED_S = 60, 2.5


@pytest.fixture
def unanswered():
    """For a test that sends a request which nobody answers: it is given up soon."""


@pytest.fixture
def silence(monkeypatch):
    """Nobody answers, and nobody waits for it: what is asked is in the log, and that is all."""

    async def nothing(self, timeout_s):
        about = self.reply_to
        raise ReplyTimeoutError(
            topic=about.topic, correlation=about.correlation, timeout_s=timeout_s
        )

    monkeypatch.setattr(PendingReply, "wait", nothing)


@pytest.fixture
async def gateway(request, start, tmp_path) -> AsyncIterator[Gateway]:
    patience_s = UNANSWERED_S if "unanswered" in request.fixturenames else PATIENT_S
    kept = "required" if "accountant" in request.fixturenames else "off"
    async with start(
        tmp_path,
        request_timeout_s=patience_s,
        wrong_keys_burst=100_000,
        policy=PolicyGroup(reserve=kept),
    ) as built:
        yield built


@pytest.fixture
async def http(gateway):
    async with httpx.AsyncClient(base_url=gateway.url, timeout=60) as client:
        yield client


@pytest.fixture
async def submit(http, orchestrator):
    """Ask for a collaboration; returns what the gateway said."""

    async def ask(task: str = "Do it.", **more: Any) -> dict[str, Any]:
        response = await http.post("/v1/collaborations", json={"task": task, **more})
        assert response.status_code == 202, response.text
        body: dict[str, Any] = response.json()
        return body

    return ask


class Keyring:
    """Issues keys over HTTP, the first one as a program of this machine; ``admin`` is that."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self.admin = ""
        self.ids: dict[str, str] = {}

    async def issue(self, **wish: Any) -> str:
        headers = bearer(self.admin) if self.admin else {}
        answer = await self._http.post("/v1/admin/keys", json=wish, headers=headers)
        assert answer.status_code == 201, answer.text
        text: str = answer.json()["key"]
        self.ids[text] = answer.json()["id"]
        return text

    async def begin(self) -> str:
        self.admin = await self.issue(scopes=["admin"], label="first")
        return self.admin

    async def tenant(self, tenant: str, **wish: Any) -> str:
        """A key of a new tenant."""
        answer = await self._http.post(
            "/v1/admin/tenants", json={"tenant": tenant}, headers=bearer(self.admin)
        )
        assert answer.status_code == 201, answer.text
        return await self.issue(tenant=tenant, **wish)

    async def revoke(self, text: str) -> None:
        path = f"/v1/admin/keys/{self.ids[text]}"
        answer = await self._http.delete(path, headers=bearer(self.admin))
        assert answer.status_code == 200, answer.text

    async def close(self, tenant: str) -> None:
        path = f"/v1/admin/tenants/{tenant}"
        answer = await self._http.delete(path, headers=bearer(self.admin))
        assert answer.status_code == 200, answer.text

    async def expired(self) -> str:
        """A key that has just expired."""
        text = await self.issue(expires_in_s=1)

        async def is_over() -> bool:
            return (await self._http.get("/v1/me", headers=bearer(text))).status_code == 401

        await eventually(is_over, what="the key to expire")
        return text


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.fixture
def keyring(http):
    """Keys of the gateway; ``await keyring.begin()`` issues the first."""
    return Keyring(http)
