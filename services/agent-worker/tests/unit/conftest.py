"""A worker on an embedded log, with a model that follows a script."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from facilitair_agent_worker.app import AgentWorker, build_app
from facilitair_agent_worker.exclusive import ExclusiveSilence
from facilitair_agent_worker.settings import AgentWorkerSettings
from facilitair_agent_worker.silence import BuildSilence
from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_llm.endpoints import Endpoint, Endpoints
from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_messaging.ports import Log
from facilitair_testing.desk import Desk
from facilitair_testing.eventually import eventually
from facilitair_testing.scripted_model import ScriptedModel


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[EmbeddedLog]:
    registry = Registry.load(topics_dir())
    async with EmbeddedLog.open(tmp_path / "log.db", registry.topics) as opened:
        await opened.admin().ensure_topics(registry.topics.values())
        yield opened


@pytest.fixture
def desk(log: EmbeddedLog) -> Desk:
    return Desk(log)


RunWorker = Callable[..., Any]


@pytest.fixture
def run_worker(log: EmbeddedLog, tmp_path: Path) -> RunWorker:
    """Run a worker whose provider ``p`` is the given model until the block is left.

    With None it is the one of ``endpoints``.
    """

    @asynccontextmanager
    async def run(
        model: ScriptedModel | None,
        *,
        endpoints: Endpoints | None = None,
        on: Log | None = None,
        silence: BuildSilence = ExclusiveSilence,
        **settings: Any,
    ) -> AsyncIterator[AgentWorker]:
        endpoint = Endpoint(provider="p", base_url="http://127.0.0.1:9/v1")
        own = Endpoints(by_provider={"p": endpoint}, default_provider="p")
        config = AgentWorkerSettings(home=tmp_path, **settings)
        async with build_app(
            config, on or log, endpoints=endpoints or own, silence=silence
        ) as worker:
            if model is not None:
                worker.models["p"] = model
            stop = asyncio.Event()
            running = asyncio.create_task(worker.run(stop))
            await eventually(worker.ready, what="the worker to take tasks")
            try:
                yield worker
            finally:
                stop.set()
                await running

    return run
