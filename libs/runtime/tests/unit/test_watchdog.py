"""A blocked event loop ends the process, and says where it was blocked."""

import asyncio
import os
import signal
import subprocess
import sys
import time

import pytest

from facilitair_runtime.supervisor_settings import SupervisorSettings
from facilitair_runtime.watchdog import EXIT_CODE, watched_loop
from facilitair_testing.eventually import eventually

_BLOCKED = """
import asyncio, sys, time
from facilitair_runtime.watchdog import watched_loop

def where_it_hangs():
    print("blocked", flush=True)
    time.sleep(600)

async def main():
    with watched_loop(blocked_s=0.2, stream=sys.stderr):
        await asyncio.sleep(0.01)
        where_it_hangs()

asyncio.run(main())
"""


@pytest.mark.integration
def test_a_blocked_loop_ends_the_process_and_tells_where() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _BLOCKED], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == EXIT_CODE
    assert "the event loop has been blocked for 0.2 s; the process ends" in ran.stderr
    assert "in where_it_hangs" in ran.stderr


async def test_a_loop_that_turns_is_left_alone() -> None:
    ended: list[int] = []
    with watched_loop(blocked_s=3.0, stream=sys.stderr, end=ended.append):
        turned_until = time.monotonic() + 4.5
        await eventually(lambda: time.monotonic() > turned_until)
    assert ended == []


async def test_the_limit_is_what_it_is_told(tmp_path) -> None:
    ended: list[int] = []
    with (
        (tmp_path / "log").open("w") as log,
        watched_loop(blocked_s=600, stream=log, end=ended.append),
    ):
        await asyncio.sleep(0)
        time.sleep(0.1)
    assert ended == []


_STOPPED = (
    _BLOCKED.replace("time.sleep(600)", "")
    .replace("blocked_s=0.2", "blocked_s=2")
    .replace(
        "where_it_hangs()\n\nasyncio",
        "where_it_hangs()\n        await asyncio.to_thread(sys.stdin.readline)\n\nasyncio",
    )
)


@pytest.mark.integration
def test_time_in_which_the_process_was_stopped_does_not_count() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _STOPPED], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        os.kill(process.pid, signal.SIGSTOP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(3)
        os.kill(process.pid, signal.SIGCONT)
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert process.wait(60) == 0


def test_silence_is_borne_for_longer_than_a_session() -> None:
    assert SupervisorSettings().unanswered_s >= 3 * 15
