"""Two of each service: they share the work, and one that dies or freezes is made good."""

import asyncio
import itertools
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable

import httpx
import pytest

from facilitair_client.client import Facilitair
from facilitair_client.transcript import Transcript
from facilitair_events.ids import collaboration_id
from facilitair_events.keys import collaboration_key
from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_events.topics import (
    COLLABORATION_EVENTS,
    COLLABORATION_INBOX,
    COLLABORATION_STATE,
)
from facilitair_messaging.adapters.kafka import KafkaLog
from facilitair_messaging.partitioning import partition_of
from facilitair_messaging.ports import Message, Record
from facilitair_testing.desk import Desk
from facilitair_testing.eventually import eventually
from facilitair_testing.fleet import FleetProcess
from facilitair_testing.groups import GroupMember, group_members
from facilitair_testing.promises import promised

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

TASK = "Say what the log is"
Members = dict[str, GroupMember]


@pytest.fixture
async def log(fleet: FleetProcess) -> AsyncIterator[KafkaLog]:
    topics = Registry.load(topics_dir()).topics
    async with KafkaLog.open(fleet.kafka_address, topics) as opened:
        yield opened


async def settled(fleet: FleetProcess, service: str = "orchestrator") -> Members:
    """The members once both hold their halves."""

    async def halves() -> Members | None:
        found = await group_members(fleet.kafka_address, service)
        sizes = [len(m.partitions.get(COLLABORATION_INBOX, ())) for m in found.values()]
        return found if sorted(sizes) == [6, 6] else None

    found = await eventually(halves, timeout_s=60, what="two orchestrators with half each")
    return found or {}


def keys_on(partitions: Iterable[int], *, prefix: str, count: int) -> list[str]:
    """Idempotency keys of collaborations that lie on some partitions of the inbox."""
    spec, wanted = Registry.load(topics_dir()).spec(COLLABORATION_INBOX), set(partitions)
    found = []
    for number in itertools.count():
        key = f"{prefix}-{number}"
        name = collaboration_key("local", collaboration_id("local", key))
        if partition_of(name.encode(), spec) in wanted:
            found.append(key)
        if len(found) == count:
            return found
    raise AssertionError


async def completed(client: Facilitair, key: str) -> str:
    """Run one collaboration to its end, and check that nothing is missing; returns its id."""
    submitted = await client.submit(TASK, workflow="answer", idempotency_key=key)
    transcript, seqs = Transcript(), []
    async for event in client.stream(submitted.id):
        transcript.apply(event)
        seqs += [] if event.seq is None else [event.seq]
    assert transcript.status == "completed"
    assert seqs == list(range(1, len(seqs) + 1))
    return submitted.id


async def consumed(fleet: FleetProcess, member: str) -> float:
    """How many records a member has handled since it started."""
    async with httpx.AsyncClient(timeout=60) as http:
        text = (await http.get(f"{fleet.ops_url_of(member)}/metrics")).text
    name = "messaging_client_consumed_messages_total"
    return sum(float(x.rsplit(" ", 1)[1]) for x in text.splitlines() if x.startswith(name))


async def test_the_work_spreads_and_every_collaboration_keeps_its_order(
    fleet: FleetProcess,
) -> None:
    await settled(fleet)
    members = [f"{service}-{n}" for service in ("orchestrator", "agent-worker") for n in (0, 1)]
    before = [await consumed(fleet, member) for member in members]
    async with (
        Facilitair(fleet.url_of("gateway-0")) as one,
        Facilitair(fleet.url_of("gateway-1")) as other,
        asyncio.TaskGroup() as tasks,
    ):
        for number in range(24):
            tasks.create_task(completed((one, other)[number % 2], f"spread-{number}"))
    after = [await consumed(fleet, member) for member in members]
    assert all(now > then for now, then in zip(after, before, strict=True)), after


