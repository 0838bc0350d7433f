"""How the runner and its processes talk: one JSON line at a time over pipes."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from benchmarks.processes import ROOT


def tell(**said: Any) -> None:
    """Say something to the runner."""
    print(json.dumps(said), flush=True)


def wait_for_go() -> None:
    """Return when the runner says so. Raises EOFError when it is gone."""
    if not sys.stdin.readline():
        raise EOFError


class Talker:
    """A process of a run."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Its id."""
        return self._process.pid

    def hear(self) -> dict[str, Any]:
        """The next thing it says. Raises ChildProcessError when it ended instead."""
        if self._process.stdout is None:
            raise ChildProcessError
        line = self._process.stdout.readline()
        if not line:
            raise ChildProcessError(self._process.args)
        said: dict[str, Any] = json.loads(line)
        return said

    def go(self) -> None:
        """Let it go on."""
        if self._process.stdin is None:
            raise ChildProcessError
        self._process.stdin.write("go\n")
        self._process.stdin.flush()


@contextmanager
def talking(
    *arguments: str, python: str = sys.executable, environ: Mapping[str, str]
) -> Iterator[Talker]:
    """A Python program of ours for the body; it is ended after."""
    with subprocess.Popen(
        [python, *arguments],
        cwd=ROOT,
        env=dict(environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Talker(process)
        finally:
            process.kill()
