"""Which partition a key belongs to: Kafka's murmur2, the same for every adapter (R3)."""

from functools import lru_cache
from typing import Final

from facilitair_events.registry import TopicSpec

PREFIX_END: Final = b"|"

_SEED: Final = 0x9747B28C
_M: Final = 0x5BD1E995
_MASK: Final = 0xFFFFFFFF
_POSITIVE: Final = 0x7FFFFFFF
_CACHED_KEYS: Final = 4_096
"""More than are written to at once; a table that keeps growing looks like a leak."""


def murmur2(data: bytes) -> int:
    """Kafka's 32-bit murmur2 as an unsigned number (``Utils.murmur2`` gives the signed one)."""
    length = len(data)
    whole = length & ~3
    h = _SEED ^ length
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * _M & _MASK
        k ^= k >> 24
        h = (h * _M & _MASK) ^ (k * _M & _MASK)
    if length != whole:
        h = (h ^ int.from_bytes(data[whole:], "little")) * _M & _MASK
    h = (h ^ h >> 13) * _M & _MASK
    return h ^ h >> 15


@lru_cache(maxsize=_CACHED_KEYS)
def _positive_hash(data: bytes) -> int:
    return murmur2(data) & _POSITIVE


def partition_of(key: bytes, spec: TopicSpec) -> int:
    """The partition of ``key`` in a topic, by its ``partition_by``.

    The hash is cached per key, because a hot path sends thousands of records of one key.
    """
    hashed = key.partition(PREFIX_END)[0] if spec.partition_by == "prefix" else key
    return _positive_hash(hashed) % spec.partitions
