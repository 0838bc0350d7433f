"""A partition's tasks wait until its part of the ledger and all stops are read (R5)."""

import asyncio
from collections.abc import Sequence

from msgspec import Struct

from facilitair_agent_worker.silence import Silence
from facilitair_events.topics import AGENT_TASKS, LLM_CALLS, WORKER_CONTROL
from facilitair_messaging.following import Follower
from facilitair_messaging.ports import Log, Partitions, TopicPartition

_STOPS = TopicPartition(WORKER_CONTROL, 0)


class Gate(Struct, frozen=True, eq=False):
    """One assignment of a partition; open once its tasks may be taken."""

    tp: TopicPartition
    open: asyncio.Event


class Rebuilds:
    """Listens to the consumer loop; its callbacks mark and return.

    Partitions of tasks and of the ledger are numbered alike for one key. Both topics of tasks wait;
    whoever owns the interactive one watches the ledger, so that each partition has one watcher.
    """

    def __init__(self, *, log: Log, ledger: Follower, stops: Follower, silence: Silence) -> None:
        self._log = log
        self._ledger = ledger
        self._stops = stops
        self._silence = silence
        self._gates: dict[TopicPartition, Gate] = {}
        self._due: asyncio.Queue[Gate] = asyncio.Queue()

    def assigned(self, partitions: Partitions) -> None:
        """Close the gates of these until they are rebuilt."""
        for tp in partitions:
            self._gates[tp] = gate = Gate(tp, asyncio.Event())
            self._due.put_nowait(gate)

    def revoked(self, partitions: Partitions) -> None:
        """Watch these no more. What waits at their gates is let go by the loop."""
        for tp in partitions:
            self._gates.pop(tp, None)
            if tp.topic == AGENT_TASKS:
                self._silence.unwatch(tp.partition)

    def leave(self) -> None:
        """The group was left: nothing is owned any more."""
        self.revoked(frozenset(self._gates))

    def ready(self) -> bool:
        """Whether everything owned is rebuilt."""
        return all(gate.open.is_set() for gate in self._gates.values())

    async def wait(self, tp: TopicPartition) -> None:
        """Return when tasks of a partition may be taken; at once for one that just moved away.

        Then its claim is decided by the log like any other.
        """
        gate = self._gates.get(tp)
        if gate is not None:
            await gate.open.wait()

    async def run(self) -> None:
        """Rebuild what is assigned until cancelled. What it raises ends the process (R5)."""
        while True:
            gates = [await self._due.get()]
            while not self._due.empty():
                gates.append(self._due.get_nowait())
            await self._rebuild(gates)

    async def _rebuild(self, gates: Sequence[Gate]) -> None:
        """Read to the ends captured now: after the assignment, so nothing of earlier is missed."""
        tps = {TopicPartition(LLM_CALLS, gate.tp.partition) for gate in gates} | {_STOPS}
        ends = await self._log.admin().end_offsets(tps)
        await self._stops.reached(_STOPS, ends[_STOPS])
        for gate in gates:
            tp = TopicPartition(LLM_CALLS, gate.tp.partition)
            await self._ledger.reached(tp, ends[tp])
            gate.open.set()
            if gate.tp.topic == AGENT_TASKS and self._gates.get(gate.tp) is gate:
                self._silence.watch(gate.tp.partition)
