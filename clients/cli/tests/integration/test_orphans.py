"""What a solo leaves that dies before it is ready: its simulator has nobody else to end it."""

import subprocess
import sys

import pytest

from facilitair_cli.announcements import find, is_alive
from facilitair_cli.errors import SoloDiedError
from facilitair_cli.launching import Child
from facilitair_cli.state_folder import StateFolder, prepare
from facilitair_testing.eventually import eventually

pytestmark = pytest.mark.integration

# A solo up to the moment at which the kernel, say, takes it for the one that needs the memory.
DYING = """
import os, pathlib, signal, sys
from facilitair_cli import simulator
from facilitair_cli.state_folder import StateFolder
folder = StateFolder(pathlib.Path(sys.argv[1]))
simulator.start(folder, {**os.environ, "FACILITAIR_SIMULATOR_PORT": "0"})
while sys.argv[2] == "later" and not folder.simulator.exists():
    pass
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("moment", ["later", "at once"])
async def test_its_simulator_ends_with_it(tmp_path, moment):
    folder = StateFolder(tmp_path / "home")
    prepare(folder)
    process = subprocess.Popen(
        [sys.executable, "-c", DYING, str(folder.root), moment],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    left = []

    async def note() -> bool:
        found = find(folder.simulator)
        left.extend([found] if found is not None else [])
        return bool(left)

    child = Child(process, log=tmp_path / "log", folder=folder)
    if moment == "later":
        await eventually(note, timeout_s=60, what="the simulator")
    with pytest.raises(SoloDiedError):
        await child.ready()
    process.stdout.close()
    assert find(folder.simulator) is None
    assert not any(is_alive(one) for one in left)
