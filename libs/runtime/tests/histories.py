"""What a reducer left in a log, and whether the protocol holds in it."""

import asyncio
from collections import defaultdict
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

from facilitair_events.codec import decode
from facilitair_events.envelope import from_headers, header
from facilitair_events.requests import Parked
from facilitair_messaging.messages import read
from facilitair_messaging.ports import Log, Record, TopicPartition
from facilitair_observability.metrics import Metrics
from facilitair_runtime.keyed_reducer import KeyedReducer
from facilitair_runtime.settings import ReducerGroup
from libs.runtime.tests import ledger
from libs.runtime.tests.faults import FaultyLog


async def records(log: Log, topic: str) -> list[Record]:
    """Everything in a topic."""
    admin = log.admin()
    tps = [TopicPartition(topic, n) for n in range(await admin.partitions(topic))]
    begin, end = await admin.beginning_offsets(tps), await admin.end_offsets(tps)
    found: list[Record] = []
    async with log.reader() as reader:
        reader.assign(begin)
        while any(reader.positions()[tp] < end[tp] for tp in tps):
            found += await reader.poll(max_records=500, wait_s=1)
    return found


async def append(log: Log, *messages) -> None:
    async with log.producer() as producer:
        await producer.send(messages)


def applied(events: list[Record]) -> dict[str, list[Record]]:
    """What a reader of events applies (R12), with everything that must hold on the way."""
    seen: dict[str, list[Record]] = defaultdict(list)
    for record in events:
        mine = seen[record.key.decode()]
        seq = int(header(record.headers, "seq"))
        assert seq <= len(mine) + 1, f"gap: {seq} after {len(mine)} of {record.key!r}"
        if seq == len(mine) + 1:
            mine.append(record)
        else:
            first = mine[seq - 1]
            assert (record.value, record.headers) == (first.value, first.headers), "forked"
    return dict(seen)


def content(records_by_key: dict[str, list[Record]]) -> dict[str, list[tuple]]:
    return {
        key: [(record.value, record.headers) for record in found]
        for key, found in records_by_key.items()
    }


def commands(tasks: list[Record]) -> dict[str, dict[bytes, tuple]]:
    """Commands by key and id; one id never means two things."""
    found: dict[str, dict[bytes, tuple]] = defaultdict(dict)
    for record in tasks:
        same = found[record.key.decode()].setdefault(
            header(record.headers, "ce_id"), (record.value, record.headers)
        )
        assert same == (record.value, record.headers)
    return dict(found)


def expected(
    inbox: list[Record],
) -> tuple[dict[str, tuple[list, list]], set[tuple[TopicPartition, int]]]:
    """A plain fold of the inbox: per key the values of its events and of its commands.

    Second, the places of the records that had an effect, poison ones included.
    """
    effects: set[tuple[TopicPartition, int]] = set()
    states: dict[str, ledger.LedgerState | None] = defaultdict(lambda: None)
    parked: dict[str, int] = {}
    out: dict[str, tuple[list, list]] = defaultdict(lambda: ([], []))
    for one in inbox:
        incoming = read(one)
        key, data, envelope = one.key.decode(), incoming.data, incoming.envelope
        if key in parked and not (isinstance(data, Parked) and data.offset == parked[key]):
            continue
        parked.pop(key, None)
        seen = ledger.Received(
            tenant=envelope.tenant, subject=envelope.subject, offset=one.offset,
            at_ms=one.timestamp_ms, id=envelope.id, data=data,
        )  # fmt: skip
        try:
            decision = ledger.decide(states[key], seen)
        except KeyError:
            parked[key] = one.offset
            effects.add((one.tp, one.offset))
            continue
        if decision.state != states[key]:
            effects.add((one.tp, one.offset))
        states[key] = decision.state
        out[key][0].extend(decision.events)
        out[key][1].extend(command.data for command in decision.commands)
    return dict(out), effects


