"""The writer thread: group commit, failures that stay with who caused them, closing."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from facilitair_messaging.adapters.embedded import writer
from facilitair_messaging.adapters.embedded.errors import LogClosedError, LogWriteError
from facilitair_messaging.adapters.embedded.file import connect_writer
from facilitair_messaging.adapters.embedded.heads import Head, Heads
from facilitair_messaging.adapters.embedded.writer import _CHECKPOINT_COMMITS, Transaction, Writer
from facilitair_messaging.errors import UnknownTopicError
from facilitair_testing.clock import FakeClock
from facilitair_testing.eventually import eventually


class Gate:
    """Holds the writer thread inside a job, so that others pile up behind it."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()

    def __call__(self, transaction: Transaction) -> None:
        self.entered.set()
        assert self.open.wait(60)


class Rig:
    """A writer on a file, counting its transactions by the clock it asks once for each."""

    def __init__(self, path: Path) -> None:
        self.transactions = 0
        self.connections: list[sqlite3.Connection] = []
        self.heads = Heads()
        self.clock = FakeClock()
        self._path = path
        self.writer = Writer(connect=self.connect, heads=self.heads, clock=self.tick)

    def connect(self) -> sqlite3.Connection:
        db = connect_writer(self._path, synchronous="NORMAL", max_bytes=None)
        self.connections.append(db)
        return db

    def tick(self) -> int:
        self.transactions += 1
        return self.clock()

    async def hold(self) -> Gate:
        gate = Gate()
        self.writer.submit(gate)
        await eventually(gate.entered.is_set, what="the gate")
        return gate


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    rig = Rig(tmp_path / "log.db")
    rig.writer.start()
    yield rig
    await rig.writer.close()


def insert(position: int) -> Callable[[Transaction], int]:
    def apply(transaction: Transaction) -> int:
        transaction.db.execute("INSERT INTO records VALUES (?, 0, NULL, x'90', NULL)", (position,))
        return position

    return apply


def positions(transaction: Transaction) -> list[int]:
    return [row[0] for row in transaction.db.execute("SELECT position FROM records")]


def fail(transaction: Transaction) -> None:
    raise UnknownTopicError(topic="nowhere")


async def test_jobs_that_wait_share_one_transaction_and_keep_their_order(rig: Rig):
    gate = await rig.hold()
    published: list[int] = []
    jobs = [rig.writer.submit(insert(n), published.append) for n in range(500)]
    before = rig.transactions
    gate.open.set()
    assert await asyncio.gather(*jobs) == list(range(500))
    assert published == list(range(500))
    assert rig.transactions - before == 1


async def test_a_job_that_fails_fails_alone(rig: Rig):
    gate = await rig.hold()
    first, bad, second = (
        rig.writer.submit(insert(1)),
        rig.writer.submit(fail),
        rig.writer.submit(insert(2)),
    )
    gate.open.set()
    assert await first == 1
    with pytest.raises(UnknownTopicError):
        await bad
    assert await second == 2
    assert await rig.writer.submit(positions) == [1, 2]


async def test_what_sqlite_refuses_is_a_write_error_with_its_reason(rig: Rig):
    await rig.writer.submit(insert(1))
    with pytest.raises(LogWriteError, match="UNIQUE"):
        await rig.writer.submit(insert(1))
    assert await rig.writer.submit(positions) == [1]


async def test_a_failed_job_is_not_published_and_takes_no_offset(rig: Rig):
    published: list[object] = []
    await rig.writer.submit(lambda t: t.heads.add(7, Head(0, 0)))

    def take_and_fail(transaction: Transaction) -> Head:
        transaction.heads.take(7, transaction.now_ms)
        raise UnknownTopicError(topic="nowhere")

    with pytest.raises(UnknownTopicError):
        await rig.writer.submit(take_and_fail, published.append)
    head = await rig.writer.submit(lambda t: t.heads.take(7, t.now_ms), published.append)
    assert head.next_offset == 0
    assert published == [head]


