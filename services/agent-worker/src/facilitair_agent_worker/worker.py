"""One worker: reads the ledger and the stops first, then takes tasks."""

import asyncio
import time
from collections.abc import MutableMapping
from typing import Final

from msgspec import Struct

from facilitair_agent_worker.attempts import Attempts
from facilitair_agent_worker.jobs import Job, Limits, Tools
from facilitair_agent_worker.ledger import AttemptKey
from facilitair_agent_worker.readback import ReadBack
from facilitair_agent_worker.rebuilding import Rebuilds
from facilitair_events.keys import task_key
from facilitair_events.topics import (
    AGENT_TASKS,
    AGENT_TASKS_BATCH,
    COLLABORATION_STREAM,
    LLM_CALLS,
    WORKER_CONTROL,
)
from facilitair_events.work import RunAttempt
from facilitair_llm.providers import ChatModel
from facilitair_messaging.following import Follower, readable
from facilitair_messaging.loop import ConsumerLoop, LoopSettings, Membership
from facilitair_messaging.messages import Incoming
from facilitair_messaging.ports import Log
from facilitair_observability.metrics import Metrics

SERVICE: Final = "agent-worker"


class Rules(Struct, frozen=True, kw_only=True):
    """How a worker runs. ``drain_s`` is how long calls may go on after a stop (R21)."""

    member: str
    limits: Limits
    drain_s: float
    stuck_s: float


class AgentWorker:
    """A member of the group of workers. Its calls belong to it, not to its partitions (R21)."""

    def __init__(self, *, log: Log, rules: Rules, tools: Tools, read_back: ReadBack) -> None:
        self._log = log
        self._rules = rules
        self._tools = tools
        self._read_back = read_back
        self._ledger = Follower(
            log=log, topic=LLM_CALLS, apply=readable(self._on_entry, metrics=tools.metrics)
        )
        self._stops = Follower(
            log=log, topic=WORKER_CONTROL, apply=readable(tools.stops.apply, metrics=tools.metrics)
        )
        self._rebuilds = Rebuilds(
            log=log, ledger=self._ledger, stops=self._stops, silence=tools.silence
        )
        self._loop: ConsumerLoop | None = None

    @property
    def metrics(self) -> Metrics:
        """What this worker counts."""
        return self._tools.metrics

    @property
    def models(self) -> MutableMapping[str, ChatModel]:
        """Who is called for which provider; a change counts for tasks that are taken later."""
        return self._tools.models

    def ready(self) -> bool:
        """Whether tasks of all its partitions are taken."""
        return self._loop is not None and self._loop.ready and self._rebuilds.ready()

    def live(self) -> bool:
        """Whether the poll loop moves."""
        if self._loop is None:
            return True
        return time.monotonic() - self._loop.last_poll < self._rules.stuck_s

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop``; then running calls may finish until the deadline (R21)."""
        await self._read_back.start(COLLABORATION_STREAM)
        async with asyncio.TaskGroup() as background:
            tasks = [
                background.create_task(run())
                for run in (
                    self._ledger.run,
                    self._stops.run,
                    self._tools.tokens.run,
                    self._tools.silence.run,
                    self._rebuilds.run,
                )
            ]
            await self._ledger.wait_ready()
            await self._stops.wait_ready()
            await self._tools.silence.settle()
            await self._take_tasks(stop)
            for task in tasks:
                task.cancel()

    async def _take_tasks(self, stop: asyncio.Event) -> None:
        limits = self._rules.limits
        async with asyncio.TaskGroup() as calls:
            attempts = Attempts(tools=self._tools, limits=limits, group=calls)

            async def on_run_attempt(incoming: Incoming) -> None:
                await self._rebuilds.wait(incoming.record.tp)
                await attempts.take(_job(incoming))

            self._loop = ConsumerLoop(
                log=self._log,
                membership=Membership(
                    service=SERVICE,
                    group=SERVICE,
                    member=self._rules.member,
                    topics=(AGENT_TASKS, AGENT_TASKS_BATCH),
                ),
                handlers={RunAttempt: on_run_attempt},
                metrics=self._tools.metrics,
                settings=LoopSettings(max_in_flight=limits.calls_in_flight * 2),
                listener=self._rebuilds,
            )
            await self._loop.run(stop)
            self._rebuilds.leave()
            await attempts.drain(self._rules.drain_s)

    def _on_entry(self, incoming: Incoming) -> None:
        self._tools.claims.apply(incoming)
        self._tools.silence.read(incoming)


def _job(incoming: Incoming) -> Job:
    task = incoming.data
    if not isinstance(task, RunAttempt):
        raise TypeError(type(task).__name__)
    key = task_key(incoming.envelope.tenant, task.collaboration, task.path)
    return Job(key=AttemptKey(key, task.attempt), task=task, cause=incoming.envelope)
