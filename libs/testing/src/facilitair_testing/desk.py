"""What a test does to a log, and what it sees in it."""

from typing import Any

import msgspec

from facilitair_events import codec
from facilitair_events.envelope import Envelope, header
from facilitair_events.keys import collaboration_key, task_key
from facilitair_events.text import inline
from facilitair_events.topics import AGENT_TASKS, WORKER_CONTROL
from facilitair_events.work import AttemptRef, RunAttempt, StopAttempts
from facilitair_messaging.messages import message
from facilitair_messaging.ports import Log, Record, TopicPartition
from facilitair_testing.eventually import eventually
from facilitair_testing.inbox import agent


def task(path: str = "a", attempt: int = 1, **more: Any) -> RunAttempt:
    """A task for the test agent, with any field changed."""
    fields: dict[str, Any] = {
        "collaboration": "c1",
        "path": path,
        "step": path.rsplit(".", maxsplit=1)[-1],
        "attempt": attempt,
        "agent": agent("coder"),
        "input": "Task: {{ task }}",
        "task": inline("add"),
        "timeout_s": 30.0,
        "project": "default",
        "actor": "me",
    }
    return RunAttempt(**(fields | more))


class Desk:
    """What a test does to a log and sees in it."""

    def __init__(self, log: Log) -> None:
        self.log = log

    async def send(
        self,
        topic: str,
        data: msgspec.Struct,
        *,
        key: str,
        ident: str = "t",
        subject: str = "c1",
    ) -> None:
        """Append one record of tenant ``local``."""
        envelope = Envelope(
            id=ident, type=codec.type_name(data), source="test", time="2026-01-01T00:00:00.000Z",
            subject=subject, tenant="local", project="default", actor="me", correlation="r1",
        )  # fmt: skip
        async with self.log.producer() as producer:
            await producer.send([message(topic=topic, key=key, data=data, envelope=envelope)])

    async def give(self, wanted: RunAttempt) -> None:
        """Hand a task to the workers."""
        key = task_key("local", wanted.collaboration, wanted.path)
        ident = f"{wanted.path}/{wanted.attempt}"
        await self.send(AGENT_TASKS, wanted, key=key, ident=ident, subject=wanted.collaboration)

    async def stop(self, path: str = "a", attempt: int = 1) -> None:
        """Stop an attempt."""
        refs = (AttemptRef(path, attempt),)
        data = StopAttempts(collaboration="c1", attempts=refs, reason="cancelled")
        await self.send(WORKER_CONTROL, data, key=collaboration_key("local", "c1"))

    async def records(self, topic: str) -> list[Record]:
        """Everything in a topic, partition by partition."""
        admin = self.log.admin()
        tps = [TopicPartition(topic, n) for n in range(await admin.partitions(topic))]
        ends = await admin.end_offsets(tps)
        found: list[Record] = []
        async with self.log.reader() as reader:
            reader.assign(dict.fromkeys(tps, 0))
            while any(reader.positions()[tp] < ends[tp] for tp in tps):
                found += await reader.poll(max_records=1000, wait_s=1)
        return found

    async def read(self, topic: str) -> list[Any]:
        """The decoded values of a topic."""
        decoded = []
        for record in await self.records(topic):
            name = header(record.headers, "ce_type")
            assert name is not None
            assert record.value is not None
            decoded.append(codec.decode(name.decode(), record.value))
        return decoded

    async def wait_for(self, topic: str, count: int) -> list[Any]:
        """The values of a topic once there are at least ``count``."""

        async def enough() -> list[Any] | None:
            found = await self.read(topic)
            return found if len(found) >= count else None

        found = await eventually(enough, what=f"{count} records in {topic}")
        return found or []
