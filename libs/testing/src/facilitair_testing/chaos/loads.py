"""The standard loads: how much is asked for, by whom, and how they behave."""

from random import Random  # noqa: TID251 - seeded: the same seed is the same load
from typing import Final

from msgspec import Struct

TENANTS: Final = 4
WORKFLOW: Final = "trio"
"""Three agents in a row; its file is written for the run."""

_WORDS: Final = ("vowels", "primes", "leap years", "palindromes", "anagrams", "roman numerals")


class Load(Struct, frozen=True, kw_only=True):
    """``collaborations`` of three agents each, at most ``concurrent`` at a time.

    Shares of them are cancelled, submitted twice, and watched by clients that reconnect.
    """

    name: str
    collaborations: int
    concurrent: int
    cancels: float = 0.1
    duplicates: float = 0.05
    reconnects: float = 0.3


L0: Final = Load(name="L0", collaborations=40, concurrent=10)
L1: Final = Load(name="L1", collaborations=200, concurrent=20)
LOADS: Final = {load.name: load for load in (L0, L1)}


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
    return Asked(
        number=number,
        tenant=f"tenant-{number % TENANTS}",
        key=f"{load.name}-{number}",
        task=f"Write a function about {chance.choice(_WORDS)}, number {number}, with tests",
        wave=waves * number // load.collaborations,
        twice=chance.random() < load.duplicates,
        cancel_after=chance.randrange(2, 30) if cancelled else None,
        drop_after=tuple(sorted(chance.sample(range(3, 60), 2))) if reconnecting else (),
    )
