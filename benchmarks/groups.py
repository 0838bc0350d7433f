"""Every benchmark, in the order in which a round takes them."""

from benchmarks import appending, collaborating
from benchmarks.bench import Benchmark
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
)
