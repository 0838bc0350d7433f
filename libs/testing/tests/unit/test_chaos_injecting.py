"""A fault has landed only when its effect was observed."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from facilitair_testing.chaos import injecting, injecting_kafka
from facilitair_testing.chaos.clocks import Clocks, build_library
from facilitair_testing.chaos.faults import Fault, NotLandedError, NotPossibleError
from facilitair_testing.chaos.injectors import slow_commits
from facilitair_testing.chaos.process_states import alive, stopped
from facilitair_testing.chaos.proxy import ChaosProxy
from facilitair_testing.eventually import eventually

pytestmark = pytest.mark.integration


class Victims:
    """As much of a system as a fault needs."""

    def __init__(self, pids):
        self.disk = self.clocks = None
        self._pids = pids

    def pids(self, _target):
        return self._pids


@pytest.fixture
def victim():
    process = subprocess.Popen(
        [sys.executable, "-c", "import time\nwhile True: time.sleep(0.01); time.time()"]
    )
    yield process
    process.kill()
    process.wait(10)


@pytest.fixture(autouse=True)
def little_patience(monkeypatch):
    monkeypatch.setattr(injecting, "_SEEN_S", 2.0)


def fault(kind, *, for_s=0.1, amount=0.0):
    return Fault(kind=kind, target="orchestrator", after_s=0, for_s=for_s, amount=amount)


async def test_a_kill_is_the_end_of_the_process(victim):
    told = await injecting.kill(Victims({"orchestrator-0": victim.pid}), fault("kill"))
    assert told == f"died: orchestrator-0 ({victim.pid})"
    assert victim.wait(10) == -signal.SIGKILL


async def test_a_kill_of_what_is_dead_did_not_land(victim):
    victim.kill()
    victim.wait(10)
    with pytest.raises(NotLandedError, match="its end"):
        await injecting.kill(Victims({"orchestrator-0": victim.pid}), fault("kill"))


async def test_a_pause_is_seen_as_state_t_and_ends(victim):
    pausing = asyncio.create_task(
        injecting.pause(Victims({"a": victim.pid}), fault("pause", for_s=0.5))
    )
    assert "state T for 0.5 s" in await pausing
    await eventually(lambda: not stopped(victim.pid))
    assert alive(victim.pid)


async def test_a_launcher_may_kill_what_stands_still(victim):
    asyncio.get_running_loop().call_later(1, victim.kill)
    told = await injecting.pause(Victims({"a": victim.pid}), fault("pause", for_s=2))
    assert "until it was killed" in told


async def test_a_pause_of_nobody_did_not_land():
    with pytest.raises(NotLandedError, match="state T"):
        await injecting.pause(Victims({}), fault("pause"))


async def test_a_pause_that_is_given_up_lets_the_process_go_on(victim):
    pausing = asyncio.create_task(
        injecting.pause(Victims({"a": victim.pid}), fault("pause", for_s=60))
    )
    await eventually(lambda: stopped(victim.pid))
    pausing.cancel()
    await asyncio.gather(pausing, return_exceptions=True)
    await eventually(lambda: not stopped(victim.pid))


@pytest.mark.parametrize(("kind", "needs"), [("skew", "compiler"), ("disk_full", "tmpfs")])
async def test_what_the_machine_lacks_is_named(kind, needs):
    with pytest.raises(NotPossibleError, match=needs):
        await getattr(injecting, kind)(Victims({}), fault(kind))


async def test_a_clock_that_nobody_asks_was_not_moved(tmp_path):
    library = build_library(os.environ)
    if library is None:
        pytest.xfail("no C compiler: the clock of a service cannot be moved")
    clocks = Clocks(tmp_path, library=library)
    quiet = subprocess.Popen(
        [sys.executable, "-c", "print('up', flush=True)\ninput()"],
        env={**os.environ, **clocks.variables()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    quiet.stdout.readline()
    system = Victims({"a": quiet.pid})
    system.clocks = clocks
    with pytest.raises(NotLandedError, match="clock"):
        await injecting.skew(system, fault("skew", amount=60))
    quiet.communicate(b"\n", timeout=60)
    quiet.stdout.close()


async def test_weather_that_nobody_felt_did_not_land():
    async with ChaosProxy.open(1) as proxy:
        system = Victims({})
        system.proxy = proxy
        with pytest.raises(NotLandedError, match="delay"):
            await injecting_kafka.net_delay(system, fault("net_delay", amount=0.1))
        with pytest.raises(NotLandedError, match="connections of orchestrator"):
            await injecting_kafka.net_reset(system, fault("net_reset"))


async def test_a_slow_disk_without_commits_did_not_land(tmp_path):
    system = Victims({})
    system.commits = tmp_path / "dial"
    with pytest.raises(NotLandedError, match="commit"):
        await slow_commits(system, fault("slow_disk", amount=0.1))
    assert system.commits.read_text() == "0"


async def test_a_slow_disk_is_felt_by_commits(tmp_path):
    system = Victims({})
    system.commits = tmp_path / "dial"
    slowing = asyncio.create_task(slow_commits(system, fault("slow_disk", for_s=1.5, amount=0.25)))
    await eventually(lambda: system.commits.exists() and system.commits.read_text() == "250.0")
    (tmp_path / "dial.felt").write_bytes(b"..")
    assert await slowing == "2 commits waited 0.25 s"
