"""A gateway to talk to: the one that is named, the one that is up, or else our own."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from typing import Final

from facilitair_cli.errors import AlreadyUpError
from facilitair_cli.launching import Child, Started, launch
from facilitair_cli.locating import Place, api_key, locate
from facilitair_cli.state_folder import StateFolder, prepare

_PATIENCE_S: Final = 30.0
_PAUSE_S: Final = 0.05


class Attachment:
    """The gateway we talk to, and the solo that we started for it, if any."""

    def __init__(
        self, folder: StateFolder, environ: Mapping[str, str], *, stays: bool = False
    ) -> None:
        self._folder = folder
        self._environ = environ
        self._stays = stays
        self._child: Child | None = None
        self._ready: Started | None = None
        self._locked: Started | None = None

    @property
    def owns(self) -> bool:
        """Whether it ends when we end."""
        return self._child is not None and not self._stays

    async def begin(self) -> None:
        """Start solo if there is no gateway; ``place`` waits for it. Raises StateFolderError."""
        if self._child is None and locate(self._environ, self._folder) is None:
            prepare(self._folder)
            self._child = launch(self._folder, port=0, attached=not self._stays)
            self._ready = None

    async def place(self) -> Place:
        """Where the gateway is now; without any, solo is started on a free port.

        Called again after a loss it finds the one that came back, or starts another.
        Raises StartError, SoloDiedError, and AlreadyUpError when the log is held by a process that
        never serves.
        """
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            if self._child is not None:
                place = await self._own(self._child)
                if place is not None:
                    return place
            found = locate(self._environ, self._folder)
            if found is not None:
                return found
            if self._locked is not None and time.monotonic() > deadline:
                raise AlreadyUpError(pid=self._locked.pid, url=None)
            await self.begin()

    async def _own(self, child: Child) -> Place | None:
        """Where our solo serves; None when it is gone, or another one was faster."""
        if self._ready is None:
            self._ready = await child.ready()
        if self._ready.outcome == "ready" and self._ready.url is not None and child.alive:
            return Place(url=self._ready.url, pid=child.pid, api_key=api_key(self._environ))
        self._locked = self._ready if self._ready.outcome == "locked" else None
        self._child = None
        await child.stop()
        if self._locked is not None:
            # It serves in a moment, or ends.
            await asyncio.sleep(_PAUSE_S)
        return None

    def release(self) -> None:
        """Let our solo go on without us."""
        if self._child is not None:
            self._child.release()
            self._child = None

    def abandon(self, *, at_once: bool) -> None:
        """Tell our solo to stop; ``close`` waits for that unless it is to be ``at_once``."""
        if self._child is not None:
            self._child.let_go()
            self._child = None if at_once else self._child

    async def close(self) -> None:
        """Stop our solo; it is gone when this returns."""
        if self._child is not None and not self._stays:
            await self._child.stop()
        self._child = None


@contextlib.asynccontextmanager
async def attachment(
    folder: StateFolder, environ: Mapping[str, str], *, stays: bool = False
) -> AsyncIterator[Attachment]:
    """An attachment that leaves no process behind, unless what it starts ``stays``."""
    found = Attachment(folder, environ, stays=stays)
    try:
        yield found
    finally:
        await found.close()
