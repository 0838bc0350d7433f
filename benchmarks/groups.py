"""Every benchmark, in the order in which a round takes them."""

from benchmarks import (
    appending,
    collaborating,
    gateway_clients,
    open_collaborations,
    resuming,
    worker_chunks,
    worker_memory,
)
from benchmarks.bench import Benchmark
from benchmarks.model_clients import measure as model_clients
from benchmarks.streams import measure as streams

BENCHMARKS = (
    Benchmark("hop", "One hop of the log.", appending.measure, takes_s=10),
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
        "streams",
        "Many streams on Kafka, from the worker's writer to the sockets of clients, beside the"
        " naive build on the same broker.",
        streams.measure_kafka,
        takes_s=85,
    ),
    Benchmark(
        "streams-embedded", "The same loads on the embedded log.", streams.measure_embedded,
        takes_s=35,
    ),
    Benchmark(
        "worker",
        "What one chunk of a model costs the whole worker: fifty streams of eighty tokens a second.",
        worker_chunks.measure,
        takes_s=20,
    ),
    Benchmark(
        "client-path",
        "What one chunk costs a client of a model and nothing else: our three dialects, the openai"
        " SDK and litellm read the same fifty streams.",
        model_clients.measure,
        takes_s=35,
    ),
    Benchmark(
        "imports",
        "How long a fresh interpreter takes to import each, and its memory after.",
        model_clients.measure_imports,
        takes_s=20,
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
    Benchmark(
        "orchestrator-start",
        "How long an orchestrator takes to start with ten thousand open collaborations.",
        open_collaborations.measure,
        takes_s=90,
        once=True,
    ),
)
