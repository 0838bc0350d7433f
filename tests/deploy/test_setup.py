"""Setting up a fresh checkout where only python3, git, make, sh, bash and coreutils are found."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COREUTILS = "cat chmod cp cut date dirname env head ln ls mkdir mv nohup printf rm sleep sort touch"

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def reduced_path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bin")
    (folder / "python3").symlink_to(sys._base_executable)  # noqa: SLF001  the Python under the venv
    for name in ["git", "make", "sh", "bash", *COREUTILS.split()]:
        (folder / name).symlink_to(shutil.which(name))
    return folder


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkout")
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listing.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def start(checkout, path, *targets):
    outer = ("PATH", "MAKEFLAGS", "MAKELEVEL", "MFLAGS", "VIRTUAL_ENV")
    env = {name: value for name, value in os.environ.items() if name not in outer}
    return subprocess.Popen(
        ["make", *targets],
        cwd=checkout,
        env=env | {"PATH": str(path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process):
    output = process.communicate(timeout=240)[0]
    assert process.returncode == 0, output
    return output


def test_help_needs_no_set_up(checkout, reduced_path):
    assert "make run" in finish(start(checkout, reduced_path, "help"))
    assert not (checkout / ".venv").exists()


def test_init_survives_a_kill_then_finishes_then_is_instant(checkout, reduced_path):
    killed = start(checkout, reduced_path, "init")
    for line in killed.stdout:
        if "locked packages" in line:
            os.killpg(killed.pid, signal.SIGKILL)
            break
    killed.communicate(timeout=30)
    stamp = checkout / ".venv" / "facilitair.stamp"
    assert stamp.read_text() == "installing\n"

    assert "Set up in" in finish(start(checkout, reduced_path, "init"))
    done = stamp.stat()

    began = time.monotonic()
    assert finish(start(checkout, reduced_path, "init")) == "Environment is ready.\n"
    assert time.monotonic() - began < 2
    assert stamp.stat().st_mtime_ns == done.st_mtime_ns

    packages = sorted(init.parent.name for init in checkout.glob("*/*/src/*/__init__.py"))
    assert "facilitair_cli" in packages
    program = [checkout / ".venv" / "bin" / "python", "-c", f"import {', '.join(packages)}"]
    assert subprocess.run(program, cwd="/", check=False, timeout=60).returncode == 0
