"""The process of the launcher: its lock, its signals, its end.

``python -m facilitair_cli.fleet.process`` is what ``up --fleet --detach`` starts.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TextIO

from facilitair_cli.announcements import announced
from facilitair_cli.errors import AlreadyUpError, CommandError, StartError
from facilitair_cli.exits import ExitCode
from facilitair_cli.fleet.members import parse_scale
from facilitair_cli.fleet.table import FleetScreen, PlainFleet
from facilitair_cli.launching import Started, tell_started
from facilitair_cli.solo_lock import only_solo
from facilitair_cli.state_folder import StateFolder, prepare, state_folder


def run_launcher(
    folder: StateFolder,
    counts: Mapping[str, int],
    *,
    screen: FleetScreen,
    log_stream: TextIO,
    on_ready: Callable[[str], None],
) -> None:
    """Run a fleet in this process until SIGTERM or SIGINT. Raises CommandError."""
    prepare(folder)
    with only_solo(folder), announced(folder.fleet), asyncio.Runner() as runner:
        runner.run(_run(folder, counts, screen=screen, log_stream=log_stream, on_ready=on_ready))


async def _run(
    folder: StateFolder,
    counts: Mapping[str, int],
    *,
    screen: FleetScreen,
    log_stream: TextIO,
    on_ready: Callable[[str], None],
) -> None:
    stop, ready = asyncio.Event(), asyncio.Event()
    _stop_on_signals(stop, ready)
    from facilitair_cli.fleet.launcher import run_fleet  # noqa: PLC0415 - after the lock is ours
    from facilitair_observability.logs import configure  # noqa: PLC0415 - as above

    configure(service="launcher", level="info", stream=log_stream)

    def on_up(url: str) -> None:
        ready.set()
        on_ready(url)

    await run_fleet(folder, counts, screen=screen, stop=stop, on_ready=on_up)


def _stop_on_signals(stop: asyncio.Event, ready: asyncio.Event) -> None:
    """The first signal stops, or ends the start; the second kills what is in flight."""
    loop, main = asyncio.get_running_loop(), asyncio.current_task()

    def on_signal() -> None:
        if main is not None and (stop.is_set() or not ready.is_set()):
            main.cancel()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)


def main(argv: Sequence[str]) -> int:
    """Run until stopped; says one line on stdout when it is ready or cannot be."""
    parser = argparse.ArgumentParser(prog="python -m facilitair_cli.fleet.process")
    parser.add_argument("--scale", action="append", default=[])
    arguments = parser.parse_args(argv)

    def on_ready(url: str) -> None:
        tell_started(Started(outcome="ready", url=url, pid=os.getpid()))

    try:
        run_launcher(
            state_folder(os.environ),
            parse_scale(arguments.scale),
            screen=PlainFleet(sys.stderr),
            log_stream=sys.stderr,
            on_ready=on_ready,
        )
    except AlreadyUpError as error:
        tell_started(Started(outcome="locked", pid=error.pid, url=error.url))
        return ExitCode.FAILED
    except CommandError as error:
        sys.stderr.write(f"{error}\n")
        faults = error.faults if isinstance(error, StartError) else (str(error),)
        tell_started(Started(outcome="faulty", faults=faults))
        return ExitCode.FAILED
    except asyncio.CancelledError:
        return ExitCode.INTERRUPTED
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
