"""Tasks for a worker, and their end."""

import uuid
from collections.abc import Sequence

from msgspec.structs import replace

from facilitair_events import codec
from facilitair_events.definitions import Model
from facilitair_events.envelope import header
from facilitair_events.requests import CallReported
from facilitair_events.text import inline
from facilitair_events.topics import COLLABORATION_INBOX
from facilitair_events.work import RunAttempt
from facilitair_messaging.ports import Log, Reader, Record, TopicPartition
from facilitair_testing.desk import Desk, task

PROVIDER = "openai"
_AT_ONCE = 1000


def new_tasks(count: int, *, timeout_s: float = 100.0) -> list[RunAttempt]:
    """One task each of collaborations that nobody has worked on before."""
    return [_task(timeout_s) for _ in range(count)]


def _task(timeout_s: float) -> RunAttempt:
    given = task(task=inline("Write a rate limiter, with tests"), timeout_s=timeout_s)
    models = (Model(name="scripted-model", provider=PROVIDER),)
    agent = replace(given.agent, prompt="Role: coder", models=models)
    return replace(given, agent=agent, collaboration=str(uuid.uuid4()))


async def give_all(log: Log, tasks: Sequence[RunAttempt]) -> None:
    """Hand the tasks to the workers."""
    desk = Desk(log)
    for one in tasks:
        await desk.give(one)


async def assign_inbox(log: Log, reader: Reader) -> None:
    """Have the reader see what is reported from now on."""
    count = await log.admin().partitions(COLLABORATION_INBOX)
    places = [TopicPartition(COLLABORATION_INBOX, number) for number in range(count)]
    reader.assign(await log.admin().end_offsets(places))


async def calls_of(reader: Reader) -> list[CallReported]:
    """The calls that were reported since the last look; waits for records, but not for long.

    Raises ValueError for a call that did not complete.
    """
    records = await reader.poll(max_records=_AT_ONCE, wait_s=1.0)
    calls = [call for record in records if (call := _call(record)) is not None]
    for call in calls:
        if call.outcome != "completed" or call.usage is None:
            raise ValueError(call)
    return calls


def _call(record: Record) -> CallReported | None:
    name = header(record.headers, "ce_type")
    if name is None or record.value is None:
        return None
    data = codec.decode(name.decode(), record.value)
    return data if isinstance(data, CallReported) else None


async def chunks_of(reader: Reader, *, calls: int) -> int:
    """The chunks of so many calls: the provider sends a token in each."""
    chunks = 0
    while calls > 0:
        reported = await calls_of(reader)
        calls -= len(reported)
        chunks += sum(call.usage.output_tokens for call in reported if call.usage is not None)
    return chunks
