"""The chassis of a pure reducer: one keyed log in, events and commands out, state that survives.

It owns some partitions of the inbox. What it decides is written before it is remembered, what it
remembers is snapshotted before it is committed, and every record may be written twice.
"""

import asyncio
import time
from typing import Final, Generic

from facilitair_events.registry import Registry
from facilitair_messaging.ports import Log, TopicPartition
from facilitair_messaging.rejections import RejectionLimit
from facilitair_observability.metrics import Metrics
from facilitair_runtime.adapters.wall_clock import wall_clock_ms
from facilitair_runtime.errors import PartitionCountError
from facilitair_runtime.reducing.config import KeyedState, Reducer, S
from facilitair_runtime.reducing.owner import Owner, Wiring
from facilitair_runtime.reducing.partitions import Partition
from facilitair_runtime.reducing.timers import ClockMs
from facilitair_runtime.settings import ReducerGroup
from facilitair_runtime.tasks import first_of

__all__ = ["KeyedReducer", "KeyedState", "Reducer"]

_MISSED_POLLS: Final = 5
"""Heartbeats without a poll after which the reducer no longer counts as alive."""


class KeyedReducer(Generic[S]):
    """Runs one ``Reducer`` as one member of its group. An instance is run once."""

    def __init__(
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
    ) -> None:
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

    def ready(self) -> bool:
        """Whether every partition it was given is loaded, and there is at least one."""
        partitions = self._partitions.values()
        return bool(partitions) and all(partition.ready for partition in partitions)

    def live(self) -> bool:
        """Whether the log was polled recently."""
        if self._owner is None:
            return False
        silence_s = time.monotonic() - self._owner.polled_at
        return silence_s < _MISSED_POLLS * self._wiring.settings.heartbeat_s

    async def run(self, stop: asyncio.Event) -> None:
        """Own partitions until ``stop``; then finish the batch in hand, snapshot, commit, leave.

        Raises what makes it unsafe to go on: LogicTooNewError, RebuildError, a fatal error of
        ``decide``, RejectionLimitError, ProduceUnknownError, OffsetOutOfRangeError. Nothing is lost
        then: who starts next does again what was not committed.
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
