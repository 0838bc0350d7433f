"""``run`` and ``watch``: one collaboration from its task to its end, on one screen."""

import os
import secrets
import signal
import sys
from collections.abc import Sequence
from typing import Final

from facilitair_cli.attaching import Attachment
from facilitair_cli.exits import ExitCode, code_for
from facilitair_cli.following import Outcome, events_of, watch
from facilitair_cli.interrupts import interrupts, is_interactive
from facilitair_cli.saving import plan, save
from facilitair_cli.screens import JsonScreen, PlainScreen, Screen, json_text, note
from facilitair_cli.talking import ask
from facilitair_cli.wanted import Wanted
from facilitair_client import Submitted, Transcript

_SIGNALLED: Final = 128
"""What a shell adds to the number of the signal that ended a process."""


def choose_screen(*, as_json: bool) -> Screen:
    """JSON lines when asked for, a live picture on a terminal, else plain lines."""
    if as_json:
        return JsonScreen(sys.stdout)
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return PlainScreen(sys.stdout)
    from rich.console import Console  # noqa: PLC0415 - only where it is drawn

    from facilitair_cli.live_screen import LiveScreen  # noqa: PLC0415 - as above

    return LiveScreen(Console(markup=False, emoji=False, highlight=False))


async def run_wanted(wanted: Wanted, attached: Attachment) -> int:
    """Run a collaboration and show it; returns the exit code."""
    with interrupts() as found:
        submitted = await _submit(wanted, attached)
        if wanted.detach:
            return _detached(submitted, as_json=wanted.as_json)
        screen = choose_screen(as_json=wanted.as_json)
        screen.submitted(submitted)
        transcript = Transcript()
        outcome = await watch(
            events_of(attached, submitted.id, cursor=submitted.cursor),
            transcript,
            screen=screen,
            found=found,
            cancel=lambda: _cancel(attached, submitted.id),
        )
        if not transcript.ended:
            return _left(outcome, attached, collaboration=submitted.id, ended_by=found.ended_by)
        files, complete = _save(wanted, transcript)
        screen.end(transcript, files=files)
        code = _code(transcript, cancelled_here=outcome.cancelled)
        return code if complete else max(code, ExitCode.FAILED)


async def watch_one(
    collaboration: str, attached: Attachment, *, cursor: str | None, ws: bool, as_json: bool
) -> int:
    """Watch a collaboration from a cursor, or from its beginning; returns the exit code."""
    with interrupts() as found:
        described = await ask(attached, lambda client: client.get(collaboration))
        screen = choose_screen(as_json=as_json)
        transcript = Transcript()
        outcome = await watch(
            events_of(attached, collaboration, cursor=cursor, ws=ws),
            transcript,
            screen=screen,
            found=found,
            cancel=lambda: _cancel(attached, collaboration),
        )
        if transcript.ended:
            screen.end(transcript, files=())
            return _code(transcript, cancelled_here=outcome.cancelled)
        if outcome.left or outcome.detached:
            return _left(outcome, attached, collaboration=collaboration, ended_by=found.ended_by)
        # The cursor was from after the end.
        note(f"nothing follows: the collaboration has ended as {described.status}")
        faults = () if described.fault is None else (described.fault.code,)
        return code_for(described.status, faults=faults)


def _code(transcript: Transcript, *, cancelled_here: bool) -> ExitCode:
    faults = [fault.code for fault in transcript.faults]
    return code_for(transcript.status, faults=faults, cancelled_here=cancelled_here)


async def _submit(wanted: Wanted, attached: Attachment) -> Submitted:
    key = secrets.token_hex(16)
    return await ask(
        attached,
        lambda client: client.submit(
            wanted.task,
            workflow=wanted.workflow,
            inputs=wanted.inputs,
            models=wanted.models,
            budget=wanted.budget,
            idempotency_key=key,
        ),
    )


async def _cancel(attached: Attachment, collaboration: str) -> None:
    await ask(attached, lambda client: client.cancel(collaboration, "cancelled at the terminal"))


def _detached(submitted: Submitted, *, as_json: bool) -> int:
    """Say where it goes on."""
    if as_json:
        fields = {name: getattr(submitted, name) for name in submitted.__struct_fields__}
        sys.stdout.write(json_text(fields) + "\n")
    else:
        sys.stdout.write(f"{submitted.id}\n")
        note(f"it goes on without you: facilitair watch {submitted.id}")
    return ExitCode.DONE


def _left(
    outcome: Outcome,
    attached: Attachment,
    *,
    collaboration: str,
    ended_by: signal.Signals | None,
) -> int:
    """The user went away before the end."""
    if outcome.detached:
        stays = "; what was started for it stays until: facilitair down" if attached.owns else ""
        attached.release()
        note(f"it goes on without you: facilitair watch {collaboration}{stays}")
    elif attached.owns:
        attached.abandon(at_once=is_interactive())
        note(f"stopped; it goes on when you come back: facilitair watch {collaboration}")
    else:
        note(f"it goes on without you: facilitair watch {collaboration}")
    return ExitCode.INTERRUPTED if ended_by is None else _SIGNALLED + ended_by


def _save(wanted: Wanted, transcript: Transcript) -> tuple[Sequence[str], bool]:
    """Write the files; says which, and whether all of them."""
    if wanted.out is None:
        return (), True
    saved = save(wanted.out, plan(transcript), force=wanted.force)
    for fault in saved.left_out:
        note(f"not written: {fault}")
    return [str(wanted.out / name) for name in saved.written], not saved.left_out
