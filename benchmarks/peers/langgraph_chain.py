"""A chain of ten steps in LangGraph; each step calls the same simulator and streams its tokens.

`python -m benchmarks.peers.langgraph_chain URL STEPS RUNS FILE`, in the environment of the peer.
FILE is a SQLite database for the checkpoints; `memory` keeps none, as the simplest graphs do.
The client of the model is aiohttp, as in our worker: no SDK, so that the graph is what is compared.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypedDict

import aiohttp
import uvloop
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph

from benchmarks.streams.talking import tell

WARM_UP = 5
MEMORY = "memory"
SYSTEM = "Role: assistant"
TASK = "Say what a keyed log is."


class State(TypedDict):
    """What goes from step to step."""

    task: str
    text: str


def build(session: aiohttp.ClientSession, url: str, *, steps: int, checkpointer: Any) -> Any:
    """The compiled graph: each node waits for the one before."""

    async def node(state: State) -> dict[str, str]:
        write = get_stream_writer()
        parts = []
        async for token in _answer(session, url, task=state["task"]):
            write(token)
            parts.append(token)
        return {"text": "".join(parts)}

    graph = StateGraph(State)
    for number in range(steps):
        graph.add_node(f"s{number}", node)
        graph.add_edge(f"s{number - 1}" if number else START, f"s{number}")
    graph.add_edge(f"s{steps - 1}", END)
    return graph.compile(checkpointer=checkpointer)


async def _answer(session: aiohttp.ClientSession, url: str, *, task: str) -> AsyncIterator[str]:
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": task}]
    body = {"model": "simulated", "stream": True, "messages": messages}
    async with session.post(f"{url}/v1/chat/completions", json=body) as response:
        response.raise_for_status()
        async for line in response.content:
            if line.startswith(b"data: {"):
                for choice in json.loads(line[6:])["choices"]:
                    if choice["delta"].get("content"):
                        yield choice["delta"]["content"]


@asynccontextmanager
async def _checkpointer(path: str) -> AsyncIterator[Any]:
    if path == MEMORY:
        yield None
        return
    async with AsyncSqliteSaver.from_conn_string(path) as saver:
        yield saver


async def _main(url: str, *, steps: int, runs: int, path: str) -> None:
    took_s: list[float] = []
    began_cpu_s = 0.0
    async with aiohttp.ClientSession() as session, _checkpointer(path) as checkpointer:
        graph = build(session, url, steps=steps, checkpointer=checkpointer)
        for number in range(WARM_UP + runs):
            config = {"configurable": {"thread_id": str(number)}}
            began, tokens = time.perf_counter(), 0
            if number == WARM_UP:
                began_cpu_s = time.process_time()
            streamed = graph.astream(
                {"task": TASK, "text": ""}, config, stream_mode="custom", **_durable(path)
            )
            async for _ in streamed:
                tokens += 1
            if not tokens:
                raise ValueError(number)
            took_s.append(time.perf_counter() - began)
        tell(took_s=took_s[WARM_UP:], cpu_s=(time.process_time() - began_cpu_s) / runs)


def _durable(path: str) -> dict[str, str]:
    """With checkpoints each is on disk before the next step begins, as our records are."""
    return {} if path == MEMORY else {"durability": "sync"}


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as _runner:
        _runner.run(
            _main(sys.argv[1], steps=int(sys.argv[2]), runs=int(sys.argv[3]), path=sys.argv[4])
        )