async def test_a_cancelled_job_is_written_and_published_all_the_same(rig: Rig):
    gate = await rig.hold()
    published: list[int] = []
    job = rig.writer.submit(insert(1), published.append)
    job.cancel()
    gate.open.set()
    assert await rig.writer.submit(positions) == [1]
    assert published == [1]


async def test_a_connection_that_cannot_roll_back_is_replaced(rig: Rig):
    def break_connection(transaction: Transaction) -> None:
        transaction.db.close()
        transaction.db.execute("SELECT 1")

    await rig.writer.submit(insert(1))
    with pytest.raises(LogWriteError, match="closed"):
        await rig.writer.submit(break_connection)
    await rig.writer.submit(insert(2))
    assert await rig.writer.submit(positions) == [1, 2]
    assert len(rig.connections) == 2


async def test_a_connection_that_cannot_be_opened_fails_the_job_and_is_tried_again(
    tmp_path: Path,
):
    folder = tmp_path / "later"
    rig = Rig(folder / "log.db")
    rig.writer.start()
    with pytest.raises(LogWriteError, match="No such file"):
        await rig.writer.submit(positions)
    folder.mkdir()
    assert await rig.writer.submit(positions) == []
    await rig.writer.close()


async def test_closing_finishes_what_was_submitted_and_refuses_more(rig: Rig):
    gate = await rig.hold()
    jobs = [rig.writer.submit(insert(n)) for n in range(10)]
    closing = asyncio.create_task(rig.writer.close())
    await asyncio.sleep(0)
    with pytest.raises(LogClosedError):
        rig.writer.submit(positions)
    gate.open.set()
    await closing
    assert [job.result() for job in jobs] == list(range(10))


async def commit(rig: Rig, first: int, count: int) -> None:
    for number in range(first, first + count):
        await rig.writer.submit(insert(number))


def copies(rig: Rig) -> list[str]:
    """The statements of checkpoints, from now on."""
    said: list[str] = []
    rig.connections[-1].set_trace_callback(
        lambda text: said.append(text) if "wal_checkpoint" in text else None
    )
    return said


async def test_a_quiet_moment_after_many_commits_is_used_to_copy_them(rig: Rig, monkeypatch):
    monkeypatch.setattr(writer, "_QUIET_S", 0.05)
    await commit(rig, 0, 1)
    said = copies(rig)
    await commit(rig, 1, _CHECKPOINT_COMMITS)
    await eventually(lambda: said, what="the checkpoint")
    assert await rig.writer.submit(positions) == list(range(_CHECKPOINT_COMMITS + 1))
    assert len(said) == 1


async def test_commits_that_follow_each_other_never_wait_for_a_copy(rig: Rig, monkeypatch):
    monkeypatch.setattr(writer, "_QUIET_S", 3600.0)
    await commit(rig, 0, 1)
    said = copies(rig)
    await commit(rig, 1, 10 * _CHECKPOINT_COMMITS)
    assert said == []


async def test_a_copy_that_fails_costs_no_record(rig: Rig, monkeypatch):
    failed = threading.Event()

    def broken(_db: sqlite3.Connection) -> None:
        failed.set()
        raise sqlite3.OperationalError

    monkeypatch.setattr(writer, "_QUIET_S", 0.01)
    monkeypatch.setattr(writer, "checkpoint", broken)
    await commit(rig, 0, _CHECKPOINT_COMMITS)
    await eventually(failed.is_set, what="the failure")
    await commit(rig, _CHECKPOINT_COMMITS, 1)
    assert len(await rig.writer.submit(positions)) == _CHECKPOINT_COMMITS + 1


def test_r1_append_times_never_fall_when_the_clock_does():
    heads = Heads()
    heads.add(1, Head(0, 0))
    taken = [heads.take(1, now_ms) for now_ms in (50, 40, 60, 10)]
    assert taken == [Head(0, 50), Head(1, 50), Head(2, 60), Head(3, 60)]


def test_heads_forget_what_was_rolled_back():
    heads = Heads()
    heads.add(1, Head(5, 100))
    heads.keep()
    heads.take(1, 200)
    heads.undo()
    assert heads.of(1) == Head(5, 100)
