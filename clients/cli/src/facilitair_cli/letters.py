"""What ``dlq ls``, ``show``, ``replay`` of one letter, and ``discard`` do."""

import base64
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from rich.console import Console

from facilitair_cli.attaching import Attachment
from facilitair_cli.errors import OptionError
from facilitair_cli.exits import ExitCode
from facilitair_cli.keys import duration_s
from facilitair_cli.letters_wording import done_lines, letters_table, whole_lines
from facilitair_cli.screens import json_text, note
from facilitair_cli.talking import ask, ask_once
from facilitair_cli.terminal_text import harmless
from facilitair_client import DeadLetter

_PIPED_WIDTH: Final = 240
"""Where nobody looks nothing is cut."""


def filters_of(
    given: Mapping[str, str | None], *, since: str | None, state: str | None
) -> dict[str, str]:
    """The filters of a request. Raises OptionError."""
    chosen = {**given, "state": state, "since": None if since is None else _instant(since)}
    return {name: value for name, value in chosen.items() if value is not None}


async def listed(
    attached: Attachment, filters: Mapping[str, str], *, limit: int, as_json: bool
) -> int:
    """Tell the letters that the filters choose."""
    found = await ask(attached, lambda client: client.dead_letters.list(most=limit + 1, **filters))
    tell_letters(found[:limit], as_json=as_json)
    if len(found) > limit:
        note(f"there are more than {limit}; choose with --topic, --since, …, or raise --limit")
    return ExitCode.DONE


def tell_letters(found: list[DeadLetter], *, as_json: bool) -> None:
    """A table of letters, or JSON."""
    if as_json:
        write(json_text(msgspec.to_builtins(found)))
    elif not found:
        note("no dead letters")
    else:
        width = None if sys.stdout.isatty() else _PIPED_WIDTH
        Console(file=sys.stdout, width=width, markup=False, highlight=False).print(
            letters_table(found)
        )


async def shown(letter: str, attached: Attachment, *, raw: bool, as_json: bool) -> int:
    """Tell everything about a letter, or only the bytes of its value."""
    found = await ask(attached, lambda client: client.dead_letters.show(letter))
    if raw:
        sys.stdout.buffer.write(value_bytes(found))
        sys.stdout.buffer.flush()
        return ExitCode.DONE
    write(json_text(found) if as_json else "\n".join(whole_lines(found)))
    return ExitCode.DONE


async def replayed(
    letter: str, attached: Attachment, *, again: bool, dry_run: bool, as_json: bool
) -> int:
    """Put one record back, and tell what is to be expected of it."""
    done = await ask_once(
        attached,
        lambda client: client.dead_letters.replay(letter, again=again, dry_run=dry_run),
    )
    tell_done(done, as_json=as_json)
    return ExitCode.DONE


async def discarded(letter: str, attached: Attachment, *, reason: str, as_json: bool) -> int:
    """Close one letter."""
    done = await ask_once(attached, lambda client: client.dead_letters.discard(letter, reason))
    write(json_text(done) if as_json else harmless(f"{letter}: discarded"))
    return ExitCode.DONE


def tell_done(done: Mapping[str, Any], *, as_json: bool) -> None:
    """What putting a record back did, or would do; warnings stand beside the output."""
    if as_json:
        write(json_text(done))
        return
    for line in done_lines(done):
        write(line)
    for warning in done["warnings"]:
        note(f"warning: {warning}")


def value_bytes(found: Mapping[str, Any]) -> bytes:
    """The value of a shown letter, byte for byte; nothing where it has none."""
    return base64.b64decode(found["value"].get("base64", ""))


def write(text: str) -> None:
    """One thing on stdout."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _instant(since: str) -> str:
    try:
        found = datetime.fromisoformat(since)
    except ValueError:
        back = timedelta(seconds=duration_s(since, option="--since"))
        found = datetime.now(UTC) - back
    if found.tzinfo is None:
        reason = "say the zone too, like 2026-01-31T12:00:00Z, or how long ago, like 2h"
        raise OptionError(option="--since", reason=reason)
    return found.isoformat()
