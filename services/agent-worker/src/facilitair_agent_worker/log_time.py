"""How far the log's time went on, as its records tell (R1, R20)."""


class LogTime:
    """A clock per partition that only the append times of its records move.

    A gap between two records counts for at most ``longest_gap_ms``: while the log took no records
    (an outage, a suspended machine, a broker's clock that steps) no claimant could renew, and their
    renewals come right behind the record that ends the gap. Without a limit that record alone would
    make every live claimant silent.
    """

    def __init__(self, *, longest_gap_ms: int) -> None:
        self._longest_gap_ms = longest_gap_ms
        self._read_ms: dict[int, int] = {}
        self._now_ms: dict[int, int] = {}

    def advance(self, partition: int, at_ms: int) -> int:
        """Take in the append time of a record; returns the partition's time."""
        gap_ms = at_ms - self._read_ms.get(partition, at_ms)
        if gap_ms >= 0:
            self._read_ms[partition] = at_ms
        counted_ms = min(max(gap_ms, 0), self._longest_gap_ms)
        self._now_ms[partition] = self._now_ms.get(partition, 0) + counted_ms
        return self._now_ms[partition]

    def now_ms(self, partition: int) -> int:
        """The partition's time; only differences mean anything."""
        return self._now_ms.get(partition, 0)
