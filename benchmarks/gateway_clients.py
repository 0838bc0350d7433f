"""What a client costs the gateway that watches and is sent nothing."""

import time
from collections.abc import Mapping

from benchmarks.bench import Bench
from benchmarks.many_clients import Asking, connected, sse_request, websocket_request
from benchmarks.processes import rss_kb
from benchmarks.readings import Reading
from benchmarks.streams.load import Load
from benchmarks.streams.run import agents_on, gateway_on, places_of

FEW, MANY = 500, 2500
GOAL_KB = 12.0
SETTLE_S = 1.0
WIRES: Mapping[str, tuple[Asking, float | None]] = {
    "SSE": (sse_request, GOAL_KB),
    "WebSocket": (websocket_request, None),
}


def measure(bench: Bench) -> list[Reading]:
    """Clients that watch a collaboration each in which nothing happens; memory of the process.

    Counted from 500 clients on, so that what all share is not divided among them.
    """
    return [
        Reading(f"gateway, memory per idle {wire} client", kb, "kB", goal)
        for wire, (asking, goal) in WIRES.items()
        for kb in [_per_client_kb(bench, asking)]
    ]


def _per_client_kb(bench: Bench, asking: Asking) -> float:
    few, many = bench.pick((FEW, MANY), quick=(5, 15))
    kafka, home = bench.kafka(), bench.fresh()
    silent = Load(streams=many, tokens_per_s=1, seconds=1.0)
    with (
        gateway_on(kafka, home) as (url, pid, _),
        agents_on(kafka, home, load=silent) as (agents, _),
    ):
        # They never get to go: there are the openings of their streams, and nothing else.
        places = places_of(agents.hear())
        with connected(url, places[:few], asking=asking):
            time.sleep(bench.pick(SETTLE_S, quick=0.0))
            before_kb = rss_kb(pid)
            with connected(url, places[few:], asking=asking):
                time.sleep(bench.pick(SETTLE_S, quick=0.0))
                return (rss_kb(pid) - before_kb) / (many - few)
