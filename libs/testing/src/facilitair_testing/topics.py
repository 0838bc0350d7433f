"""Topics that tests declare by hand."""

from typing import Literal

from facilitair_events.registry import TopicSpec


def topic_spec(
    name: str,
    *,
    partitions: int = 1,
    partition_by: Literal["key", "prefix"] = "key",
    cleanup: tuple[Literal["delete", "compact"], ...] = (),
    retention_ms: int | None = None,
    min_compaction_lag_ms: int | None = None,
    max_record_bytes: int = 1024 * 1024,
) -> TopicSpec:
    """Declare a topic that keeps every record for ever unless told otherwise."""
    return TopicSpec(
        name=name,
        description="made by a test",
        key="key",
        partition_by=partition_by,
        partitions=partitions,
        cleanup=cleanup,
        retention_ms=retention_ms,
        segment_ms=None,
        min_compaction_lag_ms=min_compaction_lag_ms,
        max_record_bytes=max_record_bytes,
        types=(),
        producers=(),
        consumers=(),
        dead_letters=False,
    )
