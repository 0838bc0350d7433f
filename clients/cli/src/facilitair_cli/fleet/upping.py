"""``up --fleet``: in the foreground with a table, or in the background."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from facilitair_cli.errors import AlreadyUpError
from facilitair_cli.exits import ExitCode
from facilitair_cli.fleet.members import parse_scale
from facilitair_cli.fleet.needs import check_stores, fetch_kafka
from facilitair_cli.fleet.process import run_launcher
from facilitair_cli.fleet.table import choose_fleet_screen
from facilitair_cli.launching import Child
from facilitair_cli.screens import note
from facilitair_cli.service_settings import read_fleet_settings
from facilitair_cli.solo_lock import check_not_up
from facilitair_cli.state_folder import StateFolder, prepare
from facilitair_cli.telling import tell_up

READY_S: Final = 240.0
"""Longer than the launcher waits for its processes: it knows better which of them is late."""


def up(folder: StateFolder, *, scale: Sequence[str], stores: str, as_json: bool) -> int:
    """Run a fleet in the foreground until Ctrl-C. Raises CommandError."""
    counts = _checked(scale, stores)
    prepare(folder)
    screen = choose_fleet_screen(quiet=as_json)

    def on_ready(url: str) -> None:
        tell_up(folder, url=url, pid=os.getpid(), as_json=as_json, say=screen.say)

    with log_file(folder).open("a", encoding="utf-8") as log:
        try:
            run_launcher(folder, counts, screen=screen, log_stream=log, on_ready=on_ready)
        except asyncio.CancelledError:
            return ExitCode.INTERRUPTED
        finally:
            screen.close()
    return ExitCode.DONE


async def up_detached(
    folder: StateFolder, *, scale: Sequence[str], stores: str, as_json: bool
) -> int:
    """Start a fleet in the background; returns when it is ready. Raises CommandError."""
    counts = _checked(scale, stores)
    prepare(folder)
    check_not_up(folder)
    _, cluster = read_fleet_settings()
    if cluster.bootstrap_servers is None:
        # Here, where somebody sees it: the first time it takes longer than the child may.
        await asyncio.to_thread(fetch_kafka, os.environ, note)
    child = _launch(folder, counts)
    said = await child.ready(within_s=READY_S)
    if said.outcome == "locked":
        raise AlreadyUpError(pid=said.pid, url=said.url)
    tell_up(folder, url=said.url or "", pid=child.pid, as_json=as_json)
    return ExitCode.DONE


def log_file(folder: StateFolder) -> Path:
    """Where the launcher logs."""
    return folder.logs / "fleet.log"


def _checked(scale: Sequence[str], stores: str) -> Mapping[str, int]:
    check_stores(stores)
    return parse_scale(scale)


def _launch(folder: StateFolder, counts: Mapping[str, int]) -> Child:
    arguments = [f"--scale={service}={count}" for service, count in counts.items()]
    path = log_file(folder)
    with path.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "facilitair_cli.fleet.process", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, "FACILITAIR_HOME": str(folder.root)},
            start_new_session=True,
        )
    return Child(process, log=path, folder=folder)
