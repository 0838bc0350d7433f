"""The naive build's gateway: aiokafka ``getone``, pydantic, a queue per client, sse-starlette.

`python benchmarks/streams/naive_gateway.py BOOTSTRAP PARTITIONS`, in the environment of the peer.
"""

import asyncio
import sys
from collections.abc import AsyncIterator

import uvicorn
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition
from fastapi import FastAPI
from sse_starlette.sse import EventSourceResponse

from benchmarks.streams.naive_agents import Token
from benchmarks.streams.naive_topic import NAIVE_TOPIC
from benchmarks.streams.talking import tell

_Queues = dict[bytes, "asyncio.Queue[dict[str, str]]"]


def build(queues: _Queues) -> FastAPI:
    """The application."""
    app = FastAPI()

    @app.get("/stream/{collaboration}")
    async def stream(collaboration: str) -> EventSourceResponse:
        queue = queues[collaboration.encode()] = asyncio.Queue()

        async def events() -> AsyncIterator[dict[str, str]]:
            while True:
                yield await queue.get()

        return EventSourceResponse(events(), sep="\n")

    return app


async def route(bootstrap: str, *, partitions: int, queues: _Queues) -> None:
    """Read one record after the other and hand it to who waits for it."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    places = [TopicPartition(NAIVE_TOPIC, number) for number in range(partitions)]
    consumer.assign(places)
    await consumer.seek_to_end(*places)
    while True:
        record = await consumer.getone()
        event = Token.model_validate_json(record.value)
        queue = queues.get(record.key)
        if queue is not None:
            queue.put_nowait(
                {
                    "id": f"{record.partition}-{record.offset}",
                    "event": "token",
                    "data": event.model_dump_json(),
                }
            )


async def _main(bootstrap: str, partitions: int) -> None:
    queues: _Queues = {}
    config = uvicorn.Config(
        build(queues), port=0, log_level="error", access_log=False, http="httptools", backlog=2048
    )
    server = uvicorn.Server(config)
    routing = asyncio.create_task(route(bootstrap, partitions=partitions, queues=queues))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - once, at the start
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    tell(url=f"http://127.0.0.1:{port}")
    await asyncio.wait({routing, serving}, return_when=asyncio.FIRST_COMPLETED)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as _runner:
        _runner.run(_main(sys.argv[1], int(sys.argv[2])))
