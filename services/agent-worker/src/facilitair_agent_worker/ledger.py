"""The call ledger as a fold of ``llm-calls``: who claimed what, and what is open (R17-R23)."""

from collections.abc import Collection

from msgspec import Struct
from msgspec.structs import replace

from facilitair_agent_worker.days import Days
from facilitair_agent_worker.log_time import LogTime
from facilitair_events.envelope import Envelope
from facilitair_events.work import CallClaimed, CallDone, CallRenewed, CallVoided


class AttemptKey(Struct, frozen=True):
    """An attempt at a step path of a collaboration; ``task`` is the key of its task record."""

    task: str
    attempt: int


class OpenCall(Struct, frozen=True, kw_only=True):
    """A call with a winning claim, whose envelope it keeps.

    ``voided`` and ``fence`` mean that it is never asked.
    """

    call_id: str
    nonce: str
    incarnation: str
    index: int
    envelope: Envelope
    fence: bool = False
    voided: bool = False
    done: bool = False


class OpenAttempt(Struct, kw_only=True):
    """An attempt that has a winning claim and no end yet.

    ``shown_ms`` is when its claimant last showed itself, ``fenced_ms`` when somebody last claimed a
    call to close it; both in the log time of its partition.
    """

    partition: int
    calls: dict[str, OpenCall]
    shown_ms: int
    fenced_ms: int


class Ledger:
    """What the ledger says, record by record in log order per partition.

    It holds the calls of open attempts, and per task the highest attempt ever claimed: that only as
    long as the log keeps the claims (``kept_ms``), which is longer than anything that could cause
    them again (R18).
    """

    def __init__(self, *, kept_ms: int, time: LogTime) -> None:
        self._open: dict[AttemptKey, OpenAttempt] = {}
        self._claimed: Days[str, int] = Days(kept_ms=kept_ms)
        self._spoiled: Days[str, str] = Days(kept_ms=kept_ms)
        self._time = time

    def apply(
        self, task: str, entry: Struct, *, envelope: Envelope, partition: int, at_ms: int
    ) -> None:
        """Fold one record of the task's key, appended at ``at_ms``."""
        now_ms = self._time.advance(partition, at_ms)
        if isinstance(entry, CallClaimed):
            if self._spoiled.get(entry.call_id) is not None:
                return
            if self._reopens(task, entry, at_ms=at_ms):
                return
            attempt = self._open.setdefault(
                AttemptKey(task, entry.attempt),
                OpenAttempt(partition=partition, calls={}, shown_ms=now_ms, fenced_ms=now_ms),
            )
            _claim(attempt, entry, envelope=envelope, now_ms=now_ms)
        elif isinstance(entry, CallRenewed | CallVoided | CallDone):
            self._go_on(AttemptKey(task, entry.attempt), entry, now_ms=now_ms)

    def spoil(self, task: str, *, call_id: str, nonce: str, at_ms: int) -> None:
        """Note a claim of which only the key can be read.

        It may be the first of its call, and its claimant may be calling: nobody else gets the call.
        """
        attempts = (attempt for key, attempt in self._open.items() if key.task == task)
        if self._spoiled.get(call_id) is None and not any(call_id in a.calls for a in attempts):
            self._spoiled.put(call_id, nonce, at_ms=at_ms)

    def spoiled(self, *, call_id: str, nonces: Collection[str]) -> bool:
        """Whether the first claim of a call is one of these, and cannot be read."""
        return self._spoiled.get(call_id) in nonces

    def _reopens(self, task: str, entry: CallClaimed, *, at_ms: int) -> bool:
        """Whether the attempt is over already; notes the claim either way."""
        highest = self._claimed.get(task) or 0
        self._claimed.put(task, max(highest, entry.attempt), at_ms=at_ms)
        return highest >= entry.attempt and AttemptKey(task, entry.attempt) not in self._open

    def _go_on(
        self, key: AttemptKey, entry: CallRenewed | CallVoided | CallDone, *, now_ms: int
    ) -> None:
        """Only who has the winning claim of a call may speak of it."""
        attempt = self._open.get(key)
        call = attempt.calls.get(entry.call_id) if attempt else None
        if attempt is None or call is None or call.nonce != entry.nonce:
            return
        if isinstance(entry, CallVoided):
            attempt.calls[call.call_id] = replace(call, voided=True)
            return
        attempt.shown_ms = now_ms
        if isinstance(entry, CallDone):
            attempt.calls[call.call_id] = replace(call, done=True)
            if entry.last:
                del self._open[key]

    def claimed(self, task: str, attempt: int) -> bool:
        """Whether this attempt, or a later one of the same task, was ever claimed (R21)."""
        return (self._claimed.get(task) or 0) >= attempt

    def won(self, key: AttemptKey, *, call_id: str, nonce: str) -> bool:
        """Whether the first claim of the call in the log is the one with this nonce."""
        return any(call.call_id == call_id and call.nonce == nonce for call in self.calls(key))

    def calls(self, key: AttemptKey) -> list[OpenCall]:
        """The claimed calls of an open attempt by index; none when it is over."""
        attempt = self._open.get(key)
        return sorted(attempt.calls.values(), key=_index) if attempt else []

    def orphans(self, incarnation: str) -> list[AttemptKey]:
        """Open attempts that another incarnation has a claim of."""
        return [
            key
            for key, attempt in self._open.items()
            if any(call.incarnation != incarnation for call in attempt.calls.values())
        ]

    def open_in(self, partition: int) -> list[AttemptKey]:
        """The open attempts of one partition."""
        return [key for key, attempt in self._open.items() if attempt.partition == partition]

    def silent_ms(self, key: AttemptKey) -> int:
        """How long its claimant has been silent, in log time; 0 for an attempt that is over."""
        attempt = self._open.get(key)
        return 0 if attempt is None else self._time.now_ms(attempt.partition) - attempt.shown_ms

    def untouched_ms(self, key: AttemptKey) -> int:
        """How long neither its claimant nor anybody who wants to close it was heard of."""
        attempt = self._open.get(key)
        if attempt is None:
            return 0
        touched_ms = max(attempt.shown_ms, attempt.fenced_ms)
        return self._time.now_ms(attempt.partition) - touched_ms


def _claim(attempt: OpenAttempt, entry: CallClaimed, *, envelope: Envelope, now_ms: int) -> None:
    """The first claim of a call id wins (R19); a later one shows nothing."""
    if entry.call_id in attempt.calls:
        return
    attempt.calls[entry.call_id] = OpenCall(
        call_id=entry.call_id,
        nonce=entry.nonce,
        incarnation=entry.incarnation,
        index=entry.index,
        envelope=envelope,
        fence=entry.fence,
    )
    if entry.fence:
        attempt.fenced_ms = now_ms
    else:
        attempt.shown_ms = now_ms


def _index(call: OpenCall) -> int:
    return call.index
