"""The log file: one opener, its format, what a commit survives."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_messaging.adapters.embedded.errors import (
    LogClosedError,
    LogFormatError,
    LogLockedError,
)
from facilitair_messaging.adapters.embedded.file import (
    FORMAT,
    PAGE_BYTES,
    WAL_PAGES,
    connect_reader,
    connect_writer,
)
from facilitair_messaging.errors import ProduceUnknownError
from facilitair_messaging.ports import Message, TopicPartition
from facilitair_testing.topics import topic_spec

SPEC = topic_spec("t")
TP = TopicPartition("t", 0)


async def test_r35_a_second_opener_in_this_process_is_told_the_pid(tmp_path: Path):
    path = tmp_path / "log.db"
    async with EmbeddedLog.open(path, {}):
        with pytest.raises(LogLockedError, match=f"process {os.getpid()}") as caught:
            async with EmbeddedLog.open(path, {}):
                pass
        assert caught.value.pid == os.getpid()
    async with EmbeddedLog.open(path, {}):
        pass


async def test_r35_a_second_process_is_told_the_pid(tmp_path: Path):
    script = (
        "import fcntl, os, sys\n"
        "f = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)\n"
        "fcntl.flock(f, fcntl.LOCK_EX)\n"
        "os.write(f, str(os.getpid()).encode())\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    path = tmp_path / "log.db"
    arguments = [sys.executable, "-c", script, f"{path}.lock"]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LogLockedError) as caught:
            async with EmbeddedLog.open(path, {}):
                pass
        assert caught.value.pid == holder.pid
        holder.kill()
    async with EmbeddedLog.open(path, {}):
        pass


async def test_a_file_of_a_newer_format_is_refused_and_left_alone(tmp_path: Path):
    path = tmp_path / "log.db"
    async with EmbeddedLog.open(path, {}):
        pass
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version={FORMAT + 1}")
    before = path.read_bytes()
    with pytest.raises(LogFormatError, match="upgrade"):
        async with EmbeddedLog.open(path, {}):
            pass
    assert path.read_bytes() == before


async def test_another_programs_database_is_refused(tmp_path: Path):
    path = tmp_path / "log.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE notes (text)")
    with pytest.raises(LogFormatError, match="another program"):
        async with EmbeddedLog.open(path, {}):
            pass


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path):
    path = tmp_path / "log.db"
    path.write_text("this is a shopping list, " * 100)
    with pytest.raises(LogFormatError, match="not a database"):
        async with EmbeddedLog.open(path, {}):
            pass


async def test_an_open_that_was_refused_leaves_no_lock(tmp_path: Path):
    path = tmp_path / "log.db"
    path.write_text("no database " * 100)
    for _ in range(2):
        with pytest.raises(LogFormatError):
            async with EmbeddedLog.open(path, {}):
                pass


async def test_only_its_owner_can_read_the_file(tmp_path: Path):
    path = tmp_path / "log.db"
    async with EmbeddedLog.open(path, {}):
        for file in tmp_path.iterdir():
            assert file.stat().st_mode & 0o077 == 0, file


@pytest.mark.parametrize("synchronous", ["NORMAL", "FULL"])
async def test_r35_synchronous_is_what_was_asked_for(tmp_path: Path, synchronous: str):
    async with EmbeddedLog.open(tmp_path / "log.db", {}, synchronous=synchronous) as log:
        assert await log.durability() == synchronous


async def test_r35_a_readers_connection_cannot_write(tmp_path: Path):
    path = tmp_path / "log.db"
    async with EmbeddedLog.open(path, {}):
        db = connect_reader(path)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            db.execute("DELETE FROM records")
        db.close()


async def test_r35_a_waiting_reader_holds_no_transaction(tmp_path: Path):
    path = tmp_path / "log.db"
    async with EmbeddedLog.open(path, {"t": SPEC}) as log:
        await log.admin().ensure_topics([SPEC])
        async with log.producer() as producer, log.reader() as reader:
            await producer.send([Message("t", b"k", b"x" * 1000) for _ in range(2000)])
            reader.assign({TP: 0})
            assert len(await reader.poll(max_records=10, wait_s=1)) == 10
            db = sqlite3.connect(path)
            (blocked, _, _) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            db.close()
            assert blocked == 0


async def test_leaving_the_log_waits_for_appends_under_way(tmp_path: Path):
    path = tmp_path / "log.db"
    async with EmbeddedLog.open(path, {"t": SPEC}) as log:
        await log.admin().ensure_topics([SPEC])
        async with log.producer() as producer:
            sends = [
                asyncio.create_task(producer.send([Message("t", b"k", b"%d" % n)]))
                for n in range(100)
            ]
            await asyncio.sleep(0)  # they are queued now, and none is answered
        assert await log.admin().end_offsets([TP]) == {TP: 100}, "the producer waits as well"
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM records").fetchone() == (100,)
    acks = await asyncio.gather(*sends)
    assert [ack.offset for (ack,) in acks] == list(range(100))


async def test_r35_the_last_connection_checkpoints(tmp_path: Path):
    path = tmp_path / "log.db"
    async with EmbeddedLog.open(path, {"t": SPEC}) as log:
        await log.admin().ensure_topics([SPEC])
        assert path.with_name("log.db-wal").exists()
    assert not path.with_name("log.db-wal").exists()


def test_a_long_burst_keeps_the_file_beside_it_bounded(tmp_path: Path):
    path = tmp_path / "log.db"
    with closing(connect_writer(path, synchronous="NORMAL", max_bytes=None)) as db:
        value, written = b"x" * 40_000, 0
        while written < 3 * WAL_PAGES * PAGE_BYTES:
            db.execute("INSERT INTO records VALUES (?, 0, NULL, x'90', ?)", (written, value))
            written += len(value)
        beside = path.with_name("log.db-wal").stat().st_size
    assert WAL_PAGES * PAGE_BYTES / 2 < beside < 1.2 * WAL_PAGES * PAGE_BYTES


async def test_what_was_handed_out_is_closed_with_its_context(tmp_path: Path):
    async with EmbeddedLog.open(tmp_path / "log.db", {"t": SPEC}) as log:
        await log.admin().ensure_topics([SPEC])
        async with log.producer() as producer, log.reader() as reader:
            reader.assign({TP: 0})
        with pytest.raises(LogClosedError, match="producer"):
            await producer.send([Message("t", b"k", b"")])
        with pytest.raises(LogClosedError, match="reader"):
            await reader.poll(max_records=1, wait_s=0)
    with pytest.raises(LogClosedError, match="log"):
        await log.admin().ensure_topics([SPEC])
    with pytest.raises(LogClosedError, match="log"):
        await log.admin().offsets_at({TP: 0})


async def test_a_full_disk_fails_the_sends_that_do_not_fit_and_no_others(tmp_path: Path):
    path = tmp_path / "log.db"
    async with EmbeddedLog.open(path, {"t": SPEC}, max_bytes=400 * 1024) as log:
        await log.admin().ensure_topics([SPEC])
        async with log.producer() as producer, log.producer() as other, log.reader() as reader:
            await producer.send([Message("t", b"k", b"first")])
            large, small = await asyncio.gather(
                producer.send([Message("t", b"k", b"x" * 900_000)]),
                other.send([Message("t", b"k", b"small")]),
                return_exceptions=True,
            )
            assert isinstance(large, ProduceUnknownError)
            assert large.topics == ("t",)
            assert "full" in str(large)
            assert [ack.offset for ack in small] == [1]
            await producer.send([Message("t", b"k", b"last")])
            reader.assign({TP: 0})
            found = await reader.poll(max_records=10, wait_s=1)
            assert [r.value for r in found] == [b"first", b"small", b"last"]
            assert [r.offset for r in found] == [0, 1, 2]


async def test_without_a_bound_the_large_record_fits(tmp_path: Path):
    async with EmbeddedLog.open(tmp_path / "log.db", {"t": SPEC}) as log:
        await log.admin().ensure_topics([SPEC])
        async with log.producer() as producer:
            await producer.send([Message("t", b"k", b"x" * 900_000)])
