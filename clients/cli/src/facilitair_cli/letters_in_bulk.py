"""``dlq replay`` of many letters: first what would be done, then one after the other."""

from collections.abc import Mapping
from typing import Any

from facilitair_cli.attaching import Attachment
from facilitair_cli.errors import NotFoundError, RefusedError
from facilitair_cli.exits import ExitCode
from facilitair_cli.letters import write
from facilitair_cli.letters_wording import done_lines
from facilitair_cli.screens import json_text, note
from facilitair_cli.talking import ask, ask_once
from facilitair_client import DeadLetter


async def replayed(
    attached: Attachment, filters: Mapping[str, str], *, yes: bool, as_json: bool
) -> int:
    """Put all chosen letters back, in log order; without ``yes`` only tell what that would do.

    The letters are chosen before the first is put back, so what fails again is not put back twice.
    One that meanwhile was closed or has gone is told, and the others go on; exit code 1 then.
    """
    chosen = await ask(attached, lambda client: client.dead_letters.list(most=None, **filters))
    results: list[dict[str, Any]] = []
    failed = 0
    for number, letter in enumerate(chosen, 1):
        done = await _one(letter, attached, yes=yes)
        failed += "failed" in done
        results.append(done)
        if not as_json:
            _tell(done, number=number, of=len(chosen))
    if as_json:
        write(json_text(results))
    _sum_up(len(chosen), failed=failed, yes=yes)
    return ExitCode.FAILED if failed else ExitCode.DONE


async def _one(letter: DeadLetter, attached: Attachment, *, yes: bool) -> dict[str, Any]:
    try:
        if yes:
            return await ask_once(attached, lambda client: client.dead_letters.replay(letter.id))
        return await ask(
            attached, lambda client: client.dead_letters.replay(letter.id, dry_run=True)
        )
    except (RefusedError, NotFoundError) as error:
        return {"id": letter.id, "failed": str(error)}


def _tell(done: Mapping[str, Any], *, number: int, of: int) -> None:
    if "failed" in done:
        note(f"[{number}/{of}] {done['id']}: {done['failed']}")
        return
    write(f"[{number}/{of}] {next(iter(done_lines(done)))}")
    for warning in done["warnings"]:
        note(f"  warning: {warning}")


def _sum_up(count: int, *, failed: int, yes: bool) -> None:
    if not count:
        note("no open dead letter is chosen")
    elif not yes:
        note(f"nothing was done; add --yes to put {count - failed} back")
    else:
        note(f"{count - failed} of {count} put back")
