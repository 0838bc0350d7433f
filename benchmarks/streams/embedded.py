"""Solo's way: agents, log and gateway in one process.

`python -m benchmarks.streams.embedded HOME LOAD`
"""

import asyncio
import sys
from pathlib import Path

import uvloop

from benchmarks.appending import open_registered_log
from benchmarks.streams.agents import offer
from benchmarks.streams.load import Load
from benchmarks.streams.talking import tell, wait_for_go
from facilitair_gateway.app import build_app
from facilitair_gateway.settings import GatewaySettings
from facilitair_llm.endpoints import Endpoint, Endpoints
from facilitair_observability.logs import configure
from facilitair_testing.eventually import eventually


async def _main(home: Path, load: Load) -> None:
    endpoints = Endpoints(
        by_provider={"p": Endpoint(provider="p", base_url="http://127.0.0.1:9/v1")},
        default_provider="p",
        default_model="m",
    )
    settings = GatewaySettings(home=home, port=0)
    async with (
        open_registered_log(home) as log,
        build_app(settings, log, endpoints=endpoints) as gateway,
    ):
        stop = asyncio.Event()
        running = asyncio.create_task(gateway.run(stop))
        await eventually(gateway.ready, what="the gateway")
        tell(url=gateway.url)
        tell(**await offer(log, load))
        await asyncio.to_thread(wait_for_go)
        stop.set()
        await running


if __name__ == "__main__":
    configure(service="benchmarks", level="warning", stream=sys.stderr)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as _runner:
        _runner.run(_main(Path(sys.argv[1]), Load.loads(sys.argv[2])))
