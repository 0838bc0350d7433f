"""Every command of the page about dead letters, in its order, on a solo with letters."""

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from facilitair_client import Facilitair
from facilitair_events.codec import encode
from facilitair_events.definitions import Model
from facilitair_events.envelope import Envelope, to_headers
from facilitair_events.keys import collaboration_key, task_key
from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_events.topics import AGENT_TASKS, COLLABORATION_INBOX
from facilitair_messaging.ports import Message
from facilitair_runtime.log_file import LogSettings, open_log
from facilitair_testing.desk import task
from facilitair_testing.eventually import eventually
from facilitair_testing.inbox import agent
from facilitair_testing.solo import SoloProcess
from tests.docs.session import Session, absent
from tools.markdown import blocks, commands

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "dead-letters.md"
COLLABORATION = "a8443b19-13b7-5de8-9a7d-04d256dfe065"
RUN = "facilitair.attempt.run.v1"
KEY = "dead-letters"
"""The Idempotency-Key whose collaboration has that id."""

READING = re.compile(r"dlq (ls|show|replay --topic(?!.*--yes))|facilitair show")
"""What changes nothing, so that it can be asked again until the services have gone on."""


def bad(topic, key, value, *, kind):
    """A record as a producer of ours would address it, with a value that none would write."""
    envelope = Envelope(
        id=f"script-{value[:8]!r}", type=kind, source="script", time="2026-01-01T00:00:00.000Z",
        subject=key.split(":")[1], tenant="local", project="default", actor="script",
        correlation="s",
    )  # fmt: skip
    return Message(topic, key.encode(), value, to_headers(envelope))


def no_attempt():
    """A task for an attempt 0, which does not exist; nobody waits for it."""
    simulated = (Model(name="simulated", provider="simulator"),)
    whole = task(
        "assistant", collaboration=KEY, timeout_s=1.0,
        agent=replace(agent("assistant"), models=simulated),
    )  # fmt: skip
    return encode(whole).replace(b'"attempt":1', b'"attempt":0')


async def poison(home):
    """What a script might write beside the API."""
    registry = Registry.load(topics_dir())
    inbox, key = collaboration_key("local", COLLABORATION), task_key("local", KEY, "assistant")
    cancel = "facilitair.cancel.requested.v1"
    async with (
        open_log(home, registry, settings=LogSettings()) as log,
        log.producer() as producer,
    ):
        await producer.send(
            [
                bad(COLLABORATION_INBOX, inbox, b'{"client_id":"ops-1","actor":7}', kind=cancel),
                bad(COLLABORATION_INBOX, inbox, b'{"client_id"', kind=cancel),
                bad(AGENT_TASKS, key, b"\xff no task", kind=RUN),
                bad(AGENT_TASKS, key, no_attempt(), kind=RUN),
            ]
        )


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_every_command_of_the_page_does_what_the_page_says(tmp_path):
    home = tmp_path / "home"
    await poison(home)
    solo, session = SoloProcess(home, ttft_ms=600_000), Session(home, reading=READING)
    await solo.start()
    try:
        async with Facilitair(solo.url) as client:
            asked = await client.submit("Wait.", workflow="answer", idempotency_key=KEY)
            assert asked.id == COLLABORATION
        for block in blocks(PAGE.read_text()):
            for command in commands(block) if block.language == "console" else ():
                await session.check(command)

        letters = {row["id"]: row for row in await session.json("dlq ls --state all")}
        states = [row["state"] for row in letters.values()]
        assert sorted(states) == ["discarded", "open", "open", "replayed", "replayed"]
        back, unrun = sorted(
            (row for row in letters.values() if row["state"] == "open"),
            key=lambda row: row["topic"] == AGENT_TASKS,
        )
        assert (back["parent"], back["replay"]) == ("collaboration-inbox-dlq:0:1", 1)
        edited = await session.json("dlq show collaboration-inbox-dlq:0:0")
        assert edited["value"]["json"] == {"client_id": "ops-1", "actor": 7}
        assert edited["actions"][0]["value_sha256"]

        before = len(solo.requests())
        mended = await session.json(f"dlq edit {unrun['id']} --set attempt=1 --yes")
        assert mended["state"] == "replayed"
        await eventually(
            lambda: len(solo.requests()) == before + 1, timeout_s=60, what="the mended task to run"
        )

        code, out, text = await session.run(f".venv/bin/facilitair dlq replay {edited['id']}")
        assert (code, out) == (3, "")
        assert "--again" in text
        code, _, text = await session.run(".venv/bin/facilitair dlq show agent-tasks-dlq:0:99")
        assert code == 1
        assert "facilitair dlq ls" in text
        done = await session.json("dlq replay --topic collaboration-inbox --yes")
        assert [row["id"] for row in done] == [back["id"]]
    finally:
        await solo.stop()


def test_a_line_that_is_not_printed_is_found():
    printed = "a  1\nagent-tasks[3]@0 cannot be read: because\n"
    assert absent(["a 22", "agent-tasks[7]@1 cannot be read: …"], printed) == []
    assert absent(["b", "agent-tasks[7]@1 cannot be read:"], printed) == [
        "b", "agent-tasks[N]@N cannot be read:",
    ]  # fmt: skip
