"""Setting up a fresh clone where only python3, git, make, sh, bash and coreutils are found."""

import os
import shutil
import signal
import subprocess

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(400)]


def test_help_needs_no_set_up(make_clone, start, finish):
    checkout = make_clone()
    assert "make run" in finish(start(checkout, "help"))
    assert not (checkout / ".venv").exists()


def test_init_survives_a_kill_then_finishes_then_is_instant(clone, start, finish):
    shutil.rmtree(clone / ".venv", ignore_errors=True)
    killed = start(clone, "init")
    for line in killed.stdout:
        if "locked packages" in line:
            os.killpg(killed.pid, signal.SIGKILL)
            break
    killed.communicate(timeout=180)
    stamp = clone / ".venv" / "facilitair.stamp"
    assert stamp.read_text() == "installing\n"

    assert "Set up in" in finish(start(clone, "init"))
    done = stamp.stat()

    assert finish(start(clone, "init")) == "Environment is ready.\n"
    assert stamp.stat().st_mtime_ns == done.st_mtime_ns

    packages = sorted(init.parent.name for init in clone.glob("*/*/src/*/__init__.py"))
    assert "facilitair_cli" in packages
    program = [clone / ".venv" / "bin" / "python", "-c", f"import {', '.join(packages)}"]
    assert subprocess.run(program, cwd="/", check=False, timeout=180).returncode == 0
