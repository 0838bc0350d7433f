"""A solo whose models are those of a scripted provider, in all three dialects."""

import asyncio
import contextlib
import hashlib
import os
import pty
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, closing
from itertools import count
from pathlib import Path
from typing import Final

from facilitair_client.client import Facilitair
from facilitair_client.events import Event
from facilitair_client.transcript import Transcript
from facilitair_events.layout import checkout_root, topics_dir
from facilitair_events.registry import Registry
from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_testing.client_journal import ClientJournal
from facilitair_testing.history import Frame, History, read_history
from facilitair_testing.history.reading import read_provider_journal
from facilitair_testing.history.types import ProviderLine
from facilitair_testing.provider.claimed import named
from facilitair_testing.provider.server import ScriptedProvider, scripted_provider
from facilitair_testing.solo import SoloProcess

PROVIDERS: Final = ("openai", "anthropic", "ollama")
TENANT: Final = "local"
STILL_S: Final = 4
"""How long the provider may stand still."""
OPEN_S: Final = 1
"""How long a breaker is open for the first time."""

_WORKFLOWS: Final = {
    "once": ("60s", "2m", "max_attempts: 1"),
    "thrice": ("60s", "2m", "max_attempts: 3, backoff: 0s"),
    "patient": ("60s", "2m", "max_attempts: 20, backoff: 0s"),
    "impatient": ("60s", "6s", "max_attempts: 20, backoff: 0s"),
    "brief": ("3s", "2m", "max_attempts: 1"),
}
"""Workflows of one step: its timeout, that of the whole, and its retry."""


class Run:
    """One collaboration as its viewer saw it."""

    def __init__(self, ident: str) -> None:
        self.id = ident
        self.events: list[Event] = []
        self.transcript = Transcript()

    def take(self, event: Event) -> None:
        """The next event."""
        self.events.append(event)
        self.transcript.apply(event)

    @property
    def text(self) -> str:
        """What its one step gave."""
        return self.transcript.steps["a"].text

    @property
    def kinds(self) -> list[str]:
        """The kinds of its events, in order."""
        return [event.kind for event in self.events]

    @property
    def faults(self) -> list[str]:
        """Why its attempts failed, in order."""
        failed = (event for event in self.events if event.kind == "attempt.failed")
        return [event.data["fault"]["code"] for event in failed]


OnEvent = Callable[[Run, Event], Awaitable[None]]


class TroubledSolo:
    """A solo, its provider, and what clients of it wrote down.

    Models are named freely; each has its own scripts (`ScriptedProvider.by_model`), its own breaker
    and its own limits, so that tests share a solo without meeting each other.
    """

    def __init__(self, solo: SoloProcess, provider: ScriptedProvider, *, home: Path) -> None:
        self.solo = solo
        self.provider = provider
        self.keys: dict[str, str] = {}
        self._numbers = count()
        self._home = home
        self.journal = ClientJournal(home / "client.jsonl")

    async def run(
        self,
        model: str,
        *,
        provider: str = "openai",
        workflow: str = "thrice",
        on_event: OnEvent | None = None,
        as_written: bool = False,
    ) -> Run:
        """Run one collaboration on a model to its end; ``as_written`` on those of its agents."""
        name = f"{provider}-{model}-{next(self._numbers)}"
        async with Facilitair(self.solo.url) as client:
            asked = self.journal.invoke("submit", client=name, key=name, body=name)
            submitted = await client.submit(
                f"What is {name}?",
                workflow=workflow,
                models=None if as_written else {"assistant": f"{provider}/{model}"},
                idempotency_key=name,
            )
            self.journal.ok(asked, status=202, collaboration=submitted.id)
            self.keys[name] = f"{TENANT}:{submitted.id}"
            watched = self.journal.invoke("watch", client=name, collaboration=submitted.id)
            run, frames = Run(submitted.id), []
            async for event in client.stream(submitted.id):
                run.take(event)
                told = {field: event.data.get(field) for field in _TOLD}
                frames.append(Frame(id=event.id, event=event.kind, **told))
                if on_event is not None:
                    await on_event(run, event)
            self.journal.ok(watched, frames=frames)
        return run

    async def cancel(self, run: Run) -> None:
        """Ask to end a collaboration."""
        async with Facilitair(self.solo.url) as client:
            asked = self.journal.invoke("cancel", client="stopper", collaboration=run.id)
            await client.cancel(run.id)
            self.journal.ok(asked, status=202)

    def lines(self) -> list[ProviderLine]:
        """The provider's journal so far."""
        return list(read_provider_journal(self._home / "provider.jsonl"))

    async def command(self, *arguments: str) -> bytes:
        """What a command of ours prints about this solo on a terminal."""
        environment = {**os.environ, "FACILITAIR_HOME": str(self.solo.home), "TERM": "xterm"}
        mine, its = pty.openpty()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "facilitair_cli", *arguments, env=environment, stdout=its
        )
        os.close(its)
        printed, code = await asyncio.gather(asyncio.to_thread(_read, mine), process.wait())
        os.close(mine)
        if code:
            raise ChildProcessError(printed.decode())
        return printed

    async def history(self) -> History:
        """Stop, and read what is left, with the ids of calls in the provider's lines.

        Raises RequestsDifferError.
        """
        await self.solo.stop()
        registry = Registry.load(topics_dir())
        async with EmbeddedLog.open(self.solo.home / "log" / "log.db", registry.topics) as log:
            history = await read_history(
                log,
                registry=registry,
                provider_journal=self._home / "provider.jsonl",
                client_journal=self._home / "client.jsonl",
                artifacts=self.solo.home / "artifacts",
            )
        return named(history, self.prompts())

    def prompts(self) -> dict[str, str]:
        """Whose each prompt is, by its hash."""
        return {
            hashlib.sha256(received.body).hexdigest(): key
            for received in self.provider.received
            for name, key in self.keys.items()
            if f"What is {name}?".encode() in received.body
        }


