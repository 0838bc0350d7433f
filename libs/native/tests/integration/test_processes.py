"""Processes of servers end when they should, with everything they started."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from facilitair_native.processes import ServerProcess, tail
from facilitair_testing.bounded import at_most
from facilitair_testing.eventually import eventually

pytestmark = pytest.mark.integration

FAMILY = "sleep 1000 & echo child $!; echo ready; trap 'echo asked; exit 0' TERM; wait"
STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.1; done"
STARTER = """
import os, sys
from pathlib import Path
from facilitair_native.processes import ServerProcess
server = ServerProcess(
    ["sh", "-c", sys.argv[2]], folder=Path("/"), log_file=Path(sys.argv[1]), environ=os.environ
)
print(server.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def log_file(tmp_path):
    return tmp_path / "logs" / "server.log"


@pytest.fixture
def start(log_file, tmp_path):
    started = []

    def run(script):
        process = ServerProcess(
            ["sh", "-c", script], folder=tmp_path, log_file=log_file, environ=os.environ
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()


def group_lives(pid):
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_it_is_asked_first_and_nothing_of_its_group_stays(start, log_file):
    server = start(FAMILY)
    await eventually(lambda: "ready" in tail(log_file))
    server.end(timeout_s=60)
    assert "asked" in tail(log_file)
    assert server.exit_code == 0
    assert not group_lives(server.pid)


async def test_who_does_not_listen_is_killed_at_the_deadline(start, log_file):
    server = start(STUBBORN)
    await eventually(lambda: "ready" in tail(log_file))
    began = time.monotonic()
    with at_most(0.3, "an end by force"):
        server.end(timeout_s=0.3)
    assert time.monotonic() - began >= 0.3
    assert server.exit_code == -signal.SIGKILL
    assert not group_lives(server.pid)


async def test_a_frozen_one_is_woken_to_end(start, log_file):
    server = start(FAMILY)
    await eventually(lambda: "ready" in tail(log_file))
    server.freeze()
    server.end(timeout_s=60)
    assert server.exit_code == 0


async def test_what_is_frozen_stands_still_at_once_and_may_be_frozen_again(start, log_file):
    server = start(FAMILY)
    await eventually(lambda: "ready" in tail(log_file))
    for _ in range(20):
        server.freeze()
        assert {state_of(thread) for thread in Path(f"/proc/{server.pid}/task").iterdir()} == {"T"}
        server.signal_group(signal.SIGCONT)


async def test_freezing_what_has_ended_changes_nothing(start):
    server = start("exit 3")
    await eventually(lambda: server.exit_code is not None)
    server.freeze()
    assert server.exit_code == 3


def state_of(thread: Path) -> str:
    return (thread / "stat").read_text().rpartition(")")[2].split()[0]


async def test_ending_twice_is_ending_once(start):
    server = start("exit 3")
    await eventually(lambda: server.exit_code is not None)
    server.end(timeout_s=5)
    server.end(timeout_s=5)
    server.kill()
    assert server.exit_code == 3


async def test_logs_of_all_starts_are_kept_and_the_tail_is_of_the_last(start, log_file):
    for n in range(3):
        begun = log_file.stat().st_size if n else 0
        start(f"echo start {n}; echo oops >&2")
        await eventually(lambda n=n, b=begun: tail(log_file, start=b) == f"start {n}\noops")
    assert log_file.read_text().count("start") == 3


async def test_it_dies_with_who_started_it_also_by_kill_9(log_file):
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(log_file), FAMILY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    pid = int(starter.stdout.readline())
    await eventually(lambda: "ready" in tail(log_file))
    assert group_lives(pid)
    starter.kill()
    starter.communicate()
    await eventually(lambda: not group_lives(pid), what="the end of the orphan")
