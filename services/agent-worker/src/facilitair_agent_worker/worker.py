"""One worker: reads the ledger and the stops first, then takes tasks."""

import asyncio
from collections.abc import MutableMapping
from typing import Final

import structlog
from msgspec import Struct

from facilitair_agent_worker.attempts import Attempts
from facilitair_agent_worker.errors import ForeignTaskError
from facilitair_agent_worker.jobs import Job, Limits, Tools
from facilitair_agent_worker.ledger import AttemptKey
from facilitair_agent_worker.readback import ReadBack
from facilitair_agent_worker.rebuilding import Rebuilds
from facilitair_agent_worker.rejected import UNREADABLE, attempt_of, cause_of
from facilitair_agent_worker.tenant_keys import TenantKeys
from facilitair_events.errors import KeyFormatError
from facilitair_events.keys import split_task_key, task_key
from facilitair_events.topics import (
    AGENT_TASKS,
    AGENT_TASKS_BATCH,
    COLLABORATION_STREAM,
    CREDENTIALS,
    LLM_CALLS,
    WORKER_CONTROL,
)
from facilitair_events.work import RunAttempt
from facilitair_llm.providers import ChatModel
from facilitair_messaging.errors import MessagingError
from facilitair_messaging.following import Follower, readable
from facilitair_messaging.loop import ConsumerLoop, LoopSettings, Membership
from facilitair_messaging.messages import Incoming, check_owner
from facilitair_messaging.ports import Log, Record, TopicPartition
from facilitair_messaging.rejections import RejectionLimit
from facilitair_observability.metrics import Metrics
from facilitair_runtime.liveness import Beat
from facilitair_runtime.places import group_places
from facilitair_runtime.settings import HealthGroup
from facilitair_runtime.vitals import Check, Vitals
from facilitair_runtime.writable import Writable

SERVICE: Final = "agent-worker"

_log = structlog.get_logger()


class Rules(Struct, frozen=True, kw_only=True):
    """How a worker runs. ``drain_s`` is how long calls may go on after a stop (R21)."""

    member: str
    limits: Limits
    drain_s: float
    health: HealthGroup
    rejections: RejectionLimit


