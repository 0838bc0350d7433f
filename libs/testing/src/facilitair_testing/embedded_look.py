"""A look into the file of an embedded log from beside it, at this very moment."""

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Final

_SIZES: Final = """SELECT topic, count(*) FROM records
  JOIN partitions ON records.position >> 40 = partitions.id GROUP BY topic"""
_COMMITTED: Final = "SELECT count(*) FROM committed"


def topic_sizes(path: Path) -> Counter[str]:
    """How many records each topic holds. Blocks, and sees what was acknowledged."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return Counter(dict(db.execute(_SIZES).fetchall()))


def commits(path: Path) -> int:
    """How many partitions any group has committed an offset of. Blocks."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        (count,) = db.execute(_COMMITTED).fetchone()
        return int(count)
