"""What solo leaves behind, after cancels and a kill -9, obeys every rule that a history shows."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from facilitair_client.client import Facilitair
from facilitair_client.events import Event
from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_testing.client_journal import ClientJournal
from facilitair_testing.eventually import eventually
from facilitair_testing.history import Frame, History, judge, read_history
from facilitair_testing.solo import SoloProcess

pytestmark = pytest.mark.integration

TASK = "Write a function that counts the vowels of a word, with tests"
WORKFLOWS = ("code", "answer", "code", "answer")


def frame(event: Event) -> Frame:
    told = {name: event.data.get(name) for name in ("seq", "step", "attempt", "index")}
    return Frame(id=event.id, event=event.kind, **told)


async def use(client: Facilitair, journal: ClientJournal, *, number: int) -> str:
    """Submit, watch to the end, and write both down; returns the id."""
    name, workflow = f"client-{number}", WORKFLOWS[number]
    asked = journal.invoke("submit", client=name, key=name, body=workflow)
    submitted = await client.submit(TASK, workflow=workflow, idempotency_key=name)
    journal.ok(asked, status=202, collaboration=submitted.id)
    watched = journal.invoke("watch", client=name, collaboration=submitted.id)
    frames: list[Frame] = []

    async def watch() -> None:
        async for event in client.stream(submitted.id):
            frames.append(frame(event))
            if number == 2 and len(frames) == 4:
                stopped = journal.invoke("cancel", client=name, collaboration=submitted.id)
                await client.cancel(submitted.id)
                journal.ok(stopped, status=202)

    await watch()
    journal.ok(watched, frames=frames)
    return submitted.id


async def read(solo: SoloProcess, clients: Path) -> History:
    registry = Registry.load(topics_dir())
    async with EmbeddedLog.open(solo.home / "log" / "log.db", registry.topics) as log:
        return await read_history(
            log,
            registry=registry,
            provider_journal=solo.journal_path,
            client_journal=clients,
            artifacts=solo.home / "artifacts",
        )


async def test_a_solo_that_was_killed_leaves_a_legal_history(
    make_solo: Callable[..., SoloProcess], tmp_path: Path
) -> None:
    solo = make_solo(ttft_ms=150, tokens_per_s=1500)
    port = int((await solo.start()).rsplit(":", 1)[1])
    clients = tmp_path / "client.jsonl"
    with closing(ClientJournal(clients)) as journal:
        async with Facilitair(solo.url) as client, asyncio.TaskGroup() as users:
            for number in range(len(WORKFLOWS)):
                users.create_task(use(client, journal, number=number))
            await eventually(lambda: len(solo.requests()) >= 4, what="four requests")
            await solo.kill()
            await solo.start(port=port)
    await solo.stop()
    history = await read(solo, clients)
    assert judge(history, lease_ms=0) == []
    # It would have said so: the calls of the first process are unknown, and somebody was stopped.
    assert {r.topic for r in history.records} >= {"worker-control", "collaboration-state"}
    assert len(history.provider) > 4
    shown = [line for line in history.client if line.frames]
    assert len(shown) == len(WORKFLOWS)
