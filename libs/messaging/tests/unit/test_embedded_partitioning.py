"""Partitioning against numbers computed by Kafka's own Java client."""

import pytest

from facilitair_events.registry import TopicSpec
from facilitair_messaging.partitioning import murmur2, partition_of


def spec(*, partition_by: str = "key", partitions: int = 12) -> TopicSpec:
    return TopicSpec(
        name="t",
        description="",
        key="k",
        partition_by=partition_by,
        partitions=partitions,
        cleanup=(),
        retention_ms=None,
        segment_ms=None,
        min_compaction_lag_ms=None,
        max_record_bytes=1024,
        types=(),
        producers=(),
        consumers=(),
        dead_letters=False,
    )


@pytest.mark.parametrize(
    ("data", "signed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_r3_murmur2_equals_kafkas_java_client(data: bytes, signed: int):
    assert murmur2(data) == signed & 0xFFFFFFFF


@pytest.mark.parametrize(
    ("key", "partition"),
    [(b"", 681), (b"a", 524), (b"ab", 434), (b"abc", 107), (b"123456789", 566), (b"\x00 ", 742)],
)
def test_r3_partitions_of_a_thousand_equal_aiokafkas(key: bytes, partition: int):
    assert partition_of(key, spec(partitions=1000)) == partition


def test_r3_a_prefix_topic_hashes_what_stands_before_the_first_bar():
    prefix = spec(partition_by="prefix")
    whole = spec(partition_by="key")
    key = b"acme:c1:write|call|claim|nonce"
    assert partition_of(key, prefix) == partition_of(b"acme:c1:write", whole)
    assert partition_of(b"no bar", prefix) == partition_of(b"no bar", whole)
    others = {partition_of(b"acme:c1:write|%d" % i, whole) for i in range(50)}
    assert len(others) > 1, "a key topic must hash all of the key"
