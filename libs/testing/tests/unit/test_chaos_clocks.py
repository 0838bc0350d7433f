"""The wall clock of a process that a test moves."""

import os
import subprocess
import sys

import pytest

from facilitair_testing.chaos.clocks import Clocks, build_library

pytestmark = pytest.mark.integration

TELL = "import sys, time\nfor _ in sys.stdin: print(time.time(), time.monotonic(), flush=True)"


@pytest.fixture
def clocks(tmp_path):
    library = build_library(os.environ)
    if library is None:
        pytest.xfail("no C compiler: the clock of a service cannot be moved")
    return Clocks(tmp_path, library=library)


@pytest.fixture
def teller(clocks):
    process = subprocess.Popen(
        [sys.executable, "-c", TELL],
        env={**os.environ, **clocks.variables()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def ask():
        process.stdin.write("now\n")
        process.stdin.flush()
        return [float(part) for part in process.stdout.readline().split()]

    ask.pid = process.pid
    yield ask
    process.stdin.close()
    process.stdout.close()
    process.wait(60)


def test_the_wall_clock_jumps_and_comes_back_and_the_other_goes_on(clocks, teller):
    before, steady = teller()
    clocks.move(teller.pid, by_s=3600)
    ahead, steadier = teller()
    clocks.move(teller.pid, by_s=-60)
    behind, _ = teller()
    clocks.move(teller.pid, by_s=0)
    after, _ = teller()
    assert 3600 <= ahead - before < 3660
    assert -60 <= behind - before < 0
    assert 0 <= after - before < 60
    assert 0 < steadier - steady < 60


def test_it_is_known_whether_a_process_asked(clocks, teller):
    teller()
    assert clocks.felt(teller.pid) == 0
    clocks.move(teller.pid, by_s=5)
    teller()
    assert clocks.felt(teller.pid) >= 1


def test_a_process_without_a_dial_is_refused(clocks):
    with pytest.raises(FileNotFoundError):
        clocks.move(1, by_s=1)


def test_without_a_compiler_there_is_none():
    assert build_library({"PATH": ""}) is None
