"""Appends to an embedded log until it is killed, and prints the offset of every acked record.

Run by ``test_embedded_crash.py``. Several producers send at once, so that commits are shared.
"""

import asyncio
import sys
from pathlib import Path

from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_messaging.ports import Message, Producer
from facilitair_testing.topics import topic_spec

SPEC = topic_spec("t", partitions=3)


async def send_for_ever(producer: Producer, sender: int) -> None:
    number = 0
    while True:
        name = f"{sender}-{number}"
        (ack,) = await producer.send([Message("t", name.encode(), name.encode() * 20)])
        sys.stdout.write(f"{ack.partition} {ack.offset} {name}\n")
        sys.stdout.flush()
        number += 1


async def main(path: Path) -> None:
    async with (
        EmbeddedLog.open(path, {"t": SPEC}) as log,
        log.producer() as producer,
        asyncio.TaskGroup() as group,
    ):
        await log.admin().ensure_topics([SPEC])
        for sender in range(5):
            group.create_task(send_for_ever(producer, sender))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
