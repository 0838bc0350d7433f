"""``python -m facilitair_testing.history``: reading a stopped home, and the exit codes."""

import asyncio
import json
from itertools import groupby
from pathlib import Path

import pytest

from facilitair_events.topics import COLLABORATION_EVENTS
from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_messaging.ports import Message
from facilitair_testing.history.command import main
from facilitair_testing.inbox import definition, step
from facilitair_testing.scripted_run import ScriptedRun
from facilitair_testing.scripted_worker import ScriptedWorker, take


def leave_behind(home: Path, *, without_last_event: bool = False) -> str:
    """Write a run of one collaboration into the log of a home."""
    run = ScriptedRun()
    ident = run.submit(definition(step("a"), output="a"))
    ScriptedWorker(run).answer(take(run), "done")
    records = [record for found in run.log.values() for record in found]
    if without_last_event:
        records.remove(run.records(COLLABORATION_EVENTS)[-1])
    asyncio.run(_write(home / "log" / "log.db", run, records=records))
    (home / "journal.jsonl").write_text(
        "".join(
            json.dumps(
                {
                    "at": "2099-01-01T00:00:00+00:00", "call_id": line.call_id, "tenant": "local",
                    "model": "m", "prompt_sha256": "p", "input_tokens": 1, "output_tokens": 1,
                    "outcome": "started",
                }
            )
            + "\n"
            for line in run.provider
        )
    )  # fmt: skip
    return f"local:{ident}"


async def _write(path: Path, run: ScriptedRun, *, records: list) -> None:
    path.parent.mkdir(parents=True)
    specs = run.registry.topics
    async with EmbeddedLog.open(path, specs) as log, log.producer() as producer:
        await log.admin().ensure_topics(specs.values())
        for _, batch in groupby(sorted(records, key=lambda r: r.timestamp_ms), key=_when):
            await producer.send([Message(r.topic, r.key or b"", r.value, r.headers) for r in batch])


def _when(record) -> int:
    return record.timestamp_ms


def test_a_home_with_violations_is_told_record_by_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = leave_behind(tmp_path, without_last_event=True)
    assert main([str(tmp_path), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["violations"]
    assert {"I3", "R12"} & {v["rule"] for v in found if v["key"] == key}
    assert main([str(tmp_path)]) == 1
    table = capsys.readouterr().out
    assert key in table
    assert "violations" in table.splitlines()[-1]


def test_a_home_without_a_log_says_what_to_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 2
    assert "--bootstrap" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main([])
    assert "--bootstrap" in capsys.readouterr().err


def test_a_broken_journal_is_told_by_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leave_behind(tmp_path)
    with (tmp_path / "journal.jsonl").open("a") as file:
        file.write("{}\n")
    assert main([str(tmp_path)]) == 2
    assert "journal.jsonl:2" in capsys.readouterr().err
