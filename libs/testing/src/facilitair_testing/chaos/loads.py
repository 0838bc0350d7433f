"""The standard loads: how much is asked for, by whom, and how they behave."""

from random import Random  # noqa: TID251 - seeded: the same seed is the same load
from typing import Final

from msgspec import Struct

TENANTS: Final = 4
WORKFLOW: Final = "trio"
"""Three agents in a row; its file is written for the run."""

_WORDS: Final = ("vowels", "primes", "leap years", "palindromes", "anagrams", "roman numerals")


class Pace(Struct, frozen=True, kw_only=True):
    """How fast the simulated provider answers."""

    ttft_ms: int
    tokens_per_s: int


class Load(Struct, frozen=True, kw_only=True):
    """``collaborations`` of three agents each, at most ``concurrent`` at a time.

    Shares of them are cancelled, submitted twice, watched by clients that reconnect, and answered
    by a provider that does something wrong.
    ``kills`` is how many processes are killed, and nothing else is done to them; 0 is a plan of all
    kinds of faults. ``pace`` is the provider's, where it is not the usual.
    """

    name: str
    collaborations: int
    concurrent: int
    cancels: float = 0.1
    duplicates: float = 0.05
    reconnects: float = 0.3
    provider_faults: float = 0.0
    kills: int = 0
    pace: Pace | None = None

    @property
    def least_in_flight(self) -> int:
        """How many have to die while somebody waits for a collaboration."""
        return self.kills * 10 // 11


L0: Final = Load(name="L0", collaborations=40, concurrent=10)
L1: Final = Load(name="L1", collaborations=200, concurrent=20)
LM: Final = Load(
    name="LM",
    collaborations=200,
    concurrent=20,
    provider_faults=0.25,
    kills=220,
    pace=Pace(ttft_ms=100, tokens_per_s=600),
)
"""Of money: deaths only, many of them, and a provider that is not well either."""

LOADS: Final = {load.name: load for load in (L0, L1, LM)}

_TROUBLES: Final = (
    "status=429;retry_after=1;times=1",
    "status=500;times=1",
    "status=529;times=1",
    "cut_after=20;times=1",
    "error_after=10;times=1",
    "malformed;times=1",
    "no_usage",
    "end_after=15;times=1",
)
"""What a provider may do wrong, most of it once for each prompt."""


class Asked(Struct, frozen=True, kw_only=True):
    """One collaboration of a load and how its client behaves.

    It is asked for once the fault number ``wave`` is next, so that no fault finds nothing to hurt.
    After so many frames it is cancelled (``cancel_after``), and its viewer drops its connections
    (``drop_after``).
    """

    number: int
    tenant: str
    key: str
    task: str
    wave: int
    twice: bool
    cancel_after: int | None
    drop_after: tuple[int, ...]


def asked(load: Load, *, seed: int, waves: int) -> list[Asked]:
    """All collaborations of a load, spread over ``waves``. Pure."""
    return [
        _asked(load, number, chance=Random(f"{seed}/{load.name}/{number}"), waves=waves)  # noqa: S311 - as above
        for number in range(load.collaborations)
    ]


def _asked(load: Load, number: int, *, chance: Random, waves: int) -> Asked:
    cancelled = chance.random() < load.cancels
    reconnecting = chance.random() < load.reconnects
    trouble = chance.random() < load.provider_faults
    told = f" [[simulator:{chance.choice(_TROUBLES)}]]" if trouble else ""
    return Asked(
        number=number,
        tenant=f"tenant-{number % TENANTS}",
        key=f"{load.name}-{number}",
        task=f"Write a function about {chance.choice(_WORDS)}, number {number}, with tests{told}",
        wave=waves * number // load.collaborations,
        twice=chance.random() < load.duplicates,
        cancel_after=chance.randrange(2, 30) if cancelled else None,
        drop_after=tuple(sorted(chance.sample(range(3, 60), 2))) if reconnecting else (),
    )
