"""The real command in a state folder of its own, with a simulator as fast as a test wants it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from facilitair_client import Event, Transcript
from facilitair_testing.eventually import eventually

COMMAND = [sys.executable, "-m", "facilitair_cli"]
MARK = "COMMAND_TEST_MARK"
DEADLINE_S = 200.0

HELD = "[[simulator:role=coder;hang=headers]]"
"""In a task of the workflow ``code``: after its plan it goes no further, however long one takes."""

HELD_AT_FIRST = "[[simulator:role=documenter;hang=headers;times=1]]"
"""Its last step goes no further until its first call is lost; the simulator has to outlive it.

Not the coder: that one is asked twice, with other words, and ``times`` is of the same words.
"""


class Machine:
    """A state folder and the processes that belong to it."""

    def __init__(self, home):
        self.home = home
        self.mark = uuid.uuid4().hex
        self.env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("FACILITAIR_", "OPENAI_", "OLLAMA_"))
        } | {
            "FACILITAIR_HOME": str(home),
            "FACILITAIR_GATEWAY_PORT": "0",
            MARK: self.mark,
        }
        self.pace(ttft_ms=0, tokens_per_s=0)

    def pace(self, *, ttft_ms, tokens_per_s):
        """How fast the simulator is that starts next; 0 is at once."""
        self.env["FACILITAIR_SIMULATOR_TTFT_MS"] = str(ttft_ms)
        self.env["FACILITAIR_SIMULATOR_TOKENS_PER_S"] = str(tokens_per_s)

    def run(self, *arguments, env=None):
        """Run a command to its end."""
        return subprocess.run(
            [*COMMAND, *arguments],
            env=self.env | (env or {}),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
            timeout=DEADLINE_S,
        )

    def start(self, *arguments):
        """Start a command whose JSON lines are read with ``lines``."""
        return subprocess.Popen(
            [*COMMAND, *arguments],
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def pids(self):
        """Every living process that was started for this machine, by what it runs."""
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                if self.mark.encode() in (entry / "environ").read_bytes():
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().decode()
            except (OSError, UnicodeDecodeError):
                continue
        return found

    def announced(self, name):
        return json.loads((self.home / "run" / f"{name}.json").read_text())

    def journal(self):
        lines = (self.home / "simulator.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def started(self):
        """The ids of the calls that reached the simulator, in order."""
        return [line["call_id"] for line in self.journal() if line["outcome"] == "started"]

    def answered(self):
        """The ids of the calls that were answered in full, in order."""
        return [line["call_id"] for line in self.journal() if line["outcome"] == "completed"]

    async def nothing_left(self):
        await eventually(lambda: not self.pids(), timeout_s=60, what="the end of every process")


async def until_held(machine, process):
    """Read JSON lines of a process until its call is held; returns what was read."""
    found = []
    while not found or found[-1]["data"].get("step") != "documenter":
        found += until(process, "step.scheduled")
    await eventually(lambda: machine.started()[-1] not in machine.answered(), what="its call")
    return found


def until(process, kind):
    """Read JSON lines of a process up to the first of this kind; returns what was read."""
    found = []
    for line in process.stdout:
        found.append(json.loads(line))
        if found[-1]["kind"] == kind:
            return found
    process.wait()
    raise AssertionError((kind, [one["kind"] for one in found], process.stderr.read()))


def rest_of(process):
    """What a process still says, and what it told on stderr, when it has ended.

    Not ``communicate``: that forgets what ``until`` has read ahead.
    """
    out, err = process.stdout.read(), process.stderr.read()
    process.wait(timeout=DEADLINE_S)
    process.stdout.close()
    process.stderr.close()
    return out, err


def transcript_of(lines):
    """The transcript of JSON lines of a command."""
    events = [Event(one["id"], one["kind"], one["data"]) for one in lines]
    return Transcript.of(e for e in events if e.kind not in ("submitted", "summary"))


@pytest.fixture
def machine(tmp_path):
    found = Machine(tmp_path / "home")
    yield found
    for pid in found.pids():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
