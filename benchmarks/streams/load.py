"""What is offered, and the tokens it is made of; every process of a run reads it from one line."""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

TOKEN_BYTES = 8
"""A token is when it was offered: seven digits and a space, as long as a word."""

WARM_UP_S = 1.0
"""The first second is left out of latencies: connections and caches are cold."""

_WRAP_US = 10**7
READ_PAUSE_S = 0.001
"""A socket of a model is read about so often: what came since is one read."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """``streams`` streams that offer ``tokens_per_s`` tokens together for ``seconds``."""

    streams: int
    tokens_per_s: int
    seconds: float

    @property
    def name(self) -> str:
        """As it stands in the table."""
        streams = "1 stream" if self.streams == 1 else f"{self.streams:,} streams"
        return f"{streams}, {self.tokens_per_s:,} tokens/s"

    def dumps(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @staticmethod
    def loads(line: str) -> "Load":
        """The inverse of ``dumps``."""
        return Load(**json.loads(line))


def now_us() -> int:
    """The clock that all processes of one machine share."""
    return time.monotonic_ns() // 1000


def token(at_us: int) -> str:
    """The token that is offered at ``at_us``."""
    return f"{at_us % _WRAP_US:07d} "


def age_us(stamp: int, *, now: int) -> int:
    """How old a token with this stamp is; right for ages below ten seconds."""
    return (now - stamp) % _WRAP_US


def collaborations(count: int) -> list[str]:
    """Their ids."""
    return [f"00000000-0000-7000-8000-{number:012d}" for number in range(count)]


def due(load: Load, *, begin_s: float, given: int) -> tuple[int, bool]:
    """How many tokens should have been offered by now, and whether that was all."""
    elapsed_s = time.monotonic() - begin_s
    over = elapsed_s >= load.seconds
    return max(given, int(min(elapsed_s, load.seconds) * load.tokens_per_s)), over


def shares(load: Load, *, first: int, last: int) -> Iterator[tuple[int, int]]:
    """Streams and how many of the tokens ``first`` to ``last`` are theirs: dealt in turn."""
    rounds, rest = divmod(last - first, load.streams)
    start = first % load.streams
    for place in range(min(load.streams, last - first)):
        number = (start + place) % load.streams
        yield number, rounds + (place < rest)
