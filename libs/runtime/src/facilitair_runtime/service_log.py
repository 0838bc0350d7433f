"""The log that a service process works on: embedded, or the cluster that the environment names."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import structlog

from facilitair_events.registry import Registry, TopicSpec
from facilitair_messaging.errors import (
    LogUnavailableError,
    TopicDriftError,
    UnknownTopicError,
)
from facilitair_messaging.ports import Admin, Log
from facilitair_runtime.cluster import ClusterSettings, open_cluster
from facilitair_runtime.log_file import LogSettings, open_log
from facilitair_runtime.settings import read

_log = structlog.get_logger()

_PAUSE_S: Final = 0.25
_TOLD_EVERY_S: Final = 10.0


@asynccontextmanager
async def open_service_log(
    home: Path, registry: Registry, *, service: str, member: str, stop: asyncio.Event
) -> AsyncIterator[Log | None]:
    """The log, with every topic that ``service`` writes or reads; None when ``stop`` came first.

    A cluster that is away is waited for, and so are topics: who set the cluster up creates them.
    Raises LogLockedError (embedded), LogAccessError, TopicDriftError, SettingsError.
    """
    settings = read(ClusterSettings)
    if settings.bootstrap_servers is None:
        async with open_log(home, registry, settings=read(LogSettings)) as embedded:
            yield embedded
        return
    wanted = [s for s in registry.topics.values() if service in (*s.producers, *s.consumers)]
    async with AsyncExitStack() as stack:

        async def reach() -> Log:
            while True:
                try:
                    log = await stack.enter_async_context(
                        open_cluster(
                            settings.bootstrap_servers or "",
                            registry,
                            settings=settings,
                            client_id=member,
                        )
                    )
                    await wait_for_topics(log.admin(), wanted)
                    return log
                except LogUnavailableError as error:
                    _log.warning("log unavailable", reason=str(error))
                    await stack.aclose()
                    await asyncio.sleep(_PAUSE_S)

        reaching, stopping = asyncio.create_task(reach()), asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({reaching, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            if not reaching.done():
                reaching.cancel()
                await asyncio.wait({reaching})
        yield None if reaching.cancelled() else reaching.result()


async def wait_for_topics(admin: Admin, wanted: Sequence[TopicSpec]) -> None:
    """Return once all topics are there. Raises TopicDriftError for another partition count."""
    clock = asyncio.get_running_loop().time
    told_at = clock() - _TOLD_EVERY_S
    while missing := [spec.name for spec in wanted if not await _exists(admin, spec)]:
        if clock() - told_at >= _TOLD_EVERY_S:
            told_at = clock()
            _log.warning("topics missing", topics=missing, remedy="facilitair topics apply")
        await asyncio.sleep(_PAUSE_S)


async def _exists(admin: Admin, spec: TopicSpec) -> bool:
    try:
        actual = await admin.partitions(spec.name)
    except UnknownTopicError:
        return False
    if actual != spec.partitions:
        raise TopicDriftError(topic=spec.name, declared=spec.partitions, actual=actual)
    return True
