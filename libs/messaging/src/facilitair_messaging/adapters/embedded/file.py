"""The SQLite file: its format, its connections, and where a record lies in it.

A record's row id is its *position*: the partition's id in the upper bits, the offset below.
So a partition is one range of one B-tree, and reading it needs no second index.
"""

import sqlite3
from pathlib import Path
from typing import Final, Literal

from facilitair_messaging.adapters.embedded.errors import LogFormatError, LogWriteError

Synchronous = Literal["NORMAL", "FULL"]

FORMAT: Final = 1
APPLICATION_ID: Final = 0x46434C47  # "FCLG"
OFFSET_BITS: Final = 40
OFFSET_MASK: Final = (1 << OFFSET_BITS) - 1
PAGE_BYTES: Final = 4096
WAL_PAGES: Final = 8192
"""Written pages that wait beside the file, 32 MiB, before a commit has to copy them into it.

That takes two fsyncs, in the way of whoever waits for the commit: at SQLite's own 1,000 pages one
answer in seventy met it. The writer copies when nobody waits, so this is for long bursts.
"""

_SYNCHRONOUS_NAMES: Final[dict[int, Synchronous]] = {1: "NORMAL", 2: "FULL"}

# next_offset and last_ms of a partition are floors, written when records are deleted:
# without a deletion the last record itself says both.
_SCHEMA: Final = (
    """CREATE TABLE topics (
         name TEXT PRIMARY KEY, partitions INTEGER NOT NULL
       ) WITHOUT ROWID""",
    """CREATE TABLE partitions (
         id INTEGER PRIMARY KEY, topic TEXT NOT NULL REFERENCES topics (name),
         partition INTEGER NOT NULL, beginning INTEGER NOT NULL DEFAULT 0,
         next_offset INTEGER NOT NULL DEFAULT 0, last_ms INTEGER NOT NULL DEFAULT 0,
         UNIQUE (topic, partition))""",
    """CREATE TABLE records (
         position INTEGER PRIMARY KEY, timestamp_ms INTEGER NOT NULL,
         key BLOB, headers BLOB NOT NULL, value BLOB)""",
    """CREATE TABLE committed (
         consumer_group TEXT NOT NULL, partition_id INTEGER NOT NULL REFERENCES partitions (id),
         next_offset INTEGER NOT NULL, PRIMARY KEY (consumer_group, partition_id)
       ) WITHOUT ROWID""",
)


def position(partition_id: int, offset: int) -> int:
    """The row id of a record."""
    return partition_id << OFFSET_BITS | offset


def connect_writer(
    path: Path, *, synchronous: Synchronous, max_bytes: int | None
) -> sqlite3.Connection:
    """Open the one connection that writes and checkpoints (R35); creates the file.

    ``max_bytes`` bounds the file; what does not fit fails as on a full disk.
    The file is readable by its owner alone: it holds everybody's texts.
    Raises LogFormatError for a file of another kind or of a newer version, LogWriteError when
    there is no room or no access.
    """
    path.touch(mode=0o600)
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        _check_format(db, path)
        (mode,) = db.execute("PRAGMA journal_mode=WAL").fetchone()
        if mode != "wal":
            raise LogFormatError(path=path, reason="its file system has no shared memory for WAL")
        db.execute(f"PRAGMA synchronous={synchronous}")
        db.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}")
        if max_bytes is not None:
            db.execute(f"PRAGMA max_page_count={max(max_bytes // PAGE_BYTES, 1)}")
    except sqlite3.OperationalError as error:
        db.close()
        raise LogWriteError(reason=str(error)) from error
    except sqlite3.DatabaseError as error:
        db.close()
        raise LogFormatError(path=path, reason=str(error)) from error
    except LogFormatError:
        db.close()
        raise
    return db


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open a connection that cannot write. Who uses it holds no statement open across an await."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA query_only=ON")
    return db


def checkpoint(db: sqlite3.Connection) -> None:
    """Copy what was committed into the file, without waiting for readers."""
    db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def durability(db: sqlite3.Connection) -> Synchronous:
    """What SQLite says it does at a commit on this connection."""
    (level,) = db.execute("PRAGMA synchronous").fetchone()
    return _SYNCHRONOUS_NAMES[level]


def _check_format(db: sqlite3.Connection, path: Path) -> None:
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables == 0 and application == 0 and version == 0:
        _create(db)
        return
    if application != APPLICATION_ID:
        raise LogFormatError(path=path, reason="it is another program's database")
    if version > FORMAT:
        reason = f"its format is {version}, this version knows up to {FORMAT}; upgrade"
        raise LogFormatError(path=path, reason=reason)


def _create(db: sqlite3.Connection) -> None:
    db.execute(f"PRAGMA page_size={PAGE_BYTES}")
    db.execute("BEGIN IMMEDIATE")
    for statement in _SCHEMA:
        db.execute(statement)
    db.execute(f"PRAGMA application_id={APPLICATION_ID}")
    db.execute(f"PRAGMA user_version={FORMAT}")
    db.execute("COMMIT")