def commands_follow_their_events(journal) -> None:
    """R7, R4: whenever a command was sent, the events before it were acked in this very attempt."""
    acked: dict[bytes, int] = {}
    for message in journal:
        if message.topic == ledger.EVENTS:
            seq = int(dict(message.headers)["seq"])
            assert seq <= acked.get(message.key, 0) + 1
            acked[message.key] = max(acked.get(message.key, 0), seq)
        elif message.topic == ledger.TASKS:
            assert read_message(message).after_seq <= acked.get(message.key, 0), "before its events"


async def check(log: Log) -> None:
    """Assert that the log holds exactly what its inbox asks for, once, in order, unforked."""
    wanted, _ = expected(await records(log, ledger.INBOX))
    events = applied(await records(log, ledger.EVENTS))
    assert content(events) == content(applied(await records(log, ledger.STREAM)))
    tasks = commands(await records(log, ledger.TASKS))
    for key, (wanted_events, wanted_commands) in wanted.items():
        assert [data_of(record) for record in events.get(key, [])] == wanted_events
        told = [decode(_type(headers), value) for value, headers in tasks.get(key, {}).values()]
        assert sorted(told, key=lambda one: one.after_seq) == wanted_commands
    assert set(events) <= set(wanted)


def data_of(record: Record):
    """The data of a record."""
    return read(record).data


def _type(headers) -> str:
    return from_headers(headers).type


async def check_commits(log: Log, group: str = "ledger") -> None:
    """R8: below what is committed, every record with an effect is in a snapshot of its key."""
    highest: dict[str, int] = {}
    for record in await records(log, ledger.STATE):
        key = record.key.decode()
        highest[key] = max(highest.get(key, -1), read(record).data.applied)
    committed = await log.admin().committed(group)
    inbox = await records(log, ledger.INBOX)
    _, effects = expected(inbox)
    for record in inbox:
        if record.offset < committed.get(record.tp, 0) and (record.tp, record.offset) in effects:
            assert highest.get(record.key.decode(), -1) >= record.offset, record.offset


def settings(**changes) -> ReducerGroup:
    fields = {"snapshot_interval_ms": 1, "heartbeat_s": 0.2, "rebuild_timeout_s": 5}
    return ReducerGroup(**(fields | changes))


def keyed(log: Log, *, member: str = "ledger-0", reducer=None, partitions: int = 1, **changes):
    """A keyed reducer of the ledger over ``log``."""
    options = {name: changes.pop(name) for name in ("clock_ms", "rejections") if name in changes}
    return KeyedReducer(
        reducer or ledger.reducer(),
        log=log,
        registry=ledger.registry(partitions),
        settings=settings(**changes),
        metrics=Metrics(CollectorRegistry()),
        member=member,
        **options,
    )


@asynccontextmanager
async def running(chassis: KeyedReducer):
    """Run a reducer for the body and stop it gracefully."""
    stop = asyncio.Event()
    task = asyncio.ensure_future(chassis.run(stop))
    try:
        yield chassis
        if task.done():
            task.result()
    finally:
        stop.set()
        await asyncio.wait_for(task, 60)


async def settled(log: Log, group: str = "ledger") -> bool:
    """Whether everything in the inbox is committed."""
    admin = log.admin()
    tps = [TopicPartition(ledger.INBOX, n) for n in range(await admin.partitions(ledger.INBOX))]
    end, committed = await admin.end_offsets(tps), await admin.committed(group)
    return all(committed.get(tp, 0) == end[tp] for tp in tps)


async def run_dry(log: FaultyLog, **changes) -> None:
    """Run a reducer until everything is committed; raises what it dies of."""
    stop = asyncio.Event()
    task = asyncio.ensure_future(keyed(log, **changes).run(stop))
    async with asyncio.timeout(90):
        while not task.done() and not await settled(log, log.group or "ledger"):
            log.committed.clear()
            waiting = asyncio.ensure_future(log.committed.wait())
            await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
        stop.set()
        await task


async def finish(log: Log, **changes) -> None:
    """Run a fresh reducer until everything is done, then check what is in the log."""
    await run_dry(FaultyLog(log), **changes)
    await check(log)
    await check_commits(log)


def read_message(message):
    """The data of a message that was sent."""
    return decode(from_headers(message.headers).type, message.value)
