"""How long a claimant may be silent (R20)."""

from typing import Final

from msgspec import Struct

_SHARES: Final = 3


class Lease(Struct, frozen=True, kw_only=True):
    """The same for all workers. ``renew_s`` is how often a claimant shows itself."""

    lease_s: float
    renew_s: float

    @property
    def lease_ms(self) -> float:
        """The lease in the unit of append times."""
        return self.lease_s * 1000

    @property
    def tick_s(self) -> float:
        """How often the owner of a partition with a foreign open attempt moves the log's time."""
        return self.lease_s / _SHARES

    @property
    def use_s(self) -> float:
        """How old a claim may be when its request leaves (R19)."""
        return self.lease_s / _SHARES

    @property
    def longest_gap_ms(self) -> int:
        """What a time without any record counts for: more than a tick, less than the lease."""
        return round(self.lease_ms / 2)
