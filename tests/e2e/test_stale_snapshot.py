"""An orchestrator that is really stopped between a snapshot and its record (M1, R8).

It wakes up after its session, when another one has brought the collaboration to its end: its
snapshot then stands behind newer ones, because a broker fences commits and not records.
"""

import asyncio
import itertools
import json
import signal
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from facilitair_client.backoff import Patience
from facilitair_client.client import Facilitair
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
from facilitair_messaging.ports import Record
from facilitair_native.kafka import KafkaServer
from facilitair_testing.desk import Desk
from facilitair_testing.eventually import eventually
from facilitair_testing.groups import group_members
from facilitair_testing.service_processes import ServiceProcesses, create_topics

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.timeout(400)]

PATIENCE_S = 120.0
# What SIGSTOP does at the worst moment: a snapshot is made and not yet sent.
STOPPING = """
import os, signal
from pathlib import Path
from facilitair_runtime.reducing import snapshots
made, told = snapshots.snapshot, Path(os.environ["FACILITAIR_HOME"]) / "stopped"
def made_and_held(*args, **kwargs):
    message = made(*args, **kwargs)
    if not told.exists():
        told.touch()
        os.kill(os.getpid(), signal.SIGSTOP)
    return message
snapshots.snapshot = made_and_held
"""


@pytest.fixture
async def members(own_kafka: KafkaServer, tmp_path: Path) -> AsyncIterator[ServiceProcesses]:
    """Two orchestrators; the first one stops itself once."""
    (tmp_path / "sitecustomize.py").write_text(STOPPING)
    await create_topics(own_kafka.address)
    scanning = {"FACILITAIR_ORCHESTRATOR_REDUCER__SCAN_INTERVAL_S": "2"}
    home = tmp_path / "home"
    with ServiceProcesses(home, bootstrap=own_kafka.address, variables=scanning) as started:
        await started.start_simulator()
        started.start("orchestrator-0", {"PYTHONPATH": str(tmp_path)})
        names = ["accounts-0", "orchestrator-1", "agent-worker-0", "gateway-0"]
        for name in names:
            started.start(name)
        await started.ready("orchestrator-0", *names)
        yield started


async def key_of_the_first(bootstrap: str) -> str:
    """An Idempotency-Key of a collaboration that lies with the first orchestrator."""

    async def held() -> set[int] | None:
        found = await group_members(bootstrap, "orchestrator")
        sizes = [len(m.partitions.get(COLLABORATION_INBOX, ())) for m in found.values()]
        if sorted(sizes) != [6, 6]:
            return None
        return set(found["orchestrator-0"].partitions[COLLABORATION_INBOX])

    partitions = await eventually(held, timeout_s=PATIENCE_S, what="half of the inbox each")
    spec = Registry.load(topics_dir()).spec(COLLABORATION_INBOX)
    for number in itertools.count():
        name = collaboration_key("local", collaboration_id("local", f"key-{number}"))
        if partition_of(name.encode(), spec) in (partitions or ()):
            return f"key-{number}"
    raise AssertionError


def applied(record: Record) -> int:
    return int(json.loads(record.value or b"{}")["applied"])


async def completed(members: ServiceProcesses, ident: str) -> None:
    patience = Patience(give_up_after_s=PATIENCE_S)
    client = Facilitair(members.url(), patience=patience, request_patience=patience)
    async with client, asyncio.timeout(PATIENCE_S):
        kinds = [event.kind async for event in client.stream(ident)]
    assert kinds[-1] == "collaboration.completed"


async def test_m1_a_snapshot_that_wakes_up_late_is_repaired(
    members: ServiceProcesses, own_kafka: KafkaServer
) -> None:
    key = await key_of_the_first(own_kafka.address)
    patience = Patience(give_up_after_s=PATIENCE_S)
    async with Facilitair(members.url(), patience=patience, request_patience=patience) as client:
        submitted = await client.submit("Say what", workflow="answer", idempotency_key=key)
    stopped = members.home / "stopped"
    await eventually(stopped.exists, timeout_s=PATIENCE_S, what="an orchestrator that is stopped")
    await completed(members, submitted.id)
    topics = Registry.load(topics_dir()).topics
    name = collaboration_key("local", submitted.id).encode()
    async with KafkaLog.open(own_kafka.address, topics) as log:
        desk = Desk(log)

        async def snapshots() -> list[Record]:
            return [r for r in await desk.records(COLLABORATION_STATE) if r.key == name]

        await eventually(snapshots, timeout_s=PATIENCE_S, what="the other one's snapshots")
        members.signal("orchestrator-0", signal.SIGCONT)

        async def stale() -> bool:
            found = [applied(record) for record in await snapshots()]
            return any(later < earlier for earlier, later in itertools.pairwise(found))

        await eventually(stale, timeout_s=PATIENCE_S, what="a stale snapshot behind a newer one")

        async def repaired() -> bool:
            found = await snapshots()
            return applied(found[-1]) == max(map(applied, found))

        await eventually(repaired, timeout_s=PATIENCE_S, what="the newest snapshot written again")
        check_no_fork([r for r in await desk.records(COLLABORATION_EVENTS) if r.key == name])
    for member in ("orchestrator-0", "orchestrator-1"):
        members.kill(member)
        members.start(member)
    await members.ready("orchestrator-0", "orchestrator-1")
    await completed(members, submitted.id)


def check_no_fork(records: list[Record]) -> None:
    """A number means the same event however often it was written, and none is left out (R12)."""
    meanings: dict[int, set[bytes | None]] = defaultdict(set)
    for record in records:
        meanings[int(dict(record.headers)["seq"])].add(record.value)
    assert all(len(values) == 1 for values in meanings.values())
    assert sorted(meanings) == list(range(1, len(meanings) + 1))
