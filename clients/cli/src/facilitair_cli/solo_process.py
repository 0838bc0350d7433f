"""The process of solo: its lock, its simulator, its loop, its end.

``python -m facilitair_cli.solo_process`` is what the commands start in the background; see
``launching`` for what the two say to each other.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import Final, TextIO

from facilitair_cli import simulator
from facilitair_cli.announcements import announced
from facilitair_cli.errors import AlreadyUpError, CommandError, StartError
from facilitair_cli.exits import ExitCode
from facilitair_cli.launching import STAY, Started, tell_started
from facilitair_cli.solo_lock import only_solo
from facilitair_cli.state_folder import StateFolder, prepare, state_folder

_READ_BYTES: Final = 64


def run_solo(
    folder: StateFolder,
    *,
    port: int | None,
    log_stream: TextIO,
    on_ready: Callable[[str], None],
    attached: bool = False,
) -> None:
    """Run solo in this process until SIGTERM, SIGINT, or the end of stdin for an attached one.

    Raises CommandError when it cannot start or has to give up.
    """
    import uvloop  # noqa: PLC0415 - help and usage errors do without

    prepare(folder)
    with (
        only_solo(folder),
        announced(folder.solo),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(
            _run(folder, port=port, log_stream=log_stream, on_ready=on_ready, attached=attached)
        )


async def _run(
    folder: StateFolder,
    *,
    port: int | None,
    log_stream: TextIO,
    on_ready: Callable[[str], None],
    attached: bool,
) -> None:
    from facilitair_llm.endpoints import needs_simulator  # noqa: PLC0415 - loaded when it is needed

    stop = asyncio.Event()
    _stop_on_signals(stop)
    tasks = [asyncio.create_task(_watch_parent(stop))] if attached else []
    needed = needs_simulator(os.environ)
    process = simulator.start(folder, os.environ) if needed else None
    try:
        # The simulator starts while the services are loaded.
        from facilitair_cli import solo  # noqa: PLC0415 - as above
        from facilitair_messaging.crash_points import arm_from  # noqa: PLC0415 - as above
        from facilitair_observability.logs import configure  # noqa: PLC0415 - as above
        from facilitair_runtime.heap import settle_heap  # noqa: PLC0415 - as above
        from facilitair_runtime.watchdog import watched_loop  # noqa: PLC0415 - as above

        settings = solo.read_settings(port=port)
        arm_from(os.environ, home=folder.root)
        level = settings.gateway.process.log_level.lower()
        configure(service="solo", level=level, stream=log_stream)
        url = await simulator.reached(folder, process, os.environ) if needed else None
        if url is not None:
            tasks.append(asyncio.create_task(simulator.keep(folder, os.environ, url=url)))
        endpoints = solo.read_endpoints(os.environ, simulator_url=url)

        def settled(url: str) -> None:
            settle_heap()
            on_ready(url)

        with watched_loop(blocked_s=settings.supervisor.unanswered_s, stream=log_stream):
            await solo.serve(settings, endpoints, stop=stop, on_ready=settled)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await simulator.stop_all(folder, process)


def _stop_on_signals(stop: asyncio.Event) -> None:
    """The first signal stops, the second cuts off what is in flight."""
    loop, main = asyncio.get_running_loop(), asyncio.current_task()

    def on_signal() -> None:
        if stop.is_set() and main is not None:
            main.cancel()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)


async def _watch_parent(stop: asyncio.Event) -> None:
    """Stop when the parent closes the pipe or dies, unless it told us to stay."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    if await reader.read(_READ_BYTES) != STAY:
        stop.set()


def main() -> int:
    """Run until stopped; the exit code of a process that did not start is 1."""
    parser = argparse.ArgumentParser(prog="python -m facilitair_cli.solo_process")
    parser.add_argument("--port", type=int)
    parser.add_argument("--attached", action="store_true")
    arguments = parser.parse_args()

    def on_ready(url: str) -> None:
        tell_started(Started(outcome="ready", url=url, pid=os.getpid()))

    try:
        run_solo(
            state_folder(os.environ),
            port=arguments.port,
            log_stream=sys.stderr,
            on_ready=on_ready,
            attached=arguments.attached,
        )
    except AlreadyUpError as error:
        tell_started(Started(outcome="locked", pid=error.pid, url=error.url))
        return ExitCode.FAILED
    except StartError as error:
        sys.stderr.write(f"{error}\n")
        tell_started(Started(outcome="faulty", faults=error.faults))
        return ExitCode.FAILED
    except CommandError as error:
        sys.stderr.write(f"{error}\n")
        tell_started(Started(outcome="faulty", faults=(str(error),)))
        return ExitCode.FAILED
    except asyncio.CancelledError:
        return ExitCode.INTERRUPTED
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main())
