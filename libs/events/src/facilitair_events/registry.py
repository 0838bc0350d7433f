"""What each topic is: read from ``schemas/topics/*.yaml``, the one place where topics are declared."""

from typing import Literal

from msgspec import Struct


class TopicSpec(Struct, frozen=True, kw_only=True):
    """One topic as declared. Durations are in milliseconds; None means for ever or the broker's default.

    ``partition_by``: ``key`` hashes the whole key, ``prefix`` what stands before its first ``|``.
    ``cleanup`` may hold ``delete``, ``compact`` or both; an empty tuple keeps for ever.
    """

    name: str
    description: str
    key: str
    partition_by: Literal["key", "prefix"]
    partitions: int
    cleanup: tuple[Literal["delete", "compact"], ...]
    retention_ms: int | None
    segment_ms: int | None
    min_compaction_lag_ms: int | None
    max_record_bytes: int
    types: tuple[str, ...]
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    dead_letters: bool
