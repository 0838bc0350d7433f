"""What every benchmark is given: its sizes, and the broker that all of them share."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from benchmarks.readings import Reading
from facilitair_native.kafka import KafkaServer, running
from facilitair_testing.service_processes import create_topics

T = TypeVar("T")


class Bench:
    """One call of the command. ``quick`` shows that everything runs; its numbers mean nothing."""

    def __init__(self, *, quick: bool, folder: Path, stack: ExitStack) -> None:
        self.quick = quick
        self._folder = folder
        self._stack = stack
        self._kafka: KafkaServer | None = None
        self._made = 0

    def pick(self, full: T, *, quick: T) -> T:
        """The size of a measurement."""
        return quick if self.quick else full

    def fresh(self) -> Path:
        """A new, empty folder."""
        self._made += 1
        made = self._folder / str(self._made)
        made.mkdir()
        return made

    def kafka(self) -> KafkaServer:
        """A broker with all topics, started by who needs it first.

        It is shared because a broker that has just started is slower than one that has run a while.
        """
        if self._kafka is None:
            self._kafka = self._stack.enter_context(own_broker(self.fresh()))
        return self._kafka


@contextmanager
def opened(*, quick: bool) -> Iterator[Bench]:
    """Everything that a bench has started ends with it."""
    with TemporaryDirectory(prefix="facilitair-bench-") as name, ExitStack() as stack:
        yield Bench(quick=quick, folder=Path(name), stack=stack)


@contextmanager
def own_broker(folder: Path) -> Iterator[KafkaServer]:
    """A broker with all topics."""
    with running(KafkaServer(folder / "broker")) as server:
        asyncio.run(create_topics(server.address))
        yield server


@dataclass(frozen=True)
class Benchmark:
    """A subject; ``measure`` takes at least one reading of each of its rows.

    ``takes_s`` is about how long one round of it takes on two cores.
    ``once`` ones are not repeated: nothing about them varies, or they take their rounds themselves.
    ``asked`` is the flag or the name without which it is left out.
    """

    name: str
    about: str
    measure: Callable[[Bench], list[Reading]]
    takes_s: int
    once: bool = False
    asked: str | None = None
