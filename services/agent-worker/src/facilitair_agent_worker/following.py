"""Reading a whole topic from its beginning and then staying with it, without a group."""

import asyncio
from collections.abc import Callable

import structlog

from facilitair_messaging.errors import UnreadableRecordError
from facilitair_messaging.messages import Incoming, read
from facilitair_messaging.ports import Log, TopicPartition

Apply = Callable[[Incoming], None]

_WAIT_S = 30.0
_BATCH = 1000


class Follower:
    """Applies every record of a topic in log order.

    ``ready`` is set once the end seen at the start is reached.

    A record that cannot be read is counted and skipped: whoever owns the topic dead-letters it.
    """

    def __init__(self, *, log: Log, topic: str, apply: Apply) -> None:
        self._log = log
        self._topic = topic
        self._apply = apply
        self.ready = asyncio.Event()
        self.unreadable = 0

    async def run(self) -> None:
        """Follow until cancelled."""
        admin = self._log.admin()
        count = await admin.partitions(self._topic)
        tps = [TopicPartition(self._topic, number) for number in range(count)]
        ends = await admin.end_offsets(tps)
        async with self._log.reader() as reader:
            reader.assign(await admin.beginning_offsets(tps))
            while True:
                positions = reader.positions()
                if not self.ready.is_set() and all(positions[tp] >= ends[tp] for tp in tps):
                    self.ready.set()
                for record in await reader.poll(max_records=_BATCH, wait_s=_WAIT_S):
                    try:
                        incoming = read(record)
                    except UnreadableRecordError as error:
                        self.unreadable += 1
                        structlog.get_logger().warning("record skipped", reason=str(error))
                    else:
                        self._apply(incoming)
