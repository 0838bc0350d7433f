"""Every benchmark, in the order in which a round takes them."""

from benchmarks import (
    accounting,
    appending,
    collaborating,
    counting,
    gateway_clients,
    graphs,
    growth,
    idling,
    neighbours,
    open_collaborations,
    reducing,
    reserving,
    resuming,
    second_run,
    set_up,
    suite,
    worker_chunks,
    worker_memory,
)
from benchmarks.bench import Benchmark
from benchmarks.model_clients import measure as model_clients
from benchmarks.streams import measure as streams

_STARTING = (
    Benchmark(
        "set-up",
        "`make run` on a fresh clone, until it ends.",
        set_up.measure,
        takes_s=190,
        once=True,
    ),
    Benchmark(
        "second-run", "`make run` where everything is set up.", second_run.measure, takes_s=8
    ),
    Benchmark("tests", "`make test`.", suite.measure, takes_s=480, once=True, asked="--with-tests"),
    Benchmark("idle", "Solo while nothing happens.", idling.measure, takes_s=16),
    Benchmark(
        "imports",
        "How long a fresh interpreter takes to import each, and its memory after.",
        model_clients.measure_imports,
        takes_s=25,
    ),
    Benchmark(
        "orchestrator-start",
        "How long an orchestrator takes to start with ten thousand open collaborations.",
        open_collaborations.measure,
        takes_s=90,
        once=True,
    ),
)
_LATENCY = (
    Benchmark("hop", "One hop of the log.", appending.measure, takes_s=12),
    Benchmark(
        "collaboration",
        "What solo adds to the time of its models; the simulator answers at once.",
        collaborating.measure_solo,
        takes_s=15,
    ),
    Benchmark(
        "collaboration-kafka",
        "The same on Kafka: a fleet of one process for each service and a broker of its own.",
        collaborating.measure_fleet,
        takes_s=35,
    ),
    Benchmark(
        "money",
        "What money adds to a call, in solo and on Kafka: the account's grant, and the claim.",
        reserving.measure,
        takes_s=60,
    ),
    Benchmark(
        "neighbours",
        "A quiet tenant of a solo beside a noisy one, of whose tasks ten thousand wait.",
        neighbours.measure,
        takes_s=420,
        once=True,
    ),
    Benchmark(
        "langgraph",
        "The same chain as a graph of LangGraph, with the same simulator; without HTTP in front of"
        " it, and without a record that others can read.",
        graphs.measure,
        takes_s=12,
    ),
    Benchmark(
        "reducer",
        "CPU of the reducer for one record, by the steps of its collaboration.",
        reducing.measure,
        takes_s=5,
    ),
    Benchmark(
        "accounts",
        "What a request costs the account of a tenant, and how many of them one tenant can have.",
        accounting.measure,
        takes_s=30,
    ),
)
_WORKER = (
    Benchmark(
        "worker",
        "What one chunk of a model costs the whole worker: fifty streams, eighty tokens/s each.",
        worker_chunks.measure,
        takes_s=15,
    ),
    Benchmark(
        "worker-memory",
        "A worker on Kafka that streams 500 chunks a second for ten minutes, after a first one.",
        worker_memory.measure,
        takes_s=680,
        once=True,
        asked="--long",
    ),
    Benchmark(
        "client-path",
        "What one chunk costs a client of a model and nothing else: our three dialects, the openai"
        " SDK and litellm read the same fifty streams.",
        model_clients.measure,
        takes_s=35,
    ),
)
_STREAMS = (
    Benchmark(
        "streams",
        "Many streams on Kafka, from the worker's writer to the sockets of clients, beside the"
        " naive build on the same broker.",
        streams.measure_kafka,
        takes_s=85,
    ),
    Benchmark(
        "streams-embedded",
        "The same loads on the embedded log.",
        streams.measure_embedded,
        takes_s=35,
    ),
    Benchmark(
        "idle-clients",
        "What a client costs the gateway that watches and is sent nothing; kernel memory not"
        " counted.",
        gateway_clients.measure,
        takes_s=25,
    ),
    Benchmark(
        "storm",
        "A thousand clients connect at once and resume, each in a collaboration of its own, on"
        " Kafka.",
        resuming.measure,
        takes_s=75,
        once=True,
    ),
)
_GROWTH = (
    Benchmark(
        "growth-streams",
        "More and more streams of twenty tokens a second each, on Kafka, until it is too much.",
        growth.measure_streams,
        takes_s=55,
        once=True,
    ),
    Benchmark(
        "growth-collaborations",
        "More and more users of solo at a time, each with one ten-step collaboration after the"
        " other.",
        growth.measure_collaborations,
        takes_s=40,
        once=True,
    ),
)
_SIZE = (Benchmark("lines", "Lines of code.", counting.measure, takes_s=1, once=True),)

BENCHMARKS = (*_STARTING, *_LATENCY, *_WORKER, *_STREAMS, *_GROWTH, *_SIZE)
