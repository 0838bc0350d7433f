"""Composition of the agent worker: the only file that names concrete classes."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import structlog
from prometheus_client import CollectorRegistry

from facilitair_agent_worker.attempts import Attempts, Job, Limits, Tools
from facilitair_agent_worker.claims import Claims
from facilitair_agent_worker.following import Follower
from facilitair_agent_worker.ledger import AttemptKey, Ledger
from facilitair_agent_worker.orphans import declare_orphans
from facilitair_agent_worker.readback import ReadBack
from facilitair_agent_worker.reports import Reports
from facilitair_agent_worker.settings import AgentWorkerSettings
from facilitair_agent_worker.stops import Stops
from facilitair_agent_worker.tokens import TokenWriter
from facilitair_events.keys import task_key
from facilitair_events.topics import (
    AGENT_TASKS,
    AGENT_TASKS_BATCH,
    COLLABORATION_STREAM,
    LLM_CALLS,
    WORKER_CONTROL,
)
from facilitair_events.work import RunAttempt
from facilitair_llm.endpoints import Endpoints, build_chat_model
from facilitair_llm.providers import ChatModel, Timeouts, build_session
from facilitair_messaging.loop import ConsumerLoop, LoopSettings, Membership
from facilitair_messaging.messages import Incoming
from facilitair_messaging.ports import Log
from facilitair_observability.metrics import Metrics
from facilitair_observability.timestamps import now_ms
from facilitair_runtime.artifacts import DirectoryArtifacts

SERVICE = "agent-worker"


def boottime_s() -> float:
    """A clock that goes on while the machine is suspended (R19)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def fresh_nonce() -> str:
    """A nonce is new in every process and every try, so it cannot follow from a cause."""
    return uuid.uuid4().hex


class AgentWorker:
    """One worker process: reads the ledger and the stops first, then takes tasks."""

    def __init__(
        self,
        *,
        log: Log,
        settings: AgentWorkerSettings,
        tools: Tools,
        metrics: Metrics,
        incarnation: str,
        read_back: ReadBack,
    ) -> None:
        self._log = log
        self._settings = settings
        self._tools = tools
        self._metrics = metrics
        self._incarnation = incarnation
        self._read_back = read_back
        self._loop: ConsumerLoop | None = None

    @property
    def metrics(self) -> Metrics:
        """What this worker counts."""
        return self._metrics

    @property
    def models(self) -> MutableMapping[str, ChatModel]:
        """Who is called for which provider; a change counts for tasks that are taken later."""
        return self._tools.models

    def ready(self) -> bool:
        """Whether tasks are taken."""
        return self._loop is not None and self._loop.ready

    def live(self) -> bool:
        """Whether the poll loop moves."""
        if self._loop is None:
            return True
        return time.monotonic() - self._loop.last_poll < self._settings.process.grace_s

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop``; then running calls may finish until the deadline (R21)."""
        tools = self._tools
        ledger = Follower(log=self._log, topic=LLM_CALLS, apply=tools.claims.apply)
        stops = Follower(log=self._log, topic=WORKER_CONTROL, apply=tools.stops.apply)
        await self._read_back.start(COLLABORATION_STREAM)
        async with asyncio.TaskGroup() as background:
            tasks = [
                background.create_task(ledger.run()),
                background.create_task(stops.run()),
                background.create_task(tools.tokens.run()),
            ]
            # A worker rebuilds its open calls before its first task (R5).
            await ledger.ready.wait()
            await stops.ready.wait()
            declared = await declare_orphans(
                ledger=tools.ledger,
                claims=tools.claims,
                reports=tools.reports,
                incarnation=self._incarnation,
            )
            structlog.get_logger().info("ledger read", orphans=declared)
            await self._take_tasks(stop)
            for task in tasks:
                task.cancel()

    async def _take_tasks(self, stop: asyncio.Event) -> None:
        limits = Limits(
            calls_in_flight=self._settings.calls_in_flight,
            max_output_bytes=self._settings.max_output_bytes,
            lease_s=self._settings.lease_s,
        )
        async with asyncio.TaskGroup() as calls:
            attempts = Attempts(tools=self._tools, limits=limits, group=calls)

            async def on_run_attempt(incoming: Incoming) -> None:
                await attempts.take(_job(incoming))

            self._loop = ConsumerLoop(
                log=self._log,
                membership=Membership(
                    service=SERVICE,
                    group=SERVICE,
                    member=self._settings.member,
                    topics=(AGENT_TASKS, AGENT_TASKS_BATCH),
                ),
                handlers={RunAttempt: on_run_attempt},
                metrics=self._metrics,
                settings=LoopSettings(max_in_flight=self._settings.calls_in_flight * 2),
            )
            await self._loop.run(stop)
            await attempts.drain(self._settings.process.deadline_s())


def _job(incoming: Incoming) -> Job:
    task = incoming.data
    if not isinstance(task, RunAttempt):
        raise TypeError(type(task).__name__)
    key = task_key(incoming.envelope.tenant, task.collaboration, task.path)
    return Job(key=AttemptKey(key, task.attempt), task=task, cause=incoming.envelope)


@asynccontextmanager
async def build_app(
    settings: AgentWorkerSettings, log: Log, *, endpoints: Endpoints
) -> AsyncIterator[AgentWorker]:
    """Build a worker on a log; every start is an incarnation of its own."""
    incarnation = fresh_nonce()
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(build_session())
        stream = await stack.enter_async_context(log.producer())
        control = await stack.enter_async_context(log.producer())
        ledger, read_back = Ledger(), ReadBack(log)
        tools = Tools(
            ledger=ledger,
            claims=Claims(
                producer=control,
                ledger=ledger,
                incarnation=incarnation,
                clock_s=boottime_s,
                wall_ms=now_ms,
                new_nonce=fresh_nonce,
            ),
            stops=Stops(),
            tokens=TokenWriter(producer=stream, read_back=read_back),
            reports=Reports(producer=control, wall_ms=now_ms),
            artifacts=DirectoryArtifacts(settings.home / "artifacts"),
            models=_models(settings, endpoints, session=session),
            clock_s=boottime_s,
        )
        yield AgentWorker(
            log=log,
            settings=settings,
            tools=tools,
            metrics=Metrics(CollectorRegistry()),
            incarnation=incarnation,
            read_back=read_back,
        )


def _models(
    settings: AgentWorkerSettings, endpoints: Endpoints, *, session: aiohttp.ClientSession
) -> dict[str, ChatModel]:
    timeouts = Timeouts(
        connect_s=settings.timeouts.connect_s,
        first_byte_s=settings.timeouts.first_byte_s,
        idle_s=settings.timeouts.idle_s,
    )
    return {
        provider: build_chat_model(endpoint, session=session, timeouts=timeouts)
        for provider, endpoint in endpoints.by_provider.items()
    }
