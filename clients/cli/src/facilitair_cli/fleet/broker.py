"""The Kafka of a fleet: the cluster that the environment names, or one started here."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

from facilitair_cli.announcements import Announcement, announce
from facilitair_cli.errors import StartError
from facilitair_cli.fleet.keeping import Tell, backoff_s
from facilitair_cli.state_folder import StateFolder
from facilitair_native.errors import NativeError
from facilitair_native.kafka import KafkaServer
from facilitair_runtime.cluster import ClusterSettings

HEAP_MB: Final = 256
_LOOK_S: Final = 0.2


class Broker:
    """A cluster and, where it is ours, its process."""

    def __init__(self, bootstrap: str, server: KafkaServer | None = None) -> None:
        self.bootstrap = bootstrap
        self.restarts = 0
        self._server = server

    @property
    def pid(self) -> int | None:
        """Of the broker that was started here."""
        return None if self._server is None else self._server.pid

    @property
    def ours(self) -> bool:
        """Whether it was started here."""
        return self._server is not None

    async def keep(self, folder: StateFolder, tell: Tell) -> None:
        """Start ours again whenever it ends; runs until it is cancelled."""
        server = self._server
        if server is None:
            await asyncio.Event().wait()
            return
        while True:
            while server.pid is not None:  # noqa: ASYNC110 - no event tells of its end
                await asyncio.sleep(_LOOK_S)
            self.restarts += 1
            tell(f"kafka ended, started again; see {server.log_file}")
            try:
                await asyncio.to_thread(server.restart)
            except NativeError as error:
                tell(str(error))
                await asyncio.sleep(backoff_s(self.restarts))
            else:
                announce(folder.kafka, _announcement(server))


@asynccontextmanager
async def broker(folder: StateFolder, settings: ClusterSettings) -> AsyncIterator[Broker]:
    """The cluster of the fleet; one that is started here takes clients, and is stopped at the end.

    Raises StartError.
    """
    if settings.bootstrap_servers is not None:
        yield Broker(settings.bootstrap_servers)
        return
    server = KafkaServer(folder.root / "kafka", heap_mb=HEAP_MB, environ=os.environ)
    try:
        try:
            await asyncio.to_thread(server.start)
            await asyncio.to_thread(server.wait_ready)
        except NativeError as error:
            raise StartError(faults=[str(error)]) from error
        announce(folder.kafka, _announcement(server))
        yield Broker(server.address, server)
    finally:
        await asyncio.to_thread(server.stop)
        folder.kafka.unlink(missing_ok=True)


def _announcement(server: KafkaServer) -> Announcement:
    return Announcement(url=server.address, pid=server.pid or 0, started_at=datetime.now(UTC))
