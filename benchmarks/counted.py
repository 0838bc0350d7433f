"""A program whose requests to Kafka are counted, in a file that others may read meanwhile.

`python -m benchmarks.counted COUNTS MODULE [ARGUMENT…]` runs the module as `python -m` does.
Every request that leaves through aiokafka is counted by its kind; nothing else is changed.
"""

import mmap
import runpy
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_KINDS = 128
_NUMBER = struct.Struct("<q")
_PRODUCE, _FETCH = 0, 1


@dataclass(frozen=True)
class Requests:
    """How many requests of each kind a program has sent."""

    kinds: tuple[int, ...] = (0,) * _KINDS

    @property
    def produce(self) -> int:
        """Requests that append."""
        return self.kinds[_PRODUCE]

    @property
    def fetch(self) -> int:
        """Requests that read."""
        return self.kinds[_FETCH]

    @property
    def all(self) -> int:
        """Requests of every kind."""
        return sum(self.kinds)

    def __sub__(self, other: "Requests") -> "Requests":
        return Requests(tuple(a - b for a, b in zip(self.kinds, other.kinds, strict=True)))


def read_counts(path: Path) -> Requests:
    """What was counted so far; nothing before the program has begun."""
    if not path.exists():
        return Requests()
    data = path.read_bytes()
    return Requests(tuple(value for (value,) in _NUMBER.iter_unpack(data)))


def count_requests(path: Path) -> None:
    """Count from now on what this process sends to Kafka."""
    from aiokafka.conn import AIOKafkaConnection  # noqa: PLC0415 - peers without Kafka lack it

    path.write_bytes(bytes(_KINDS * _NUMBER.size))
    with path.open("r+b") as file:
        counts = mmap.mmap(file.fileno(), 0)
    send = AIOKafkaConnection.send

    def counted(self: Any, request: Any, *arguments: Any, **named: Any) -> Any:
        place = request.API_KEY * _NUMBER.size
        _NUMBER.pack_into(counts, place, _NUMBER.unpack_from(counts, place)[0] + 1)
        return send(self, request, *arguments, **named)

    AIOKafkaConnection.send = counted


if __name__ == "__main__":
    count_requests(Path(sys.argv[1]))
    module = sys.argv[2]
    sys.argv = sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
