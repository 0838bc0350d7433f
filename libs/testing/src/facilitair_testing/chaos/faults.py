"""Faults as data: what is done to whom, when, and for how long."""

from typing import Final, Literal, get_args

from msgspec import Struct

SystemName = Literal["solo", "kafka"]

Kind = Literal[
    "kill",
    "pause",
    "freeze",
    "broker_kill",
    "broker_pause",
    "slow_disk",
    "disk_full",
    "net_delay",
    "net_drip",
    "net_cut",
    "net_reset",
    "net_acks_lost",
    "net_partition",
    "redeliver",
    "reset_group",
    "state_lost",
    "skew",
    "storm",
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

MEANS: Final[dict[Kind, str]] = {
    "kill": "kill -9 of a service; its launcher starts it again",
    "pause": "SIGSTOP of a service, SIGCONT within its session",
    "freeze": "SIGSTOP of a service, SIGCONT after others have its partitions",
    "broker_kill": "kill -9 of the broker, started again",
    "broker_pause": "SIGSTOP of the broker, SIGCONT",
    "slow_disk": "slow fsync: each commit waits (solo), bursts of SIGSTOP of the broker (kafka)",
    "disk_full": "the disk of the log is full, then room is made",
    "net_delay": "everything between a service and the broker is late",
    "net_drip": "few bytes per second between a service and the broker",
    "net_cut": "connections to the broker are reset after some bytes",
    "net_reset": "all connections of a service to the broker are reset",
    "net_acks_lost": "requests of a service land, answers do not come",
    "net_partition": "nothing passes between a service and the broker, connections stay open",
    "redeliver": "the committed offsets of all groups are set back to the start",
    "reset_group": "those of one group, in mid-run",
    "state_lost": "all snapshots are deleted and their owner reads everything again",
    "skew": "the wall clock of one service jumps, and back",
    "storm": "a worker joins or leaves the group every 3 s",
}

BROKER: Final = "broker"
EVERYBODY: Final = "everybody"


class Fault(Struct, frozen=True, kw_only=True):
    """One fault. It begins ``after_s`` after everything is well again from the one before it.

    ``target`` is a service (``agent-worker``), a member (``agent-worker-1``), ``broker`` or
    ``everybody``.
    ``amount`` is the kind's own measure: seconds of delay or skew, bytes, bytes per second.
    """

    kind: Kind
    target: str
    after_s: float
    for_s: float = 0.0
    amount: float = 0.0

    def __str__(self) -> str:
        lasting = f" for {self.for_s:g} s" if self.for_s else ""
        amount = f" ({self.amount:g})" if self.amount else ""
        return f"{self.kind} of {self.target}{lasting}{amount}"


class Landed(Struct, frozen=True, kw_only=True):
    """What became of one fault.

    ``evidence`` says what was observed; without it the fault did not land, and ``reason`` says
    why. ``missing`` says that this machine cannot do it at all.
    ``in_flight`` is how many collaborations were watched that had not ended, ``hurt`` how many
    processes it was done to.
    """

    fault: Fault
    began_s: float
    healed_s: float
    evidence: str | None = None
    reason: str | None = None
    missing: bool = False
    in_flight: int = 0
    hurt: int = 1


class NotLandedError(Exception):
    """A fault was injected and no effect of it was observed."""

    def __init__(self, *, expected: str) -> None:
        super().__init__(f"not observed: {expected}")


class NotPossibleError(Exception):
    """This machine does not let us inject a fault."""

    def __init__(self, *, needs: str) -> None:
        super().__init__(f"needs {needs}")
