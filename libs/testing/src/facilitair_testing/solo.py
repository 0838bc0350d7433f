"""Solo as a process that tests start, kill and start again; and what it leaves behind."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from facilitair_testing.eventually import eventually

START_S: Final = 120.0


class SoloProcess:
    """One home folder, and at most one solo process on it.

    Its simulator is fast by default; ``ttft_ms`` leaves time to do something before a first token.
    ``variables`` win over everything else in its environment; it logs to stderr, or to ``log``.
    """

    def __init__(
        self,
        home: Path,
        *,
        ttft_ms: int = 30,
        tokens_per_s: int = 3000,
        variables: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> None:
        self.home = home
        self._log = log
        self.url = ""
        self._process: asyncio.subprocess.Process | None = None
        self._environment = {
            **os.environ,
            "FACILITAIR_HOME": str(home),
            # Whoever runs the tests may have a key: it is never used here.
            "FACILITAIR_PROVIDER": "simulator",
            # A busy machine may take longer to answer than its users should have to wait.
            "FACILITAIR_GATEWAY_REQUEST_TIMEOUT_S": "20",
            "FACILITAIR_SIMULATOR_PORT": "0",
            "FACILITAIR_SIMULATOR_TTFT_MS": str(ttft_ms),
            "FACILITAIR_SIMULATOR_TOKENS_PER_S": str(tokens_per_s),
            "FACILITAIR_SIMULATOR_JOURNAL": str(self.journal_path),
            **(variables or {}),
        }

    @property
    def journal_path(self) -> Path:
        """Where the simulator writes down every request."""
        return self.home / "journal.jsonl"

    @property
    def urls(self) -> list[str]:
        """The url of its one gateway, as a list like that of a fleet."""
        return [self.url]

    @property
    def pid(self) -> int:
        """The process id of the running solo."""
        if self._process is None:
            raise ProcessLookupError
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Of the solo that was started last; None while it runs."""
        return None if self._process is None else self._process.returncode

    async def start(self, *, port: int = 0, variables: Mapping[str, str] | None = None) -> str:
        """Start solo and return the gateway's url once it is ready.

        ``variables`` are for this start only. Raises ChildProcessError when it ends before.
        """
        with contextlib.ExitStack() as stack:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "facilitair_cli.solo_process",
                "--port",
                str(port),
                env={**self._environment, **(variables or {})},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=stack.enter_context(self._log.open("ab")) if self._log else None,
                start_new_session=True,
            )
        if self._process.stdout is None:
            raise ChildProcessError
        async with asyncio.timeout(START_S):
            line = await self._process.stdout.readline()
        started = json.loads(line or b"{}")
        if started.get("outcome") != "ready":
            logged = self._log.read_text()[-2000:] if self._log else ""
            raise ChildProcessError(line.decode() + logged)
        self.url = started["url"]
        return self.url

    async def kill(self) -> None:
        """End solo by SIGKILL; its simulator lives on."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """End solo as a user does; its simulator ends too."""
        if self._process is not None:
            await self._end(signal.SIGTERM)
            await eventually(lambda: not self.simulator_pids(), what="the end of the simulator")

    async def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        async with asyncio.timeout(START_S):
            await process.wait()

    def end_simulators(self) -> None:
        """Kill simulators that a killed solo left behind."""
        for pid in self.simulator_pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def simulator_pids(self) -> list[int]:
        """Simulators of this home that are alive."""
        wanted = f"FACILITAIR_HOME={self.home}".encode()
        processes = (entry for entry in Path("/proc").iterdir() if entry.name.isdigit())
        return [int(entry.name) for entry in processes if _simulates(entry, wanted)]

    def journal(self) -> list[dict[str, Any]]:
        """Every line of the simulator's journal."""
        if not self.journal_path.exists():
            return []
        return [json.loads(line) for line in self.journal_path.read_text().splitlines()]

    def requests(self) -> list[dict[str, Any]]:
        """The journal's requests, each once, in the order in which they came."""
        return [line for line in self.journal() if line["outcome"] == "started"]


def _simulates(entry: Path, wanted: bytes) -> bool:
    try:
        command = (entry / "cmdline").read_bytes()
        environment = (entry / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"facilitair_llm.simulator" in command and wanted in environment
