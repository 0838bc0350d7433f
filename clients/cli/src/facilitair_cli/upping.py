"""``up``, ``down`` and ``status``: solo as something that stays."""

import asyncio
import contextlib
import os
import signal
import sys
from typing import Any, Final, TextIO

from facilitair_cli import simulator
from facilitair_cli.announcements import Announcement, find
from facilitair_cli.errors import AlreadyUpError, StoppingError
from facilitair_cli.exits import ExitCode
from facilitair_cli.launching import launch, log_file
from facilitair_cli.screens import json_text, note
from facilitair_cli.solo_process import run_solo
from facilitair_cli.state_folder import StateFolder, prepare
from facilitair_cli.telling import tell_up

_STOP_S: Final = 30.0
"""Longer than the services take to finish what is in flight."""

_FLEET_STOP_S: Final = 90.0
"""As above, one service after the other, then Kafka."""

_KILL_S: Final = 5.0


def up(folder: StateFolder, *, as_json: bool) -> int:
    """Run solo in the foreground until Ctrl-C. Raises CommandError."""
    prepare(folder)

    def on_ready(url: str) -> None:
        tell_up(folder, url=url, pid=os.getpid(), as_json=as_json)

    with log_file(folder).open("a", encoding="utf-8") as log:
        _run(folder, log=log, on_ready=on_ready)
    return ExitCode.DONE


def _run(folder: StateFolder, *, log: TextIO, on_ready: Any) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        run_solo(folder, port=None, log_stream=log, on_ready=on_ready)


async def up_detached(folder: StateFolder, *, as_json: bool) -> int:
    """Start solo in the background; returns when it is ready. Raises CommandError."""
    prepare(folder)
    child = launch(folder, port=None, attached=False)
    said = await child.ready()
    if said.outcome == "locked":
        raise AlreadyUpError(pid=said.pid, url=said.url)
    tell_up(folder, url=said.url or "", pid=child.pid, as_json=as_json)
    return ExitCode.DONE


async def down(folder: StateFolder, *, as_json: bool) -> int:
    """Stop solo or fleet, and the simulator, of this folder; nothing to stop is no error.

    Raises StoppingError when a process does not end.
    """
    solo, fleet = find(folder.solo), find(folder.fleet)
    stopped = solo is not None and await _stop(solo, within_s=_STOP_S)
    stopped |= fleet is not None and await _stop(fleet, within_s=_FLEET_STOP_S)
    simulator_stopped = await simulator.stop_all(folder, None)
    if as_json:
        document = {"stopped": stopped, "simulator_stopped": simulator_stopped}
        sys.stdout.write(json_text(document) + "\n")
    elif stopped or simulator_stopped:
        sys.stdout.write("Facilitair is down\n")
    else:
        sys.stdout.write("Facilitair was not up\n")
    return ExitCode.DONE


async def _stop(found: Announcement, *, within_s: float) -> bool:
    """Ask, wait for work in flight to end, and then insist."""
    for number, seconds in ((signal.SIGTERM, within_s), (signal.SIGKILL, _KILL_S)):
        if number == signal.SIGKILL:
            note(f"process {found.pid} does not end within {within_s:.0f} s; it is killed")
        with contextlib.suppress(ProcessLookupError):
            os.kill(found.pid, number)
        if await simulator.gone_within(found, seconds):
            return True
    raise StoppingError(pid=found.pid)
