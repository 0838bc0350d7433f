"""What a run left behind, and what is wrong with it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from msgspec import Struct

from facilitair_messaging.ports import Record, TopicPartition

Op = Literal["submit", "cancel", "watch", "describe"]
LineType = Literal["invoke", "ok", "fail", "info"]

NOTHING: Final[Mapping[str, bytes]] = MappingProxyType({})
NOWHERE: Final[Mapping[TopicPartition, int]] = MappingProxyType({})


class ProviderLine(Struct, frozen=True, kw_only=True):
    """The start or an end of one request, as the simulator's journal has it.

    ``at_ms`` is the simulator's clock. A request begins with ``started``.
    """

    at_ms: float
    call_id: str | None
    tenant: str | None
    model: str
    prompt_sha256: str
    outcome: str
    input_tokens: int = 0
    output_tokens: int = 0


class Frame(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event as a user was shown it; ``id`` is its cursor."""

    id: str | None
    event: str
    seq: int | None = None
    step: str | None = None
    attempt: int | None = None
    index: int | None = None


class ClientLine(Struct, frozen=True, kw_only=True):
    """One line of a client's journal, as Jepsen writes them.

    ``invoke`` stands before the request leaves. ``ok`` is a yes, ``fail`` a definite no, ``info``
    an unknown outcome. ``id`` joins the lines of one operation.
    ``key`` is the ``Idempotency-Key``, ``body`` any text that is equal for equal bodies.
    ``client`` is one viewer: its frames of a collaboration, over all its watches in the order of
    the lines, are one view, and it watches to the end.
    ``cursor`` is that of a 202.
    """

    at_ms: int
    client: str
    op: Op
    type: LineType
    id: str
    tenant: str
    key: str | None = None
    collaboration: str | None = None
    status: int | None = None
    body: str | None = None
    cursor: str | None = None
    frames: tuple[Frame, ...] = ()


class History(Struct, frozen=True, kw_only=True):
    """Everything a run left behind.

    ``records`` are in offset order per partition.
    ``committed`` is what the groups of orchestrator, worker and accounts have committed.
    ``blobs`` holds artifacts by their sha256; what refers to one that is not there is not judged by
    its content.
    ``limits`` is the largest record of each topic, which ends what would not fit (R8); None means
    that nothing was too large.
    """

    records: tuple[Record, ...]
    provider: tuple[ProviderLine, ...] = ()
    client: tuple[ClientLine, ...] = ()
    committed: Mapping[TopicPartition, int] = NOWHERE
    blobs: Mapping[str, bytes] = NOTHING
    limits: Mapping[str, int] | None = None


class Violation(Struct, frozen=True, kw_only=True):
    """A rule that a history breaks. ``records`` are the places, as ``topic/partition@offset``."""

    rule: str
    key: str
    text: str
    records: tuple[str, ...] = ()


class Terms(Struct, frozen=True, kw_only=True):
    """What a history may be held to.

    ``lease_ms`` is that of the workers; 0 is solo, where every other incarnation is dead at once.
    ``ended`` says that every collaboration had the time to end and every group to catch up.
    ``repaired`` says that no orchestrator woke up from a stop after the partition had a new owner,
    or that its partitions were taken over once more since: only then a stale snapshot behind a
    newer one is a fault (R8 repairs it at the next load).
    ``stop_grace_ms`` is how late a stop may be noticed (R23): a worker that is stopped itself
    notices nothing.
    ``skew_ms`` is how far the clocks of the log and of the simulator are apart at most.
    ``jumps_ms`` is by how much the log's own clock jumped, as that of solo can: append times of
    different partitions say nothing of their order within that.
    ``healed_ms`` is when the last fault was over, 0 where there was none; deadlines are not judged
    while it is None, as after a night in which nothing ran.
    """

    lease_ms: int
    ended: bool = True
    repaired: bool = True
    stop_grace_ms: int = 5_000
    skew_ms: int = 0
    jumps_ms: int = 0
    healed_ms: int | None = None
