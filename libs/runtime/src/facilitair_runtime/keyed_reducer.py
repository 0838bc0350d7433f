"""The chassis of a pure reducer: one keyed log in, events and commands out, state that survives.

It owns some partitions of the inbox. What it decides is written before it is remembered, what it
remembers is snapshotted before it is committed, and every record may be written twice.
"""

import asyncio
from typing import Final, Generic

from facilitair_events.registry import Registry
from facilitair_messaging.ports import Log, TopicPartition
from facilitair_messaging.rejections import RejectionLimit
from facilitair_observability.metrics import Metrics
from facilitair_runtime.adapters.wall_clock import wall_clock_ms
from facilitair_runtime.errors import PartitionCountError
from facilitair_runtime.liveness import Beat
from facilitair_runtime.places import group_places
from facilitair_runtime.reducing.config import KeyedState, Reducer, S
from facilitair_runtime.reducing.owner import Owner, Wiring
from facilitair_runtime.reducing.partitions import Partition
from facilitair_runtime.reducing.timers import ClockMs
from facilitair_runtime.settings import HealthGroup, ReducerGroup
from facilitair_runtime.tasks import first_of
from facilitair_runtime.vitals import Check, Vitals
from facilitair_runtime.writable import WatchedLog, Writable

__all__ = ["KeyedReducer", "KeyedState", "Reducer"]


class KeyedReducer(Generic[S]):
    """Runs one ``Reducer`` as one member of its group: an ``App``. An instance is run once."""

    def __init__(  # noqa: PLR0913 - what it runs on, and how
        self,
        reducer: Reducer[S],
        *,
        log: Log,
        registry: Registry,
        settings: ReducerGroup,
        metrics: Metrics,
        member: str,
        clock_ms: ClockMs = wall_clock_ms,
        rejections: RejectionLimit | None = None,
        health: HealthGroup | None = None,
    ) -> None:
        writable, health = Writable(), health or HealthGroup()
        log = WatchedLog(log, writable)
        self._wiring = Wiring(
            reducer=reducer,
            log=log,
            settings=settings,
            metrics=metrics,
            limits={name: spec.max_record_bytes for name, spec in registry.topics.items()},
            member=member,
            clock_ms=clock_ms,
            rejections=rejections or RejectionLimit(),
        )
        self._partitions: dict[TopicPartition, Partition[S]] = {}
        self._owner: Owner[S] | None = None
        self.vitals: Final = Vitals(
            limits=health.limits(),
            look_s=health.look_s,
            beats=self._beats,
            checks=(
                Check(
                    condition="not_assigned",
                    holds=lambda: bool(self._partitions),
                    detail=f"no partition of {reducer.inbox} is assigned to it",
                ),
                Check(
                    condition="rebuilding",
                    holds=lambda: all(p.ready for p in self._partitions.values()),
                    detail=f"states are being loaded from {reducer.state_topic}",
                ),
            ),
            places=lambda: group_places(log.admin(), group=reducer.service, tps=self._partitions),
            writable=writable,
        )

    @property
    def metrics(self) -> Metrics:
        """What it counts."""
        return self._wiring.metrics

    def ready(self) -> bool:
        """Whether every partition it was given is loaded, and there is at least one."""
        return not self.vitals.not_ready()

    def live(self) -> bool:
        """Whether its loop moves and its records do."""
        return not self.vitals.not_live()

    def _beats(self) -> tuple[Beat, ...]:
        moved_at = None if self._owner is None else self._owner.polled_at
        return (Beat(loop=self._wiring.reducer.inbox, moved_at=moved_at),)

    async def run(self, stop: asyncio.Event) -> None:
        """Own partitions until ``stop``; then finish the batch in hand, snapshot, commit, leave.

        Raises what makes it unsafe to go on: LogicTooNewError, RebuildError, StateLostError, a
        fatal error of ``decide``, RejectionLimitError, ProduceUnknownError, OffsetOutOfRangeError.
        Nothing is lost then: who starts next does again what was not committed.
        """
        await self._check_partitions()
        log = self._wiring.log
        try:
            async with (
                log.producer() as outputs,
                log.producer() as behind,
                asyncio.TaskGroup() as tasks,
            ):
                self._owner = Owner(
                    self._wiring,
                    outputs=outputs,
                    behind=behind,
                    tasks=tasks,
                    partitions=self._partitions,
                )
                await self._owner.own(stop)
        except BaseExceptionGroup as group:
            raise first_of(group) from None
        finally:
            self._owner = None
            self._partitions.clear()

    async def _check_partitions(self) -> None:
        """A key's snapshots lie in the partition of its inbox. Raises PartitionCountError."""
        admin, reducer = self._wiring.log.admin(), self._wiring.reducer
        inbox = await admin.partitions(reducer.inbox)
        state = await admin.partitions(reducer.state_topic)
        if inbox != state:
            raise PartitionCountError(inbox=inbox, state=state)
