"""A plan of faults from a seed: the same seed is the same plan. Pure."""

from collections.abc import Callable
from random import Random  # noqa: TID251 - seeded: the same seed is the same plan
from typing import Final

from facilitair_testing.chaos.faults import BROKER, EVERYBODY, Fault, Kind, SystemName

SERVICES: Final = ("orchestrator", "agent-worker", "gateway", "accounts")
READERS: Final = ("orchestrator", "agent-worker", "accounts")
"""Services that read as a consumer group."""

REDUCERS: Final = ("orchestrator", "accounts")
"""Those of them that keep snapshots."""

SESSION_S: Final = 6.0
"""Of the group members of a run: the shortest that a broker takes."""

EACH: Final = 2
"""How many members of each service a fleet has."""

_ALL_AT_ONCE: Final = 0.1
_KILL_GAP_S: Final = (0.2, 1.8)
_HOUR_S: Final = 3600.0
_SOLO_CHEAP: Final[tuple[Kind, ...]] = ("pause", "slow_disk", "disk_full")
_SOLO_PLAIN: Final[tuple[Kind, ...]] = ("pause", "slow_disk")
"""What every machine can have."""

_SOLO_SKEWED: Final = 0.3
_SOLO_RARE: Final[tuple[Kind, ...]] = ("redeliver", "reset_group", "state_lost")
_KAFKA_CHEAP: Final[tuple[Kind, ...]] = (
    "kill", "kill", "pause", "freeze", "broker_kill", "broker_pause", "slow_disk", "net_delay",
    "net_drip", "net_cut", "net_reset", "net_acks_lost", "net_partition", "skew",
)  # fmt: skip
_KAFKA_RARE: Final[tuple[Kind, ...]] = (
    "redeliver",
    "reset_group",
    "state_lost",
    "storm",
    "disk_full",
)
_SOLO_KILLS: Final = 3
_SOLO_FAULTS: Final = 13
_KAFKA_FAULTS: Final = 14
_KAFKA_RARE_EACH: Final = 2


def plan(seed: int, *, system: SystemName) -> list[Fault]:
    """The faults of one run, in their order; none begins within another."""
    chance = Random(f"{seed}/{system}")  # noqa: S311 - as above
    kinds = _solo_kinds(chance) if system == "solo" else _kafka_kinds(chance)
    gap = (0.1, 0.6) if system == "solo" else (1.0, 4.0)
    return [_MAKE[system](kind, chance, after_s=round(chance.uniform(*gap), 2)) for kind in kinds]


def kills(seed: int, *, system: SystemName, count: int) -> list[Fault]:
    """At least so many deaths of processes and nothing else, close together.

    Of single members, of whole services, and now and then of all of them at once.
    """
    chance = Random(f"{seed}/{system}/kills")  # noqa: S311 - as above
    found: list[Fault] = []
    deaths = 0
    while deaths < count:
        target = EVERYBODY
        if system == "kafka" and chance.random() >= _ALL_AT_ONCE:
            target = _kafka_target("kill", chance)
        after_s = round(chance.uniform(*_KILL_GAP_S), 2)
        found.append(_fault("kill", target=target, after_s=after_s, for_s=0.0, amount=0.0))
        deaths += 1 if system == "solo" else _members(target)
    return found


def _members(target: str) -> int:
    if target == EVERYBODY:
        return EACH * len(SERVICES)
    return EACH if target in SERVICES else 1


def _solo_kinds(chance: Random) -> list[Kind]:
    """Every kind of the embedded log but a jump of its clock, which is there every third time."""
    kinds: list[Kind] = ["kill"] * _SOLO_KILLS
    kinds += [*_SOLO_RARE, *_SOLO_CHEAP]
    # Within a jump, times of partitions say nothing of their order: other seeds are judged by it.
    if chance.random() < _SOLO_SKEWED:
        kinds.append("skew")
    while len(kinds) < _SOLO_FAULTS:
        kinds.append(chance.choice(_SOLO_PLAIN))
    chance.shuffle(kinds)
    return kinds


