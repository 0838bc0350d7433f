"""The declared topics, and what a declaration means to Kafka."""

from collections.abc import Iterable, Mapping
from typing import Final

from facilitair_events.registry import TopicSpec
from facilitair_messaging.errors import TopicConfigError, UnknownTopicError
from facilitair_messaging.partitioning import partition_of

BATCH_BYTES: Final = 256 * 1024
"""Records of one partition that travel together; Kafka's limit per topic is on this, not on one."""

_BATCH_OVERHEAD: Final = 4 * 1024
_FOR_EVER: Final = "-1"

# A difference in one of these breaks a rule (R1, R8) or loses data; others cost space only.
_BINDING: Final = frozenset({"message.timestamp.type", "cleanup.policy", "min.compaction.lag.ms"})
_AT_LEAST: Final = frozenset({"max.message.bytes"})


class Topics:
    """The declared topics: those of the registry, and those ``ensure_topics`` was given."""

    def __init__(self, declared: Mapping[str, TopicSpec]) -> None:
        self._specs = dict(declared)

    def declare(self, specs: Iterable[TopicSpec]) -> None:
        """Add or replace declarations."""
        self._specs.update((spec.name, spec) for spec in specs)

    def spec(self, topic: str) -> TopicSpec:
        """The declaration of a topic. Raises UnknownTopicError."""
        found = self._specs.get(topic)
        if found is None:
            raise UnknownTopicError(topic=topic)
        return found

    def partition_for(self, topic: str, key: bytes) -> int:
        """The partition of a key. Raises UnknownTopicError."""
        return partition_of(key, self.spec(topic))


def topic_config(spec: TopicSpec) -> dict[str, str]:
    """The settings that a topic is created with.

    A topic that is neither compacted nor deleted is one that deletes after "never".
    """
    deletes = "delete" in spec.cleanup
    config = {
        "cleanup.policy": ",".join(spec.cleanup) or "delete",
        "max.message.bytes": str(max(spec.max_record_bytes, BATCH_BYTES) + _BATCH_OVERHEAD),
        "message.timestamp.type": "LogAppendTime",
        "retention.bytes": _FOR_EVER,
        "retention.ms": str(spec.retention_ms) if deletes and spec.retention_ms else _FOR_EVER,
    }
    if spec.segment_ms is not None:
        config["segment.ms"] = str(spec.segment_ms)
    if spec.min_compaction_lag_ms is not None:
        config["min.compaction.lag.ms"] = str(spec.min_compaction_lag_ms)
    return config


def config_differences(spec: TopicSpec, actual: Mapping[str, str]) -> tuple[str, ...]:
    """How the settings of an existing topic differ from its declaration, one phrase each."""
    return tuple(
        f"{name} is {actual.get(name)!r}, declared is {declared!r}"
        for name, declared in sorted(topic_config(spec).items())
        if not _equal(name, declared=declared, actual=actual.get(name))
    )


def refuse_broken_rules(spec: TopicSpec, actual: Mapping[str, str]) -> None:
    """Raise TopicConfigError for differences under which the rules of the log do not hold."""
    differences = config_differences(spec, actual)
    broken = tuple(d for d in differences if d.split(" ", 1)[0] in _BINDING | _AT_LEAST)
    if broken:
        raise TopicConfigError(topic=spec.name, differences=broken)


def _equal(name: str, *, declared: str, actual: str | None) -> bool:
    if actual is None:
        return False
    if name in _AT_LEAST:
        return int(actual) >= int(declared)
    return set(actual.split(",")) == set(declared.split(","))
