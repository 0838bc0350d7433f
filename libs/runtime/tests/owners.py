"""Owners of the ledger as processes that a test stops, kills and holds."""

import asyncio
from contextlib import asynccontextmanager

from facilitair_messaging.errors import CommitRefusedError
from facilitair_testing.eventually import eventually
from facilitair_testing.held_log import HeldLog
from libs.runtime.tests import histories, ledger

WAIT_S = 30.0


class Zombie(HeldLog):
    """What SIGSTOP makes of an owner: it reads on where it was, and its commits are refused (M1).

    What the others have committed is what it finds committed.
    """

    @asynccontextmanager
    async def consumer(self, **options):
        async with super().consumer(**options | {"group": "zombie"}) as consumer:

            async def committed(tp):
                await self.going()
                return (await self._log.admin().committed("ledger")).get(tp)

            async def commit(_offsets):
                await self.going()
                raise CommitRefusedError(group="ledger", reason="it was expelled")

            consumer.committed, consumer.commit = committed, commit
            yield consumer


class Owner:
    """One process: a chassis over a log of its own."""

    def __init__(self, log, *, member="ledger-0", **changes):
        self.log = log if isinstance(log, HeldLog) else HeldLog(log)
        self.chassis = histories.keyed(self.log, member=member, **changes)
        self._stop = asyncio.Event()
        self._running = asyncio.ensure_future(self.chassis.run(self._stop))

    async def ready(self):
        """Wait until its partition is loaded."""
        await eventually(
            lambda: self.chassis.ready() or self.done, timeout_s=WAIT_S, what="a loaded owner"
        )
        return self

    async def reaches(self, offset):
        """Wait until it has handled all records before an offset."""
        await self.ready()
        await eventually(
            lambda: self.partition.position == offset or self.done,
            timeout_s=WAIT_S, what=f"records up to {offset}",
        )  # fmt: skip

    @property
    def done(self):
        return self._running.done()

    @property
    def partition(self):
        """What it remembers of its only partition."""
        (partition,) = self.chassis._partitions.values()  # noqa: SLF001 - memory is what it is about
        return partition

    async def flush(self):
        """Write its snapshots and commit now, instead of behind the next batch."""
        await self.chassis._owner._snapshots.flush()  # noqa: SLF001 - the moment is what it is about

    async def scan(self):
        """What it does every twelve hours."""
        takeover = self.chassis._owner._takeover  # noqa: SLF001 - twelve hours are too long
        await takeover.scan_again(self.partition)

    async def end(self):
        """Stop it in order."""
        self.log.go_on()
        self._stop.set()
        await asyncio.wait_for(self._running, WAIT_S)

    async def kill(self):
        """Nothing of it reaches the log any more."""
        self.log.stop()
        self._running.cancel()
        await asyncio.wait([self._running])
        return None if self._running.cancelled() else self._running.exception()


async def decided(log, count, *, topic=ledger.EVENTS):
    """Wait until a topic holds so many records."""

    async def there():
        return len(await histories.records(log, topic)) >= count

    await eventually(there, timeout_s=WAIT_S, what=f"{count} records in {topic}")
