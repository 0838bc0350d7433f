"""`make run` with nothing but python3, git, make, sh, bash and coreutils; and what it leaves."""

import signal
import uuid
from pathlib import Path

import pytest

from facilitair_testing.eventually import eventually

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(400)]

# Not one of ours: the settings refuse names of ours that they do not know.
MARK = "TEST_MARKED_PROCESS"
FAST = {"FACILITAIR_SIMULATOR_TTFT_MS": "20", "FACILITAIR_SIMULATOR_TOKENS_PER_S": "5000"}


def marked(mark):
    """Commands of all processes that inherited the mark, however they were started."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:  # gone, or somebody else's
            continue
    return found


@pytest.fixture
def mark():
    return uuid.uuid4().hex


# It does not end by itself: its second agent waits for ever.
HELD = {"TASK": "Write a function that counts vowels [[simulator:role=coder;hang=headers]]"}


@pytest.fixture
def run(ready_clone, start, mark, tmp_path):
    """Starts a run and returns it when its first agent writes."""

    def begun(**more):
        variables = {**FAST, MARK: mark, "FACILITAIR_HOME": str(tmp_path / "home"), **more}
        process = start(ready_clone, "run", **variables)
        said = ""
        while "--- architect" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        return process

    return begun


async def test_run_works_with_a_reduced_path_and_leaves_no_process(run, mark, finish):
    output = finish(run())

    assert "--- documenter" in output
    assert "completed in" in output
    assert marked(mark) == []


async def test_an_interrupted_run_leaves_no_process(run, mark):
    running = run(**HELD)
    commands = " ".join(marked(mark))
    assert "facilitair_cli.solo_process" in commands
    assert "facilitair_llm.simulator" in commands

    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=180)
    assert running.returncode != 0
    await eventually(lambda: not marked(mark), timeout_s=60, what="the end of all processes")
