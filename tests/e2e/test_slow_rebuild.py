"""An orchestrator that takes longer to load its states than its session lasts (R5)."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from facilitair_events.codec import type_name
from facilitair_events.envelope import Envelope
from facilitair_events.ids import derive
from facilitair_events.keys import collaboration_key
from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_events.state import CollaborationSnapshot, CollaborationState
from facilitair_events.text import inline
from facilitair_events.topics import COLLABORATION_INBOX, COLLABORATION_STATE
from facilitair_messaging.adapters.kafka import KafkaLog
from facilitair_messaging.messages import message
from facilitair_messaging.ports import Message
from facilitair_native.kafka import KafkaServer
from facilitair_testing.eventually import eventually
from facilitair_testing.groups import group_members

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.timeout(400)]

KEYS = 80_000
BATCH = 500
SESSION_S = 6
MEMBER = "orchestrator-0"
# A machine that gives the process a tenth of a core, in slices far shorter than its heartbeats.
RUN_S, STOP_S = 0.02, 0.2


def snapshot(number: int) -> Message:
    """What is kept of a collaboration that ended long ago."""
    ident = derive("slow rebuild", str(number))
    state = CollaborationState(
        tenant="local", collaboration=ident, project="default", actor="me", status="completed",
        logic=1, workflow="w", workflow_version="1", body_digest="d", stream_start=0,
        task=inline(""), created_ms=1, now_ms=1, seq=5,
    )  # fmt: skip
    data = CollaborationSnapshot(applied=number, state=state)
    envelope = Envelope(
        id=derive(ident), type=type_name(data), source="orchestrator",
        time="2026-01-01T00:00:00.000Z", subject=ident, tenant="local", project="default",
        actor="me", correlation="r",
    )  # fmt: skip
    key = collaboration_key("local", ident)
    return message(topic=COLLABORATION_STATE, key=key, data=data, envelope=envelope)


@pytest.fixture
def orchestrator(own_kafka: KafkaServer, tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("KAFKA_", "FACILITAIR_"))}
    told = {
        "FACILITAIR_HOME": str(tmp_path),
        "KAFKA_BOOTSTRAP_SERVERS": own_kafka.address,
        "KAFKA_SESSION_TIMEOUT_S": str(SESSION_S),
    }
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "facilitair_orchestrator"],
            env=kept | told, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    yield process
    process.send_signal(signal.SIGCONT)
    process.terminate()
    process.wait(60)


async def slowed(process: "subprocess.Popen[bytes]", until: asyncio.Event) -> None:
    while not until.is_set():
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(STOP_S)
        process.send_signal(signal.SIGCONT)
        await asyncio.sleep(RUN_S)


async def test_r5_a_rebuild_slower_than_the_session_never_loses_its_partitions(
    own_kafka: KafkaServer, orchestrator: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    topics = Registry.load(topics_dir()).topics
    async with KafkaLog.open(own_kafka.address, topics) as log:
        await log.admin().ensure_topics([topics[COLLABORATION_STATE]])
        async with log.producer() as producer:
            for first in range(0, KEYS, BATCH):
                await producer.send([snapshot(n) for n in range(first, first + BATCH)])
        await log.admin().ensure_topics(topics.values())  # now the service finds all of them

    async def joined() -> str | None:
        found = (await group_members(own_kafka.address, "orchestrator")).get(MEMBER)
        all_of_it = found is not None and len(found.partitions.get(COLLABORATION_INBOX, ())) == 12
        return found.member_id if found is not None and all_of_it else None

    over = asyncio.Event()
    slowing = asyncio.create_task(slowed(orchestrator, over))
    member_id = await eventually(joined, timeout_s=120, what="the orchestrator's partitions")
    began = time.monotonic()
    while time.monotonic() - began < 2 * SESSION_S:
        assert await joined() == member_id
    assert not await is_ready(tmp_path)
    over.set()
    await slowing
    await eventually(lambda: is_ready(tmp_path), timeout_s=120, what="all states loaded")
    assert await joined() == member_id
    assert "session expired" not in (tmp_path / "log").read_text()


async def is_ready(home: Path) -> bool:
    url = json.loads((home / "run" / f"{MEMBER}.ops.json").read_bytes())["url"]
    async with httpx.AsyncClient(timeout=60) as http:
        return (await http.get(f"{url}/ready")).status_code == 200