def _kafka_kinds(chance: Random) -> list[Kind]:
    """Two of the kinds that take long, and of the others what the seed chooses, each once."""
    kinds = chance.sample(_KAFKA_RARE, _KAFKA_RARE_EACH)
    kinds += chance.sample(_KAFKA_CHEAP, _KAFKA_FAULTS - _KAFKA_RARE_EACH)
    chance.shuffle(kinds)
    return kinds


def _solo_fault(kind: Kind, chance: Random, *, after_s: float) -> Fault:
    lasting = {"pause": (0.2, 1.0), "slow_disk": (0.5, 1.5), "disk_full": (0.3, 1.0)}
    for_s = chance.uniform(*lasting[kind]) if kind in lasting else 0.0
    target, amount = EVERYBODY, 0.0
    if kind == "slow_disk":
        amount = chance.uniform(0.02, 0.2)
    elif kind == "skew":
        # The clock of solo is that of its log, too: a jump is what a laptop's clock does.
        for_s, amount = chance.uniform(0.5, 1.5), chance.choice((-8.0, 8.0))
    elif kind == "reset_group":
        target = chance.choice(READERS)
    elif kind == "state_lost":
        target = chance.choice(REDUCERS)
    return _fault(kind, target=target, after_s=after_s, for_s=for_s, amount=amount)


def _kafka_fault(kind: Kind, chance: Random, *, after_s: float) -> Fault:
    for_s, amount = 0.0, 0.0
    target = _kafka_target(kind, chance)
    if kind in _KAFKA_LASTING:
        for_s = chance.uniform(*_KAFKA_LASTING[kind])
    if kind == "net_delay":
        amount = chance.uniform(0.05, 0.5)
    elif kind == "net_drip":
        amount = chance.choice((500, 2000, 8000))
    elif kind == "net_cut":
        amount = chance.choice((1_000, 10_000, 50_000))
    elif kind == "skew":
        amount = chance.choice((-_HOUR_S, _HOUR_S, -60.0, 60.0))
    return _fault(kind, target=target, after_s=after_s, for_s=for_s, amount=amount)


_KAFKA_LASTING: Final[dict[Kind, tuple[float, float]]] = {
    "pause": (0.5, 0.5 * SESSION_S),
    "freeze": (1.4 * SESSION_S, 2 * SESSION_S),
    "broker_kill": (0.5, 4.0),
    "broker_pause": (2.0, 2 * SESSION_S),
    "slow_disk": (3.0, 6.0),
    "disk_full": (2.0, 4.0),
    "net_delay": (3.0, 8.0),
    "net_drip": (3.0, 8.0),
    "net_cut": (3.0, 8.0),
    "net_acks_lost": (2.0, 2 * SESSION_S),
    "net_partition": (2.0, 2 * SESSION_S),
    "skew": (4.0, 8.0),
    "storm": (9.0, 15.0),
}
_OF_A_MEMBER: Final = frozenset({"pause", "freeze", "skew"})
_OF_THE_BROKER: Final = frozenset({"broker_kill", "broker_pause", "slow_disk", "disk_full"})


def _kafka_target(kind: Kind, chance: Random) -> str:
    service = chance.choice(SERVICES)
    if kind in _OF_THE_BROKER:
        return BROKER
    if kind == "redeliver":
        return EVERYBODY
    if kind == "reset_group":
        return chance.choice(READERS)
    if kind in {"state_lost", "storm"}:
        return chance.choice(REDUCERS) if kind == "state_lost" else "agent-worker"
    if kind in _OF_A_MEMBER:
        return f"{service}-{chance.randrange(2)}"
    # A whole service, or one of its two members.
    return chance.choice((service, f"{service}-{chance.randrange(2)}"))


def _fault(kind: Kind, *, target: str, after_s: float, for_s: float, amount: float) -> Fault:
    return Fault(
        kind=kind, target=target, after_s=after_s, for_s=round(for_s, 2), amount=round(amount, 3)
    )


_MAKE: Final[dict[SystemName, Callable[..., Fault]]] = {
    "solo": _solo_fault,
    "kafka": _kafka_fault,
}