_TOLD: Final = ("seq", "step", "attempt", "index")


def _read(terminal: int) -> bytes:
    """All that is printed; a terminal whose last writer is gone says so with an error."""
    parts = []
    with contextlib.suppress(OSError):
        while part := os.read(terminal, 65_536):
            parts.append(part)
    return b"".join(parts)


@asynccontextmanager
async def troubled_solo(
    home: Path, *, more: Mapping[str, str] | None = None
) -> AsyncIterator[TroubledSolo]:
    """Run a solo on a scripted provider until this is left; ``more`` are files of definitions."""
    _write_definitions(home / "definitions")
    for file, text in (more or {}).items():
        (home / "definitions" / file).write_text(text)
    async with scripted_provider(home / "provider.jsonl") as provider:
        variables = {
            "FACILITAIR_GATEWAY_DEFINITIONS": str(home / "definitions"),
            "FACILITAIR_PROVIDER": "openai",
            "FACILITAIR_MODEL": "scripted-model",
            "FACILITAIR_AGENT_WORKER_TIMEOUTS__FIRST_BYTE_S": str(STILL_S),
            "FACILITAIR_AGENT_WORKER_TIMEOUTS__IDLE_S": str(STILL_S),
            "FACILITAIR_AGENT_WORKER_BREAKER__OPEN_S": str(OPEN_S),
            "OPENAI_BASE_URL": f"{provider.url}/v1",
            "OPENAI_API_KEY": "sk-troubled-0123456789",
            "ANTHROPIC_BASE_URL": provider.url,
            "ANTHROPIC_API_KEY": "sk-troubled-0123456789",
            "OLLAMA_HOST": provider.url,
        }
        solo = SoloProcess(home / "home", variables=variables, log=home / "solo.log")
        await solo.start()
        troubled = TroubledSolo(solo, provider, home=home)
        try:
            with closing(troubled.journal):
                yield troubled
        finally:
            await solo.stop()


def _write_definitions(folder: Path) -> None:
    for kind in ("agents", "models", "prompts", "workflows"):
        shutil.copytree(checkout_root() / kind, folder / kind)
    for name in PROVIDERS:
        file = folder / "models" / f"{name}.yaml"
        if "unlisted_models: true" not in file.read_text():
            file.write_text(f"{file.read_text()}\nunlisted_models: true\n")
    for name, (timeout, whole, retry) in _WORKFLOWS.items():
        (folder / "workflows" / f"{name}.yaml").write_text(
            f"workflow: {name}\ndescription: One step, for a provider with faults.\n"
            f"timeout: {whole}\noutput: a\nsteps:\n"
            f'  - {{id: a, agent: assistant, input: "{{{{ task }}}}", timeout: {timeout},'
            f" on_error: {{retry: {{{retry}}}}}}}\n"
        )
