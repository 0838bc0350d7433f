"""The simulator's process: started when no provider is set up, adopted when one is there.

It outlives a solo that was killed, so that calls in flight and its journal are as real as a
provider's; the next solo adopts it, and whoever ends in good order stops it.
"""

import asyncio
import contextlib
import http.client
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from typing import Final
from urllib.parse import urlsplit

import structlog

from facilitair_cli.announcements import Announcement, find, is_alive
from facilitair_cli.errors import StartError
from facilitair_cli.state_folder import StateFolder

_START_S: Final = 20.0
_STOP_S: Final = 5.0
_ORPHAN_S: Final = 3.0
_HEALTH_S: Final = 2.0
_PAUSE_S: Final = 0.01
_TOLD_BYTES: Final = 2000
_AGAIN_S: Final = 0.5
_LOOK_S: Final = 3600.0

_log = structlog.get_logger()


def start(folder: StateFolder, environ: Mapping[str, str]) -> "subprocess.Popen[bytes] | None":
    """Start a simulator unless one is there; returns at once. ``reached`` must follow."""
    if find(folder.simulator) is not None:
        return None
    journal = environ.get("FACILITAIR_SIMULATOR_JOURNAL", "").strip() or str(folder.journal)
    log = folder.logs / "simulator.log"
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "facilitair_llm.simulator", "--announce", folder.simulator],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**environ, "FACILITAIR_SIMULATOR_JOURNAL": journal},
            start_new_session=True,
        )


async def reached(  # noqa: PLR0917 - where, who, with what
    folder: StateFolder, process: "subprocess.Popen[bytes] | None", environ: Mapping[str, str]
) -> str:
    """The url of the simulator once it answers.

    One that was adopted and does not answer is replaced. Raises StartError.
    """
    if process is None:
        found = find(folder.simulator)
        if found is not None and await asyncio.to_thread(_is_healthy, found.url):
            return found.url
        if found is not None:
            await stop(found)
        process = start(folder, environ)
    async with _deadline():
        while True:
            found = find(folder.simulator)
            if found is not None and (process is None or found.pid == process.pid):
                return found.url
            if process is not None and process.poll() is not None:
                raise StartError(faults=_told(folder))
            await asyncio.sleep(_PAUSE_S)


async def keep(folder: StateFolder, environ: Mapping[str, str], *, url: str) -> None:
    """Start the simulator again at the same place whenever it ends, until cancelled.

    Calls that it was answering fail and are tried again by their steps. Raises StartError.
    """
    while True:
        found = find(folder.simulator)
        if found is not None:
            await _ended(found)
        _log.error("simulator ended, starting it again", url=url)
        port = str(urlsplit(url).port)
        process = start(folder, {**environ, "FACILITAIR_SIMULATOR_PORT": port})
        await reached(folder, process, environ)
        await asyncio.sleep(_AGAIN_S)


async def _ended(announcement: Announcement) -> None:
    """Return when a process ends, whosever child it is."""
    if not hasattr(os, "pidfd_open"):
        while not await gone_within(announcement, _LOOK_S):
            pass
        return
    try:
        descriptor = os.pidfd_open(announcement.pid)
    except ProcessLookupError:
        return
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


async def stop_all(folder: StateFolder, process: "subprocess.Popen[bytes] | None") -> bool:
    """End the simulator of the folder, also one that was started and has not said so yet."""
    found = find(folder.simulator)
    if process is not None and process.poll() is None and (not found or found.pid != process.pid):
        process.kill()
        process.wait()
    return await stop(found) if found is not None else False


async def end_orphan(folder: StateFolder) -> bool:
    """End the simulator of a solo, or fleet, that died before it was ready: nobody else would.

    It may still be starting, so it gets a moment to say where it is.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_ORPHAN_S):
            while find(folder.simulator) is None:  # noqa: ASYNC110 - no event tells of a foreign process
                await asyncio.sleep(_PAUSE_S)
    return await stop_all(folder, None)


async def stop(announcement: Announcement) -> bool:
    """End the very process that was announced, by force after a while; False if it was gone."""
    if not is_alive(announcement):
        return False
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(announcement.pid, number)
        if await gone_within(announcement, _STOP_S):
            return True
    return True


async def gone_within(announcement: Announcement, seconds: float) -> bool:
    """Whether a process ends in that time; one that is no child of ours can only be looked at."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while is_alive(announcement):  # noqa: ASYNC110 - no event tells of a foreign process
                await asyncio.sleep(_PAUSE_S)
            return True
    return False


@contextlib.asynccontextmanager
async def _deadline() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(_START_S):
            yield
    except TimeoutError as error:
        raise StartError(faults=["the simulator did not start in time"]) from error


def _is_healthy(url: str) -> bool:
    """Whether what answers there says that it is a simulator."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=_HEALTH_S)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        return answer.status == http.client.OK and b"simulated" in answer.read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _told(folder: StateFolder) -> list[str]:
    """What it said before it ended."""
    log = folder.logs / "simulator.log"
    said = log.read_bytes()[-_TOLD_BYTES:].decode("utf-8", "replace").strip()
    return said.splitlines() or ["the simulator ended without a word"]
