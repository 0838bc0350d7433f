"""Commands of a page about a running solo, and what the page shows of their output."""

import asyncio
import json
import os
import re
import shlex
import sys
from collections import Counter

import pytest

from facilitair_testing.eventually import eventually


class Session:
    """Runs commands of a page as a user would.

    Those that ``reading`` finds change nothing, so they are asked again until the services have
    gone on.
    """

    def __init__(self, home, *, reading, folder=None):
        self._reading = reading
        self._folder = folder
        self.last = ""
        kept = {n: v for n, v in os.environ.items() if not n.startswith("FACILITAIR_")}
        self._environment = kept | {"FACILITAIR_HOME": str(home)}

    async def run(self, text):
        """Exit code, stdout, and both outputs."""
        command = text.replace(
            ".venv/bin/facilitair", f"{shlex.quote(sys.executable)} -m facilitair_cli"
        )
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", command, env=self._environment, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=self._folder,
        )  # fmt: skip
        out, err = await process.communicate()
        return process.returncode, out.decode(), (out + err).decode()

    async def check(self, command):
        """Run it and find what the page shows in what it printed."""

        async def shown():
            code, _, text = await self.run(command.text)
            assert code == 0, f"{command} ended with {code}:\n{text}"
            self.last = text
            return not absent(command.shown, text)

        if self._reading.search(command.text):
            await eventually(shown, timeout_s=60, what=f"{command} to print what the page shows")
        elif not await shown():
            pytest.fail(f"{command} did not print {absent(command.shown, self.last)}:\n{self.last}")

    async def json(self, text):
        return json.loads((await self.run(f".venv/bin/facilitair {text} --json"))[1])


def normal(line):
    return re.sub(r"\d[\d:.-]*", "N", " ".join(line.split()))


def absent(shown, text):
    """The lines of the page that were not printed; one that ends with … may go on."""
    printed = Counter(normal(line) for line in text.splitlines())
    found = []
    for line in map(normal, shown):
        start = line.removesuffix("…")
        if not any(one == line or (start != line and one.startswith(start)) for one in printed):
            found.append(line)
    return found
