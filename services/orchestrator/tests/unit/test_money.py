"""R25, R26 on the real chassis: requests of money lie with the tenant, and answers start the work.

The account itself is another service; here a test writes what it says.
"""

import asyncio

import pytest

from facilitair_events import topics
from facilitair_events.accounts import CallCharged, FundsAnswered, FundsRequested, FundsReturned
from facilitair_events.envelope import Envelope, timestamp
from facilitair_events.ids import derive
from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_events.requests import AttemptReported
from facilitair_events.text import inline
from facilitair_events.types import NAMES
from facilitair_events.work import RunAttempt
from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_messaging.messages import message, read
from facilitair_messaging.ports import TopicPartition
from facilitair_orchestrator.app import build_app
from facilitair_orchestrator.settings import OrchestratorSettings
from facilitair_testing.eventually import eventually
from facilitair_testing.funded import REQUIRED, priced
from facilitair_testing.inbox import call_reported, definition, requested, step

CHAIN = priced(definition(step("a"), step("b", "a"), output="b"))


class House:
    """An orchestrator on a log, and the hand of an account beside it."""

    def __init__(self, log: EmbeddedLog) -> None:
        self.log = log

    async def append(self, data, *, name: str = "") -> None:
        type_name = NAMES[type(data)]
        envelope = Envelope(
            id=derive("test", type_name, name), type=type_name, source="test", time=timestamp(0),
            subject="c1", tenant="local", project="default", actor="me", correlation="r1",
        )  # fmt: skip
        one = message(
            topic=topics.COLLABORATION_INBOX, key="local:c1", data=data, envelope=envelope
        )
        async with self.log.producer() as producer:
            await producer.send([one])

    async def records(self, topic: str):
        admin = self.log.admin()
        tps = [TopicPartition(topic, n) for n in range(await admin.partitions(topic))]
        ends, found = await admin.end_offsets(tps), []
        async with self.log.reader() as reader:
            reader.assign(await admin.beginning_offsets(tps))
            while any(reader.positions()[tp] < ends[tp] for tp in tps):
                found += await reader.poll(max_records=500, wait_s=1)
        return [read(record) for record in found]

    async def told(self, kind: type, n: int):
        """Request ``n`` to the account, which is one of that kind."""

        async def found():
            told = [one.data for one in await self.records(topics.ACCOUNT_REQUESTS)]
            return next((d for d in told if isinstance(d, kind) and d.n == n), None)

        return await eventually(found, what=f"request {n} to the account")

    async def task(self, path: str) -> RunAttempt:
        async def found():
            tasks = [one.data for one in await self.records(topics.AGENT_TASKS)]
            return next((task for task in tasks if task.path == path), None)

        return await eventually(found, what=f"a task for {path}")

    async def answer(self, path: str) -> None:
        task = await self.task(path)
        await self.append(call_reported(task, output=inline("x")), name=path)
        report = AttemptReported(path=path, attempt=1, outcome="completed", output=inline("x"))
        await self.append(report, name=path)


@pytest.fixture
async def house(tmp_path):
    registry = Registry.load(topics_dir())
    async with EmbeddedLog.open(tmp_path / "log.db", registry.topics) as log:
        await log.admin().ensure_topics(registry.topics.values())
        async with build_app(OrchestratorSettings(home=tmp_path), log) as app:
            stop = asyncio.Event()
            running = asyncio.create_task(app.run(stop))
            await eventually(app.ready, what="the orchestrator to be ready")
            yield House(log)
            stop.set()
            await running


async def test_r26_nothing_is_called_before_the_account_has_answered(house: House) -> None:
    await house.append(requested(CHAIN, policy=REQUIRED))
    asked = await house.told(FundsRequested, 1)
    assert await house.records(topics.AGENT_TASKS) == []
    await house.append(FundsAnswered(n=1, outcome="granted", parts=asked.parts, slots=1))
    assert (await house.task("a")).reserved_usd == asked.parts[0].usd


async def test_r25_everything_about_money_lies_in_the_order_of_the_tenant(house: House) -> None:
    await house.append(requested(CHAIN, policy=REQUIRED))
    asked = await house.told(FundsRequested, 1)
    await house.append(FundsAnswered(n=1, outcome="granted", parts=asked.parts, slots=1))
    for path in ("a", "b"):
        await house.answer(path)
    assert (await house.told(FundsReturned, 4)).close
    told = await house.records(topics.ACCOUNT_REQUESTS)
    assert [type(one.data) for one in told] == [
        FundsRequested, CallCharged, CallCharged, FundsReturned,
    ]  # fmt: skip
    assert {one.record.key for one in told} == {b"local"}
    assert {(one.envelope.tenant, one.envelope.subject) for one in told} == {("local", "local")}
