"""How long things may take on a Kafka cluster."""

from typing import Self

from msgspec import Struct


class Timing(Struct, frozen=True, kw_only=True):
    """Times in seconds; the defaults are for a fleet (R2).

    ``connect_s``: until the cluster must have answered for the first time.
    ``produce_s``: until a send ends as unknown; shorter outages are ridden out.
    ``commit_s``: until a commit ends as unknown.
    ``answer_s``: until a question about topics, offsets and groups fails.
    ``stop_s``: for an orderly end of each client, which is dropped then.
    ``session_s``: a member that was silent for so long has lost its partitions.
    ``heartbeat_s``: how often a member says that it lives, and learns of a rebalance.
    ``consumer_wait_ms``: longest wait of a fetch by a group member; a resumed partition delivers
    after up to this (M6).
    ``reader_wait_ms``: the same for readers, which do not pause; it delays a new assignment.
    ``idle_wait_ms``: both, once nothing has moved for a while and nothing is paused.
    """

    connect_s: float = 10.0
    produce_s: float = 10.0
    commit_s: float = 5.0
    answer_s: float = 60.0
    stop_s: float = 3.0
    session_s: float = 15.0
    heartbeat_s: float = 1.0
    consumer_wait_ms: int = 20
    reader_wait_ms: int = 100
    idle_wait_ms: int = 250

    @classmethod
    def for_tests(cls) -> Self:
        """The shortest session that a broker takes by default, and rebalances noticed at once."""
        return cls(session_s=6.0, heartbeat_s=0.1, produce_s=5.0, reader_wait_ms=20)
