"""Bounds how often somebody may be wrong about a key: a bucket for each address. Pure."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from msgspec import Struct

_MOST_ADDRESSES: Final = 10_000
_MOST_GOOD: Final = 10_000


class _Bucket(Struct):
    left: float
    at: float


class Guesses:
    """Remembers who was wrong lately, and who was right: that one is not held up by a neighbour.

    An address may be wrong ``burst`` times at once and ``per_s`` times a second in the long run.
    Both memories are bounded; who was there longest ago is forgotten.
    """

    def __init__(self, *, burst: int, per_s: float, clock: Callable[[], float]) -> None:
        self._burst = burst
        self._per_s = per_s
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._good: OrderedDict[int, None] = OrderedDict()

    def allowed(self, peer: str, credential: tuple[str, ...]) -> bool:
        """Whether a credential from an address is looked at."""
        bucket = self._buckets.get(peer)
        return (
            bucket is None or self._left(bucket) >= 1 or self._name(peer, credential) in self._good
        )

    def wrong(self, peer: str) -> None:
        """A key from this address was wrong."""
        bucket = self._buckets.pop(peer, None) or _Bucket(left=self._burst, at=self._clock())
        bucket.left = max(self._left(bucket) - 1, 0.0)
        bucket.at = self._clock()
        self._buckets[peer] = bucket
        if len(self._buckets) > _MOST_ADDRESSES:
            self._buckets.popitem(last=False)

    def right(self, peer: str, credential: tuple[str, ...]) -> None:
        """A credential from this address was right."""
        name = self._name(peer, credential)
        if name in self._good:
            return
        self._good[name] = None
        if len(self._good) > _MOST_GOOD:
            self._good.popitem(last=False)

    def _left(self, bucket: _Bucket) -> float:
        return min(bucket.left + (self._clock() - bucket.at) * self._per_s, self._burst)

    @staticmethod
    def _name(peer: str, credential: tuple[str, ...]) -> int:
        # Keyed by a secret of the process: no credential is kept, none can be made to collide.
        return hash((peer, credential))
