"""How far a partition is finished without a gap: the only offset that may be committed."""

from collections import deque

from facilitair_messaging.errors import ReadOrderError


class Watermark:
    """The records of one partition that were taken, and which of them are finished.

    Records are taken in offset order (offsets may have gaps, compaction leaves some) and may be
    finished in any order. What may be committed never passes an unfinished record.
    """

    def __init__(self) -> None:
        self._taken: deque[int] = deque()
        self._open: set[int] = set()
        self._last_taken = -1
        self._next: int | None = None

    @property
    def committable(self) -> int | None:
        """The next offset to read after a restart; None while the first record is unfinished."""
        return self._next

    @property
    def pending(self) -> int:
        """Records from the first unfinished one on: what a restart would read again."""
        return len(self._taken)

    def take(self, offset: int) -> None:
        """Remember that the record at ``offset`` is being worked on.

        Raises ReadOrderError when it is not after the last one.
        """
        if offset <= self._last_taken:
            raise ReadOrderError(offset=offset, reason=f"was taken after {self._last_taken}")
        self._last_taken = offset
        self._taken.append(offset)
        self._open.add(offset)

    def finish(self, offset: int) -> None:
        """Mark a record as finished. Raises ReadOrderError for one that is not open."""
        if offset not in self._open:
            raise ReadOrderError(offset=offset, reason="is not open")
        self._open.remove(offset)
        while self._taken and self._taken[0] not in self._open:
            self._next = self._taken.popleft() + 1
