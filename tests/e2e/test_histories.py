"""What solo leaves behind, after cancels and a kill -9, obeys every rule that a history shows."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from facilitair_client.backoff import Patience
from facilitair_client.client import Facilitair
from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_events.topics import WORKER_CONTROL
from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_testing.client_journal import ClientJournal
from facilitair_testing.eventually import eventually
from facilitair_testing.history import Frame, History, hold, read_history
from facilitair_testing.solo import SoloProcess

pytestmark = pytest.mark.integration

TASK = "Write a function that counts the vowels of a word, with tests"
HELD = f"{TASK} [[simulator:hang=headers]]"
HELD_AT_FIRST = f"{TASK} [[simulator:hang=headers;times=1]]"
PATIENT = Patience(give_up_after_s=240)
"""A machine may take its time to start solo again."""


class User:
    """Submits, watches to the end, and writes both down."""

    def __init__(self, name: str, client: Facilitair, *, journal: ClientJournal) -> None:
        self.frames: list[Frame] = []
        self._id = ""
        self._name = name
        self._client = client
        self._journal = journal

    async def submit(self, task: str, *, workflow: str) -> None:
        asked = self._journal.invoke("submit", client=self._name, key=self._name, body=workflow)
        submitted = await self._client.submit(task, workflow=workflow, idempotency_key=self._name)
        self._journal.ok(asked, status=202, collaboration=submitted.id)
        self._id = submitted.id

    async def cancel(self) -> None:
        stopped = self._journal.invoke("cancel", client=self._name, collaboration=self._id)
        await self._client.cancel(self._id)
        self._journal.ok(stopped, status=202)

    async def watch(self) -> None:
        watched = self._journal.invoke("watch", client=self._name, collaboration=self._id)
        async for event in self._client.stream(self._id):
            told = {name: event.data.get(name) for name in ("seq", "step", "attempt", "index")}
            self.frames.append(Frame(id=event.id, event=event.kind, **told))
        self._journal.ok(watched, frames=self.frames)

    @property
    def saw(self) -> set[str]:
        return {frame.event for frame in self.frames}


async def use(solo: SoloProcess, client: Facilitair, *, journal: ClientJournal) -> dict[str, User]:
    """Cancel one whose call hangs, kill solo while another's call hangs, and watch all ends."""
    port = int(solo.url.rsplit(":", 1)[1])
    users = {
        name: User(name, client, journal=journal) for name in ("lost", "stopped", "coder", "asker")
    }
    async with asyncio.TaskGroup() as watching:

        async def begin(name: str, task: str, *, workflow: str) -> None:
            await users[name].submit(task, workflow=workflow)
            watching.create_task(users[name].watch())

        # Neither can end before the other half of its test: its call hangs.
        for open_calls, (name, task) in enumerate({"lost": HELD_AT_FIRST, "stopped": HELD}.items()):
            await begin(name, task, workflow="answer")
            await eventually(lambda n=open_calls: len(solo.requests()) > n, what=f"call of {name}")
        await users["stopped"].cancel()
        await begin("coder", TASK, workflow="code")
        await begin("asker", TASK, workflow="answer")
        await eventually(lambda: len(solo.requests()) >= 4, what="four requests")
        await solo.kill()
        await solo.start(port=port)
    return users


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
    await solo.start()
    clients = tmp_path / "client.jsonl"
    with closing(ClientJournal(clients)) as journal:
        async with Facilitair(solo.url, patience=PATIENT, request_patience=PATIENT) as client:
            users = await use(solo, client, journal=journal)
    await solo.stop()
    history = await read(solo, clients)
    hold(history, lease_ms=0)
    # It would have said so: somebody was stopped, and a call of the first process is unknown.
    assert any(record.topic == WORKER_CONTROL for record in history.records)
    assert "collaboration.cancelled" in users["stopped"].saw
    assert "attempt.unknown" in users["lost"].saw
    assert all("collaboration.completed" in users[n].saw for n in ("lost", "coder", "asker"))
    assert len(history.provider) > 4
    assert len([line for line in history.client if line.frames]) == len(users)
