import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from facilitair_testing.eventually import eventually
from facilitair_testing.leash import MARK, Leash

pytestmark = pytest.mark.integration

FOREVER = [sys.executable, "-c", "import signal; signal.pause()"]
STARTER = f"""
import subprocess, sys
from facilitair_testing.leash import Leash
leash = Leash()
print(subprocess.Popen({FOREVER!r}, start_new_session=True).pid, flush=True)
sys.stdin.read()
"""


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return b") Z" not in Path(f"/proc/{pid}/stat").read_bytes()


async def test_what_was_started_ends_with_who_was_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as starter:
        assert starter.stdout is not None
        left = int(starter.stdout.readline())
        assert lives(left)
        starter.send_signal(signal.SIGKILL)
    await eventually(lambda: not lives(left), what="the end of what was left")


def test_what_is_left_is_killed_and_nothing_else() -> None:
    before = os.environ.get(MARK)
    with subprocess.Popen(FOREVER) as other:
        leash = Leash()
        with subprocess.Popen(FOREVER) as left:
            leash.pull()
            assert left.wait(60) == -signal.SIGKILL
        assert lives(other.pid)
        other.kill()
    assert os.environ.get(MARK) == before
