"""Envelopes in shards: a change copies one of them and the list of all, not every envelope."""

from collections.abc import Iterator
from typing import Final

from facilitair_events.balances import EnvelopeState
from facilitair_money.copied import Copied, weight_of

_DIGITS: Final = 2
"""Of an id that ends in hexadecimal digits: 256 shards, of about 80 when there are 20,000."""


def shard_of(collaboration: str) -> str:
    """The shard that holds a collaboration."""
    return collaboration[-_DIGITS:]


class Shards:
    """A working copy of all envelopes."""

    def __init__(self, before: dict[str, dict[str, EnvelopeState]]) -> None:
        self._before = before
        self._touched: dict[str, Copied[EnvelopeState]] = {}

    @property
    def map(self) -> dict[str, dict[str, EnvelopeState]]:
        """All shards as they are now; those that became empty are gone."""
        if not self._touched:
            return self._before
        after = dict(self._before)
        for name, shard in self._touched.items():
            after[name] = shard.map
            if not shard.map:
                del after[name]
        return after

    @property
    def weight(self) -> int:
        """By how much they have grown."""
        return sum(shard.weight + self._frame(name, shard) for name, shard in self._touched.items())

    def get(self, collaboration: str) -> EnvelopeState | None:
        """The envelope of a collaboration, if it has one."""
        touched = self._touched.get(shard_of(collaboration))
        if touched is not None:
            return touched.get(collaboration)
        return self._before.get(shard_of(collaboration), {}).get(collaboration)

    def put(self, collaboration: str, envelope: EnvelopeState) -> None:
        """Store an envelope."""
        self._shard(collaboration).set(collaboration, envelope)

    def forget(self, collaboration: str) -> EnvelopeState | None:
        """Take an envelope out, if it is there."""
        return self._shard(collaboration).pop(collaboration)

    def __iter__(self) -> Iterator[tuple[str, EnvelopeState]]:
        for shard in self.map.values():
            yield from shard.items()

    def _shard(self, collaboration: str) -> Copied[EnvelopeState]:
        name = shard_of(collaboration)
        if name not in self._touched:
            self._touched[name] = Copied(self._before.get(name, {}))
        return self._touched[name]

    def _frame(self, name: str, shard: Copied[EnvelopeState]) -> int:
        """What the shard takes beside its entries, when it is new or gone."""
        frame = weight_of(name, {})
        return frame * (bool(shard.map) - (name in self._before))
