"""``dlq edit``: a value corrected in an editor, a file or place by place; a look; then it goes."""

import asyncio
import difflib
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from facilitair_cli.attaching import Attachment
from facilitair_cli.changing import changed
from facilitair_cli.errors import CommandError, OptionError, RefusedError
from facilitair_cli.exits import ExitCode
from facilitair_cli.letters import tell_done, value_bytes, write
from facilitair_cli.letters_wording import value_lines
from facilitair_cli.screens import note
from facilitair_cli.talking import ask, ask_once
from facilitair_cli.terminal_text import harmless

_OURS = ("dlq_", "dlq-")


class Wish(Struct, frozen=True, kw_only=True):
    """How to correct a record. Without file, stdin and changes an editor is opened."""

    file: Path | None
    stdin: bool
    changes: tuple[str, ...]
    headers: dict[str, str | None]
    again: bool
    dry_run: bool
    yes: bool
    as_json: bool


class EditorError(CommandError):
    """There is no editor, or it failed."""

    def __init__(self, *, editor: str, reason: str) -> None:
        super().__init__(f"the editor {editor!r} {reason}; set EDITOR, or use --value FILE")


def headers_of(given: Sequence[str]) -> dict[str, str | None]:
    """Headers to set, or to remove where nothing stands behind ``=``. Raises OptionError."""
    found: dict[str, str | None] = {}
    for pair in given:
        name, separator, text = pair.partition("=")
        if not separator or not name:
            raise OptionError(option="--header", reason=f"{pair!r} is not of the form name=text")
        found[name] = text or None
    return found


async def edited(letter: str, attached: Attachment, *, wish: Wish) -> int:
    """Correct a letter's record, show the difference, and put it back when that is wanted.

    A text from the editor that is refused is kept in a file, which the message names.
    """
    before = await ask(attached, lambda client: client.dead_letters.show(letter))
    written, kept = await asyncio.to_thread(_corrected, before, wish)
    try:
        value = _parsed(written)
        planned = await ask(
            attached,
            lambda client: client.dead_letters.edit(
                letter, value, headers=wish.headers, again=wish.again, dry_run=True
            ),
        )
    except (OptionError, RefusedError):
        if kept is not None:
            note(f"your text is kept: go on with --value {kept}")
        raise
    if kept is not None:
        kept.unlink()
    if not wish.as_json:
        write("\n".join(_difference(before, planned)) or "(the same value)")
    if wish.dry_run or not await asyncio.to_thread(_confirmed, wish):
        tell_done(planned, as_json=wish.as_json)
        note("nothing was done" + ("" if wish.dry_run else "; add --yes to put it back"))
        return ExitCode.DONE
    done = await ask_once(
        attached,
        lambda client: client.dead_letters.edit(
            letter, value, headers=wish.headers, again=wish.again
        ),
    )
    tell_done(done, as_json=wish.as_json)
    return ExitCode.DONE


def _corrected(before: Mapping[str, Any], wish: Wish) -> tuple[bytes, Path | None]:
    """The corrected JSON, and the file that an editor wrote it to. Raises CommandError."""
    if wish.changes:
        if "json" not in before["value"]:
            reason = "the value is no JSON, so it has no paths; use --value"
            raise OptionError(option="--set", reason=reason)
        return msgspec.json.encode(changed(before["value"]["json"], wish.changes)), None
    if wish.stdin:
        return sys.stdin.buffer.read(), None
    if wish.file is not None:
        return _read(wish.file), None
    if wish.headers and "json" in before["value"]:
        return value_bytes(before), None
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        reason = "there is no terminal for an editor; use --value FILE, --value - or --set"
        raise OptionError(option="--value", reason=reason)
    return _from_editor(before)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise OptionError(option="--value", reason=f"cannot read {file}: {error}") from error


def _from_editor(before: Mapping[str, Any]) -> tuple[bytes, Path]:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.NamedTemporaryFile(
        "wb", prefix="letter-", suffix=".json", delete=False
    ) as opened:  # readable by its owner only, as the text is a tenant's
        opened.write(_pretty(before))
    path = Path(opened.name)
    try:
        ended = subprocess.run([*shlex.split(editor), str(path)], check=False).returncode
    except (OSError, ValueError) as error:
        path.unlink()
        raise EditorError(editor=editor, reason=f"cannot be started: {error}") from error
    if ended:
        path.unlink()
        raise EditorError(editor=editor, reason=f"ended with {ended}")
    return _read(path), path


def _pretty(before: Mapping[str, Any]) -> bytes:
    if "json" in before["value"]:
        return msgspec.json.format(msgspec.json.encode(before["value"]["json"]), indent=2) + b"\n"
    return value_bytes(before)


def _parsed(written: bytes) -> Any:
    try:
        return msgspec.json.decode(written)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise OptionError(option="--value", reason=f"it is no JSON: {error}") from error


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """A unified diff of what the record says; headers of dead letters are left out."""
    old, new = (
        [
            *(
                f"{one['name']}: {harmless(one['value'])}"
                for one in sorted(document["headers"], key=lambda one: str(one["name"]))
                if not one["name"].startswith(_OURS)
            ),
            *value_lines(document["value"]),
        ]
        for document in (before, after)
    )
    return list(difflib.unified_diff(old, new, "dead letter", "corrected", lineterm=""))


def _confirmed(wish: Wish) -> bool:
    if wish.yes or wish.as_json or not sys.stdin.isatty() or wish.stdin:
        return wish.yes
    sys.stderr.write("put this record back? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
