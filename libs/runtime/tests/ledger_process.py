"""The ledger as a process, for tests that kill it: ``python -m … reduce PATH`` or ``service``."""

import asyncio
import sys
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry
from pydantic_settings import BaseSettings

from facilitair_events import types
from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_observability.logs import configure
from facilitair_observability.metrics import Metrics
from facilitair_runtime.keyed_reducer import KeyedReducer
from facilitair_runtime.service import load_or_exit, run_service
from facilitair_runtime.settings import Home, ProcessGroup, ReducerGroup, config
from facilitair_testing.vitals import vitals
from libs.runtime.tests import ledger


class LedgerSettings(BaseSettings):
    model_config = config("ledger")

    home: Home
    process: ProcessGroup = ProcessGroup()
    drain_s: float = 0.0
    fails: bool = False


class WantedError(Exception):
    """As the test wants it."""


class Waiting:
    """An app that only waits, and takes ``drain_s`` to stop."""

    def __init__(self, settings: LedgerSettings) -> None:
        self._settings = settings
        self.metrics = Metrics(CollectorRegistry())
        self.vitals = vitals()

    async def run(self, stop: asyncio.Event) -> None:
        if self._settings.fails:
            raise WantedError
        await stop.wait()
        await asyncio.sleep(self._settings.drain_s)
        _say("drained")


@asynccontextmanager
async def build_app(settings: LedgerSettings, log):
    yield Waiting(settings)
    _say("closed")


async def reduce(path: Path) -> None:
    """Run the ledger over a log until killed; say so when it is ready."""
    topics = ledger.registry()
    async with EmbeddedLog.open(path, topics.topics) as log:
        await log.admin().ensure_topics(topics.topics.values())
        chassis = KeyedReducer(
            ledger.reducer(),
            log=log,
            registry=topics,
            settings=ReducerGroup(snapshot_interval_ms=1, max_records=3),
            metrics=Metrics(CollectorRegistry()),
            member="ledger-0",
        )
        running = asyncio.ensure_future(chassis.run(asyncio.Event()))
        async with log.producer() as producer:
            for number in range(100_000):
                key = f"t:k{number % 7}"
                acks = await producer.send(ledger.puts(number % 10, key=key, start=number))
                _say(acks[0].offset)
        await running


def _say(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    types.TYPES.update(ledger.TYPES)
    types.NAMES.update({struct: name for name, struct in ledger.TYPES.items()})
    if sys.argv[1] == "service":
        raise SystemExit(run_service(build_app, load_or_exit(LedgerSettings), service="ledger"))
    configure(service="ledger")
    asyncio.run(reduce(Path(sys.argv[2])))
