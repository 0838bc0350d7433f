"""A slow disk for tests."""

from pathlib import Path

from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_messaging.adapters.embedded.slow_commits import slow_commits
from facilitair_messaging.ports import Message
from facilitair_testing.topics import topic_spec

SPEC = topic_spec("slow-topic", partitions=1)


async def append(path: Path, dial: Path) -> None:
    async with EmbeddedLog.open(
        path / "log.db", {SPEC.name: SPEC}, before_commit=slow_commits(dial)
    ) as log:
        await log.admin().ensure_topics([SPEC])
        async with log.producer() as producer:
            await producer.send([Message(SPEC.name, b"key", b"value")])


async def test_each_commit_waits_while_the_dial_says_so(tmp_path: Path) -> None:
    dial = tmp_path / "dial"
    felt = tmp_path / "dial.felt"
    await append(tmp_path, dial)
    assert not felt.exists()
    dial.write_text("1")
    await append(tmp_path, dial)
    waits = felt.stat().st_size
    assert waits >= 1
    dial.write_text("0")
    await append(tmp_path, dial)
    assert felt.stat().st_size == waits


def test_a_commit_is_late_by_what_the_dial_says(tmp_path: Path, monkeypatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    (tmp_path / "dial").write_text("250")
    slow_commits(tmp_path / "dial")()
    assert waited == [0.25]
