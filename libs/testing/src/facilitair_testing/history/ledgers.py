"""The ledger of calls as its readers fold it, and the log's time in it (R19, R20).

This is written from the rules and not shared with the worker, so that the two can disagree.
"""

from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property

from msgspec import Struct

from facilitair_events.work import CallClaimed, CallDone, CallRenewed, CallVoided
from facilitair_testing.history.entries import AttemptId, Entry, collaboration_of


class Call(Struct):
    """One call id. ``winner`` is its first claim, unless its attempt was over by then.

    ``strangers`` are records about it by somebody who does not have that claim.
    """

    call_id: str
    attempt: AttemptId
    winner: Entry | None = None
    claims: list[Entry] = []
    voided: Entry | None = None
    strangers: list[Entry] = []

    @property
    def fence(self) -> bool:
        """Whether it was claimed to close its attempt."""
        return self.winner is not None and self.winner.data.fence


class Shown(Struct, frozen=True):
    """The claimant of an attempt, or who closes it, was heard of at a place of the partition."""

    position: int
    now_ms: int
    closes: bool


class LedgerView:
    """All of ``llm-calls``, given in the order of each partition."""

    def __init__(self, entries: Iterable[Entry], *, lease_ms: int) -> None:
        self._longest_gap_ms = round(lease_ms / 2)
        self._lease_ms = lease_ms
        self.calls: dict[str, Call] = {}
        self.dones: list[tuple[AttemptId, Entry]] = []
        self._shown: dict[AttemptId, list[Shown]] = defaultdict(list)
        self._times: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
        self._clocks: dict[int, _Clock] = {}
        self._over: set[AttemptId] = set()
        self._highest: dict[tuple[str, str], int] = {}
        self._opened: set[AttemptId] = set()
        for entry in entries:
            self._take(entry)

    @cached_property
    def of_attempt(self) -> dict[AttemptId, list[Call]]:
        """The calls of each attempt that was claimed."""
        found: dict[AttemptId, list[Call]] = defaultdict(list)
        for call in self.calls.values():
            found[call.attempt].append(call)
        return dict(found)

    def claimed(self, attempt: AttemptId) -> bool:
        """Whether this attempt, or a later one of its path, was ever claimed (R21)."""
        return self._highest.get((attempt.key, attempt.path), 0) >= attempt.attempt

    def silent(self, attempt: AttemptId, *, since: Entry, until_ms: float) -> bool:
        """Whether a reader could hold the claimant for silent.

        It had read the fence ``since``, and at most what was appended by ``until_ms``.
        """
        shown = [s for s in self._shown[attempt] if not s.closes]
        for position, at_ms, now_ms in self._times[since.record.partition]:
            if position < since.offset:
                continue
            if at_ms > until_ms:
                return False
            last = max((s.now_ms for s in shown if s.position <= position), default=0)
            if now_ms - last >= self._lease_ms:
                return True
        return False

    def _take(self, entry: Entry) -> None:
        partition = entry.record.partition
        clock = self._clocks.setdefault(partition, _Clock())
        clock.advance(entry.at_ms, longest_gap_ms=self._longest_gap_ms)
        self._times[partition].append((entry.offset, entry.at_ms, clock.now_ms))
        key = collaboration_of(entry.key)
        if key is None or not isinstance(
            entry.data, CallClaimed | CallRenewed | CallVoided | CallDone
        ):
            return
        attempt = AttemptId(key, entry.data.path, entry.data.attempt)
        call = self.calls.setdefault(
            entry.data.call_id, Call(call_id=entry.data.call_id, attempt=attempt)
        )
        if isinstance(entry.data, CallClaimed):
            self._claim(call, entry, now_ms=clock.now_ms)
        else:
            self._go_on(call, entry, now_ms=clock.now_ms)

    def _claim(self, call: Call, entry: Entry, *, now_ms: int) -> None:
        attempt = call.attempt
        call.claims.append(entry)
        place = (attempt.key, attempt.path)
        late = self._highest.get(place, 0) >= attempt.attempt and attempt not in self._opened
        self._highest[place] = max(self._highest.get(place, 0), attempt.attempt)
        if call.winner is not None or late or attempt in self._over:
            return
        call.winner = entry
        self._opened.add(attempt)
        shown = Shown(entry.offset, now_ms, closes=entry.data.fence)
        self._shown[attempt].append(shown)

    def _go_on(self, call: Call, entry: Entry, *, now_ms: int) -> None:
        attempt = call.attempt
        if call.winner is None or call.winner.data.nonce != entry.data.nonce:
            call.strangers.append(entry)
            return
        if isinstance(entry.data, CallVoided):
            call.voided = entry
            return
        self._shown[attempt].append(Shown(entry.offset, now_ms, closes=False))
        if isinstance(entry.data, CallDone):
            self.dones.append((attempt, entry))
            if entry.data.last:
                self._over.add(attempt)


class _Clock:
    """The log's time in one partition."""

    def __init__(self) -> None:
        self.now_ms = 0
        self._read_ms: int | None = None

    def advance(self, at_ms: int, *, longest_gap_ms: int) -> None:
        gap_ms = 0 if self._read_ms is None else at_ms - self._read_ms
        if gap_ms >= 0:
            self._read_ms = at_ms
        # As decision 0006 has it: a gap counts for half a lease at most.
        self.now_ms += min(max(gap_ms, 0), longest_gap_ms)