class AgentWorker:
    """A member of the group of workers. Its calls belong to it, not to its partitions (R21)."""

    def __init__(
        self,
        *,
        log: Log,
        rules: Rules,
        tools: Tools,
        tenant_keys: TenantKeys,
        read_back: ReadBack,
        writable: Writable,
    ) -> None:
        self._log = log
        self._rules = rules
        self._tools = tools
        self._read_back = read_back
        self._ledger = Follower(
            log=log,
            topic=LLM_CALLS,
            apply=readable(self._on_entry, metrics=tools.metrics, on_skipped=tools.claims.spoil),
        )
        self._stops = Follower(
            log=log, topic=WORKER_CONTROL, apply=readable(tools.stops.apply, metrics=tools.metrics)
        )
        self._credentials = Follower(
            log=log,
            topic=CREDENTIALS,
            apply=readable(tenant_keys.apply, metrics=tools.metrics, on_skipped=tenant_keys.skip),
        )
        self._rebuilds = Rebuilds(
            log=log, ledger=self._ledger, stops=self._stops, silence=tools.silence
        )
        self._loop: ConsumerLoop | None = None
        self._attempts: Attempts | None = None
        self.vitals: Final = Vitals(
            limits=rules.health.limits(),
            look_s=rules.health.look_s,
            beats=self._beats,
            checks=self._checks(),
            places=lambda: group_places(log.admin(), group=SERVICE, tps=self._held()),
            writable=writable,
            excused=lambda: self._attempts is not None and self._attempts.full(),
        )

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
        return not self.vitals.not_ready()

    def live(self) -> bool:
        """Whether its loops move, and tasks that wait are taken while there are slots."""
        return not self.vitals.not_live()

    def _held(self) -> list[TopicPartition]:
        return [] if self._loop is None else list(self._loop.pending)

    def _beats(self) -> tuple[Beat, ...]:
        # Until the group is joined nothing polls, and that may take as long as the log is away.
        polls = self._loop is not None and self._loop.ready
        tasks = self._loop.last_poll if polls and self._loop is not None else None
        return (
            Beat(loop=AGENT_TASKS, moved_at=tasks),
            Beat(loop=LLM_CALLS, moved_at=self._ledger.moved_at),
            Beat(loop=WORKER_CONTROL, moved_at=self._stops.moved_at),
            Beat(loop=CREDENTIALS, moved_at=self._credentials.moved_at),
        )

    def _checks(self) -> tuple[Check, ...]:
        return (
            Check(
                condition="not_assigned",
                holds=lambda: self._loop is not None and self._loop.ready,
                detail="it is not a member of its group yet, or is leaving it",
            ),
            Check(
                condition="rebuilding",
                holds=self._rebuilds.ready,
                detail=f"open calls and stops are being read from {LLM_CALLS} and {WORKER_CONTROL}",
            ),
            Check(
                condition=f"reading_{CREDENTIALS}",
                holds=lambda: self._credentials.ready,
                detail=f"keys that tenants brought are being read from {CREDENTIALS}",
            ),
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop``; then running calls may finish until the deadline (R21)."""
        await self._read_back.start(COLLABORATION_STREAM)
        async with asyncio.TaskGroup() as background:
            tasks = [
                background.create_task(run())
                for run in (
                    self._ledger.run,
                    self._stops.run,
                    self._credentials.run,
                    self._tools.tokens.run,
                    self._tools.silence.run,
                    self._rebuilds.run,
                )
            ]
            await self._ledger.wait_ready()
            await self._stops.wait_ready()
            await self._credentials.wait_ready()
            await self._tools.silence.settle()
            await self._take_tasks(stop)
            for task in tasks:
                task.cancel()

    async def _take_tasks(self, stop: asyncio.Event) -> None:
        limits = self._rules.limits
        async with asyncio.TaskGroup() as calls:
            attempts = Attempts(tools=self._tools, limits=limits, group=calls)
            self._attempts = attempts

            async def on_run_attempt(incoming: Incoming) -> None:
                await self._rebuilds.wait(incoming.record.tp)
                await attempts.take(_job(incoming))

            async def on_rejected(record: Record, _error: MessagingError) -> None:
                await self._rebuilds.wait(record.tp)
                await _reject(attempts, record)

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
                settings=LoopSettings(
                    max_in_flight=limits.calls_in_flight * 2,
                    apart=frozenset({AGENT_TASKS_BATCH}),
                    rejections=self._rules.rejections,
                ),
                listener=self._rebuilds,
                on_rejected=on_rejected,
            )
            await self._loop.run(stop)
            self._rebuilds.leave()
            await attempts.drain(self._rules.drain_s)

    def _on_entry(self, incoming: Incoming) -> None:
        self._tools.claims.apply(incoming)
        self._tools.silence.read(incoming)


async def _reject(attempts: Attempts, record: Record) -> None:
    """Have a collaboration hear of a task that nobody can read.

    When not even its attempt can be told, the step's timeout ends it.
    """
    key = attempt_of(record)
    if key is None:
        _log.error("task of an unknown attempt", partition=record.partition, offset=record.offset)
        return
    await attempts.reject(key, cause=cause_of(record, key), fault=UNREADABLE)


def _job(incoming: Incoming) -> Job:
    """The job of a record. Raises ForeignTaskError for a task under another key than its own."""
    task = incoming.data
    if not isinstance(task, RunAttempt):
        raise TypeError(type(task).__name__)
    try:
        tenant, collaboration, path = split_task_key(incoming.record.key or b"")
    except KeyFormatError as error:
        raise ForeignTaskError(reason=str(error)) from error
    check_owner(incoming, tenant=tenant, subject=collaboration)
    if (task.collaboration, task.path) != (collaboration, path):
        raise ForeignTaskError(reason="its key is of another step")
    key = task_key(tenant, collaboration, path)
    return Job(key=AttemptKey(key, task.attempt), task=task, cause=incoming.envelope)
