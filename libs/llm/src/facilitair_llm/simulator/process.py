"""The simulator's process: listen, announce, serve until told to stop."""

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import orjson
from aiohttp import web

from facilitair_llm.simulator.journal import Journal
from facilitair_llm.simulator.server import build_app
from facilitair_llm.simulator.settings import SimulatorSettings

SHUTDOWN_S = 0.5
"""How long answers in flight may still go on after SIGTERM before they are cancelled."""


async def serve(settings: SimulatorSettings, *, announce: Path | None) -> None:
    """Serve on 127.0.0.1 until SIGTERM or SIGINT; raises OSError if the port is taken.

    `announce` gets `{"url", "pid", "started_at"}` once requests are answered, in one step; at the
    end it is removed if it is still this process's.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    journal = Journal(settings.journal) if settings.journal is not None else None
    runner = web.AppRunner(
        build_app(settings, journal),
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=SHUTDOWN_S,
    )
    try:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", settings.port).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        if announce is not None:
            write_announcement(announce, url=url)
        sys.stdout.write(f"simulator (answers are simulated) on {url}, pid {os.getpid()}\n")
        sys.stdout.flush()
        await stop.wait()
    finally:
        await runner.cleanup()
        if journal is not None:
            await journal.close()
        if announce is not None:
            remove_announcement(announce)


def write_announcement(path: Path, *, url: str) -> None:
    """Write the file so that a reader finds all of it or the one before."""
    started_at = datetime.now(UTC).isoformat()  # noqa: TID251 - the start of this very process
    document = orjson.dumps({"url": url, "pid": os.getpid(), "started_at": started_at})
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with draft.open("wb") as file:
        file.write(document)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def remove_announcement(path: Path) -> None:
    """Remove the file unless it is missing or another process's."""
    try:
        document = orjson.loads(path.read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return
    if isinstance(document, dict) and document.get("pid") == os.getpid():
        path.unlink(missing_ok=True)
