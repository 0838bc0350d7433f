"""The one thread that writes (R34, R35): one transaction for all the jobs that wait."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Final, Generic, NamedTuple, TypeVar

import structlog

from facilitair_messaging.adapters.embedded.errors import LogClosedError, LogWriteError
from facilitair_messaging.adapters.embedded.file import checkpoint
from facilitair_messaging.adapters.embedded.heads import Heads
from facilitair_messaging.errors import MessagingError

T = TypeVar("T")

_JOBS_PER_COMMIT: Final = 1000
_CHECKPOINT_COMMITS: Final = 64
"""After so many commits a quiet moment is used to copy them into the file."""

_QUIET_S: Final = 0.5

_log = structlog.get_logger(__name__)


class Transaction(NamedTuple):
    """What a job works on. ``now_ms`` is the wall clock, read once per transaction."""

    db: sqlite3.Connection
    heads: Heads
    now_ms: int


@dataclass(slots=True)
class _Job(Generic[T]):
    apply: Callable[[Transaction], T]
    publish: Callable[[T], None]
    done: asyncio.Future[T]


_Outcome = tuple[_Job[Any], object, Exception | None]


class Writer:
    """Runs jobs in the order of ``submit``, many per transaction (group commit).

    Jobs that arrive while a commit runs go into the next one.
    When a transaction fails, its jobs are tried again one by one, so that only those fail that
    cannot be done.
    ``before_commit`` runs in the thread, for tests that have a slow disk.
    """

    def __init__(
        self,
        *,
        connect: Callable[[], sqlite3.Connection],
        heads: Heads,
        clock: Callable[[], int],
        before_commit: Callable[[], None] | None = None,
    ) -> None:
        self._connect = connect
        self._before_commit = before_commit
        self._heads = heads
        self._clock = clock
        self._db: sqlite3.Connection | None = None
        self._uncopied = 0
        self._queue: SimpleQueue[_Job[Any] | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._closing = False
        self._stopped = asyncio.Event()
        # A daemon, so that a process whose loop died without closing the log can still exit.
        self._thread = threading.Thread(target=self._run, name="embedded-log-writer", daemon=True)

    def start(self) -> None:
        """Start the thread; it opens its connection with the first job."""
        self._thread.start()

    def submit(
        self, apply: Callable[[Transaction], T], publish: Callable[[T], None] = lambda _: None
    ) -> asyncio.Future[T]:
        """Queue a job: ``apply`` in the thread, then ``publish`` on the loop once it is committed.

        ``apply`` may run more than once, only its last run counts.
        The future fails with what MessagingError ``apply`` raised, else with LogWriteError.
        Cancelling the future cancels nothing: the job runs and is published.
        Raises LogClosedError after ``close`` began.
        """
        if self._closing:
            raise LogClosedError(what="log")
        job = _Job(apply, publish, self._loop.create_future())
        self._queue.put(job)
        return job.done

    async def close(self) -> None:
        """Finish every job that was submitted, then checkpoint and close the file."""
        if not self._closing:
            self._closing = True
            self._queue.put(None)
        await self._stopped.wait()
        self._thread.join()

    def _run(self) -> None:
        try:
            while self._serve():
                pass
            self._disconnect()
            self._loop.call_soon_threadsafe(self._stopped.set)
        except RuntimeError:
            # The loop is closed: nobody is left to be told, and nothing more can be submitted.
            if not self._loop.is_closed():
                raise
            self._disconnect()

    def _serve(self) -> bool:
        """Wait for a job, commit all that are there; False after the last one."""
        jobs: list[_Job[Any]] = []
        job = self._next()
        while job is not None:
            jobs.append(job)
            if len(jobs) == _JOBS_PER_COMMIT or self._queue.empty():
                break
            job = self._queue.get()
        if jobs:
            self._loop.call_soon_threadsafe(self._settle, self._commit(jobs))
        return job is not None

    def _next(self) -> _Job[Any] | None:
        """Wait for a job; when none comes for a moment, copy what was written into the file."""
        if self._uncopied >= _CHECKPOINT_COMMITS:
            try:
                return self._queue.get(timeout=_QUIET_S)
            except Empty:
                self._copy()
        return self._queue.get()

    def _copy(self) -> None:
        self._uncopied = 0
        if self._db is not None:
            try:
                checkpoint(self._db)
            except sqlite3.Error as error:
                _log.warning("the log's file could not be brought up to date", reason=str(error))

    def _commit(self, jobs: list[_Job[Any]]) -> list[_Outcome]:
        try:
            results = self._transact(jobs)
        except Exception as error:  # noqa: BLE001 - each job's future gets it
            if len(jobs) > 1:
                return [outcome for job in jobs for outcome in self._commit([job])]
            return [(jobs[0], None, error)]
        return [(job, result, None) for job, result in zip(jobs, results, strict=True)]

    def _transact(self, jobs: list[_Job[Any]]) -> list[Any]:
        if self._db is None:
            self._db = self._connect()
        db = self._db
        transaction = Transaction(db, self._heads, self._clock())
        try:
            db.execute("BEGIN IMMEDIATE")
            results = [job.apply(transaction) for job in jobs]
            if self._before_commit is not None:
                self._before_commit()
            db.execute("COMMIT")
            self._uncopied += 1
        except BaseException:
            self._heads.undo()
            self._roll_back(db)
            raise
        self._heads.keep()
        return results

    def _roll_back(self, db: sqlite3.Connection) -> None:
        """End the failed transaction; a connection that cannot do even that is replaced."""
        try:
            if db.in_transaction:
                db.execute("ROLLBACK")
        except sqlite3.Error:
            self._db = None
            db.close()

    def _settle(self, outcomes: list[_Outcome]) -> None:
        """Publish and answer, on the loop, in the order of the commits."""
        for job, result, error in outcomes:
            if error is None:
                job.publish(result)
            if job.done.done():
                continue  # whoever waited was cancelled; what was written stays
            if error is None:
                job.done.set_result(result)
            else:
                job.done.set_exception(_reported(error))

    def _disconnect(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None


def _reported(error: Exception) -> MessagingError:
    if isinstance(error, MessagingError):
        return error
    reported = LogWriteError(reason=f"{type(error).__name__}: {error}")
    reported.__cause__ = error
    return reported
