"""All clients of a load at once."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random  # noqa: TID251 - seeded

from facilitair_testing.chaos.frames import TERMINAL
from facilitair_testing.chaos.loads import Asked, Load
from facilitair_testing.chaos.preparing import session_for
from facilitair_testing.chaos.recovery import Pulse
from facilitair_testing.chaos.viewers import Viewer
from facilitair_testing.client_journal import ClientJournal
from facilitair_testing.eventually import eventually


class Crowd:
    """The viewers of a load, at most ``concurrent`` at a time. Made by ``of``, which starts them.

    ``trouble`` is what clients could not do.
    """

    def __init__(self, viewers: Sequence[Viewer], *, concurrent: int) -> None:
        self.trouble: list[str] = []
        self._viewers = viewers
        self._slots = asyncio.Semaphore(concurrent)
        self._waves = {viewer.asked.wave: asyncio.Event() for viewer in viewers}
        self._tasks = [asyncio.create_task(self._run(viewer)) for viewer in viewers]
        self._known: dict[str, str] = {}

    @staticmethod
    @asynccontextmanager
    async def of(
        asked: Sequence[Asked],
        *,
        load: Load,
        seed: int,
        urls: Sequence[str],
        keys: Mapping[str, str],
        journal: ClientJournal,
        pulse: Pulse,
    ) -> AsyncIterator["Crowd"]:
        """Start them all; they are gone when the context is left."""
        async with AsyncExitStack() as stack:
            sessions = {
                tenant: await stack.enter_async_context(session_for(key))
                for tenant, key in keys.items()
            }
            viewers = [
                Viewer(
                    one,
                    urls=urls,
                    session=sessions[one.tenant],
                    journal=journal,
                    pulse=pulse,
                    chance=Random(f"{seed}/viewer/{one.number}"),  # noqa: S311 - seeded
                )
                for one in asked
            ]
            crowd = Crowd(viewers, concurrent=load.concurrent)
            try:
                yield crowd
            finally:
                await crowd.leave()

    @property
    def over(self) -> bool:
        """Whether every client is done."""
        return all(task.done() for task in self._tasks)

    @property
    def accepted(self) -> int:
        """How many were accepted."""
        return sum(viewer.ident is not None for viewer in self._viewers)

    @property
    def terminal(self) -> int:
        """How many have ended, as the system says."""
        return len(self._known)

    @property
    def finished(self) -> int:
        """How many clients saw the end."""
        return sum(viewer.ended is not None for viewer in self._viewers)

    def ends(self) -> list[str]:
        """How they ended, as the system says."""
        return list(self._known.values())

    def release(self, wave: int) -> None:
        """Let everybody ask whose turn has come with this wave."""
        for number, event in self._waves.items():
            if number <= wave:
                event.set()

    async def ended(self, *, within_s: float) -> None:
        """Until every client is done. Raises ConditionNotMetError."""
        await eventually(lambda: self.over, timeout_s=within_s, what=self._open())

    async def asked_for_the_end(self, *, within_s: float) -> None:
        """Ask for everything that was accepted until it has ended. Raises ConditionNotMetError."""

        async def all_ended() -> bool:
            for viewer in self._viewers:
                if viewer.ident is not None and viewer.ident not in self._known:
                    status = await viewer.status()
                    if f"collaboration.{status}" in TERMINAL:
                        self._known[viewer.ident] = str(status)
            return len(self._known) == self.accepted

        await eventually(all_ended, timeout_s=within_s, what="the end of everything accepted")

    async def leave(self) -> None:
        """End all clients, whatever they do."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, viewer: Viewer) -> None:
        await self._waves[viewer.asked.wave].wait()
        async with self._slots:
            try:
                await viewer.run()
            except Exception as error:  # noqa: BLE001 - told in the result, which fails by it
                told = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
                self.trouble.append(f"{viewer.name}: {type(told).__name__}: {told}")

    def _open(self) -> str:
        return f"the end of {len(self._tasks)} clients"
