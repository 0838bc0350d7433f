"""``usage export``: the books as a file that goes on where it ended."""

import csv
import sys
import time
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final, Literal

import msgspec
from msgspec import Struct

from facilitair_cli.attaching import Attachment
from facilitair_cli.budgeting import tell
from facilitair_cli.errors import OptionError
from facilitair_cli.exits import ExitCode
from facilitair_cli.screens import note
from facilitair_cli.talking import ask
from facilitair_client import EntryLine, Facilitair

Form = Literal["csv", "jsonl"]

_TAIL_BYTES: Final = 1024 * 1024
"""More than the longest line."""

_PROGRESS_S: Final = 2.0


class Wish(Struct, frozen=True, kw_only=True):
    """What to export, and where to."""

    file: Path
    form: Form
    since: datetime | None = None
    until: datetime | None = None
    collaboration: str | None = None
    force: bool = False


class _Place(Struct, frozen=True, kw_only=True):
    """Where a file goes on: its whole lines end at ``size``, the last one is of ``cursor``."""

    size: int = 0
    cursor: str | None = None


def form_of(text: str) -> Form:
    """The format of that name. Raises OptionError."""
    known: dict[str, Form] = {"csv": "csv", "jsonl": "jsonl"}
    if text not in known:
        raise OptionError(option="--format", reason="must be csv or jsonl")
    return known[text]


async def export(wish: Wish, attached: Attachment, *, as_json: bool) -> int:
    """Write the entries that the file does not have yet. Raises OptionError for another file."""
    place = _place(wish)
    if place.cursor is not None:
        note(f"{wish.file} is there: going on behind its last entry")
    wish.file.parent.mkdir(parents=True, exist_ok=True)
    with wish.file.open("r+b" if wish.file.exists() else "w+b") as out:
        out.truncate(place.size)
        out.seek(place.size)
        written = _Written(out, cursor=place.cursor)
        # Asked again, it goes on behind what is in the file by then.
        await ask(attached, lambda client: _write(client, wish, written=written))
    document = {"file": str(wish.file), "entries": written.entries, "cursor": written.cursor}
    count = written.entries
    told = f"{count:,} {'entry' if count == 1 else 'entries'} written to {wish.file}"
    tell(document, [told], as_json=as_json)
    return ExitCode.DONE


class _Written:
    """A file while it grows."""

    def __init__(self, out: BinaryIO, *, cursor: str | None) -> None:
        self._out = out
        self._told_at = time.monotonic()
        self.cursor = cursor
        self.entries = 0

    def add(self, line: EntryLine) -> None:
        """Append a line; tell now and then how many there are."""
        if line.cursor is None and self._out.tell():
            return  # the heading is there
        self._out.write(line.content)
        if line.cursor is None:
            return
        self.cursor = line.cursor
        self.entries += 1
        if sys.stderr.isatty() and time.monotonic() - self._told_at > _PROGRESS_S:
            self._told_at = time.monotonic()
            note(f"{self.entries:,} entries …")


async def _write(client: Facilitair, wish: Wish, *, written: _Written) -> None:
    lines: AsyncIterator[EntryLine] = client.money.entry_lines(
        wish.form,
        since=wish.since,
        until=wish.until,
        collaboration=wish.collaboration,
        cursor=written.cursor,
    )
    async for line in lines:
        written.add(line)


def _place(wish: Wish) -> _Place:
    if wish.force or not wish.file.exists():
        return _Place()
    try:
        with wish.file.open("rb") as opened:
            size = opened.seek(0, 2)
            opened.seek(max(0, size - _TAIL_BYTES))
            tail = opened.read()
    except OSError as error:
        reason = f"{wish.file} cannot be read: {error}"
        raise OptionError(option="--out", reason=reason) from error
    if not tail:
        return _Place()
    whole, _, broken = tail.rpartition(b"\n")
    cursor = _cursor(whole.rpartition(b"\n")[2], form=wish.form)
    if cursor is None:
        reason = f"{wish.file} is no {wish.form} export; name another file, or use --force"
        raise OptionError(option="--out", reason=reason)
    # A line that was broken off is written anew.
    return _Place(size=size - len(broken), cursor=cursor or None)


def _cursor(line: bytes, *, form: Form) -> str | None:
    """The cursor of a line: empty for a heading, None for what is no line of an export."""
    try:
        if form == "jsonl":
            return msgspec.json.decode(line, type=_Row).cursor
        (cells,) = csv.reader([line.decode().rstrip("\r")])
    except (msgspec.DecodeError, UnicodeDecodeError, csv.Error, ValueError):
        return None
    if not cells or len(cells) < _FEWEST_CELLS:
        return None
    return "" if cells[0] == "cursor" else cells[0]


class _Row(Struct):
    cursor: str


_FEWEST_CELLS: Final = 3
