"""The naive build's agents: one record per token, pydantic, aiokafka ``send``.

`python benchmarks/streams/naive_agents.py BOOTSTRAP LOAD`, in the environment of the peer.
"""

import asyncio
import collections
import sys
import time

import uvloop
from aiokafka import AIOKafkaProducer
from pydantic import BaseModel

from benchmarks.streams.load import READ_PAUSE_S, Load, collaborations, due, now_us, token
from benchmarks.streams.naive_topic import NAIVE_TOPIC
from benchmarks.streams.talking import tell, wait_for_go

MOST_AT_ONCE = 2000
"""Tokens between two looks at the clock: more than it can send, so that nothing is held back."""


class Token(BaseModel):
    """One token."""

    collaboration: str
    step: str
    attempt: int
    agent: str
    index: int
    text: str


async def offer(bootstrap: str, load: Load) -> dict[str, float]:
    """Write what is offered, as far as it comes; all of it is acked at the end."""
    names = collaborations(load.streams)
    keys = [name.encode() for name in names]
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    tell(collaborations=names)
    await asyncio.to_thread(wait_for_go)
    cpu_s, begin_s, given, over = time.process_time(), time.monotonic(), 0, False
    acks: collections.deque[asyncio.Future[object]] = collections.deque()
    while not over:
        wanted, over = due(load, begin_s=begin_s, given=given)
        wanted = min(wanted, given + MOST_AT_ONCE)
        for number in range(given, wanted):
            place = number % load.streams
            event = Token(
                collaboration=names[place],
                step="coder",
                attempt=1,
                agent="coder",
                index=number // load.streams,
                text=token(now_us()),
            )
            value = event.model_dump_json().encode()
            acks.append(await producer.send(NAIVE_TOPIC, value, key=keys[place]))
        given = wanted
        while acks and acks[0].done():
            acks.popleft().result()
        await asyncio.sleep(READ_PAUSE_S)
    await asyncio.gather(*acks)
    spent_s = time.process_time() - cpu_s
    await producer.stop()
    return {"sent": given, "records": given, "cpu_s": spent_s}


async def _main(bootstrap: str, load: Load) -> None:
    tell(**await offer(bootstrap, load))
    await asyncio.to_thread(wait_for_go)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as _runner:
        _runner.run(_main(sys.argv[1], Load.loads(sys.argv[2])))