async def test_m9_who_is_killed_goes_on_under_its_name(fleet: FleetProcess) -> None:
    before = await settled(fleet)
    held = before["orchestrator-0"].partitions[COLLABORATION_INBOX]
    (key,) = keys_on(held, prefix=f"killed-{time.time_ns()}", count=1)
    async with Facilitair(fleet.url) as client:
        killed = await fleet.kill("orchestrator-0")
        await completed(client, key)
    await fleet.back(killed)
    after = await settled(fleet)
    assert {name: m.partitions for name, m in after.items()} == {
        name: m.partitions for name, m in before.items()
    }
    assert after["orchestrator-1"].member_id == before["orchestrator-1"].member_id


async def test_who_stays_away_is_followed_and_forks_nothing_when_it_wakes_up(
    fleet: FleetProcess, log: KafkaLog
) -> None:
    before = await settled(fleet)
    held = before["orchestrator-0"].partitions[COLLABORATION_INBOX]
    keys = keys_on(held, prefix=f"frozen-{time.time_ns()}", count=8)
    pid = fleet.pid_of("orchestrator-0")
    async with Facilitair(fleet.url) as client:
        running = [asyncio.create_task(completed(client, key)) for key in keys[:6]]
        await eventually(lambda: len(fleet.requests()) > 0, what="a request")
        with fleet.frozen("orchestrator-0"):  # in the middle of its work
            async with asyncio.timeout(180):
                idents = [*await asyncio.gather(*running), await completed(client, keys[6])]
            alone = await group_members(fleet.kafka_address, "orchestrator")
        assert len(alone["orchestrator-1"].partitions[COLLABORATION_INBOX]) == 12
        assert (await settled(fleet))["orchestrator-0"].partitions[COLLABORATION_INBOX] == held
        idents.append(await completed(client, keys[7]))
        assert fleet.pid_of("orchestrator-0") == pid
        told = [await client.get(ident) for ident in idents]
        await fleet.back(await fleet.kill("orchestrator-0", "orchestrator-1"))
        await settled(fleet)
        assert [await client.get(ident) for ident in idents] == told
    check_no_fork(await Desk(log).records(COLLABORATION_EVENTS))


def check_no_fork(records: Iterable[Record]) -> None:
    """A number means the same event however often it was written, and none is left out (R12)."""
    meanings: dict[bytes | None, dict[int, bytes | None]] = defaultdict(dict)
    with promised("a number means one event, and none is left out"):
        for record in records:
            seq = int(dict(record.headers)["seq"])
            assert meanings[record.key].setdefault(seq, record.value) == record.value
        for numbers in meanings.values():
            assert sorted(numbers) == list(range(1, len(numbers) + 1))


def snapshots(records: Iterable[Record], key: str) -> list[Record]:
    return [record for record in records if record.key == key.encode()]


def applied(record: Record) -> int:
    return int(json.loads(record.value or b"{}")["applied"])


def ended(record: Record) -> bool:
    """Whether it is the last snapshot of its key: the end is written a moment after it is seen."""
    return bool(json.loads(record.value or b"{}")["state"]["status"] == "completed")


async def test_r8_a_late_stale_snapshot_is_repaired_by_the_scan(
    fleet: FleetProcess, log: KafkaLog
) -> None:
    await settled(fleet)
    async with Facilitair(fleet.url) as client:
        ident = await completed(client, f"stale-{time.time_ns()}")
        told = await client.get(ident)
    key, desk = collaboration_key("local", ident), Desk(log)

    async def newest() -> list[Record] | None:
        found = snapshots(await desk.records(COLLABORATION_STATE), key)
        return found if len(found) > 1 and ended(found[-1]) else None

    found = await eventually(newest, timeout_s=60, what="the snapshot of the end") or []
    stale, best = found[0], found[-1]
    assert applied(stale) < applied(best)
    async with log.producer() as producer:  # as an owner does that was frozen for long (M1)
        late = Message(COLLABORATION_STATE, stale.key or b"", stale.value, stale.headers)
        await producer.send([late])

    async def repaired() -> bool:
        now = snapshots(await desk.records(COLLABORATION_STATE), key)
        return len(now) > len(found) + 1 and now[-1].value == best.value

    await eventually(repaired, timeout_s=150, what="the winner appended again")
    await fleet.back(await fleet.kill("orchestrator-0", "orchestrator-1"))
    async with Facilitair(fleet.url) as client:
        assert await client.get(ident) == told
