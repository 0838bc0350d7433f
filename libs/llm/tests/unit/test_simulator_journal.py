import asyncio
import os
from pathlib import Path

import orjson
import pytest

from facilitair_llm.simulator.journal import Entry, Journal

ENTRY = Entry(
    call_id="c",
    tenant="t",
    model="m",
    prompt_sha256="0" * 64,
    input_tokens=1,
    output_tokens=2,
    outcome="started",
)


async def test_entries_keep_their_order_and_are_synced_before_they_count(tmp_path, monkeypatch):
    synced = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(fsync(file)))
    path = tmp_path / "deep" / "journal"
    journal = Journal(path)
    await asyncio.gather(*(journal.append(ENTRY) for _ in range(50)))
    assert synced
    assert len(synced) < 50
    await journal.append(ENTRY)
    lines = path.read_bytes().splitlines()
    await journal.close()
    times = [orjson.loads(line)["at"] for line in lines]
    assert len(times) == 51
    assert times == sorted(times)


async def test_a_second_journal_goes_on_where_the_first_ended(tmp_path):
    for _ in range(2):
        journal = Journal(tmp_path / "journal")
        journal.append(ENTRY)
        await journal.close()
    assert len((tmp_path / "journal").read_bytes().splitlines()) == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
async def test_an_entry_that_cannot_be_written_is_an_error_of_its_request_and_only_of_it():
    journal = Journal(Path("/dev/full"))
    for _ in range(2):
        with pytest.raises(OSError, match="No space left"):
            await journal.append(ENTRY)
    await journal.close()
