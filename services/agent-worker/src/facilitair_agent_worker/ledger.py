"""The call ledger as a fold of ``llm-calls``: who claimed what, and what is open (R17-R23)."""

from msgspec import Struct
from msgspec.structs import replace

from facilitair_events.envelope import Envelope
from facilitair_events.work import CallClaimed, CallDone, CallVoided


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


class Ledger:
    """What the ledger says, record by record in log order.

    It holds the calls of open attempts, and per task the highest attempt ever claimed.
    """

    def __init__(self) -> None:
        self._open: dict[AttemptKey, dict[str, OpenCall]] = {}
        self._claimed: dict[str, int] = {}

    def apply(self, task: str, entry: Struct, *, envelope: Envelope) -> None:
        """Fold one record of the task's key."""
        if isinstance(entry, CallClaimed):
            self._claim(task, entry, envelope=envelope)
        elif isinstance(entry, CallVoided):
            self._void(task, entry)
        elif isinstance(entry, CallDone):
            self._done(task, entry)

    def _claim(self, task: str, entry: CallClaimed, *, envelope: Envelope) -> None:
        """The first claim of a call id wins (R19)."""
        closed = self._claimed.get(task, 0) >= entry.attempt
        self._claimed[task] = max(self._claimed.get(task, 0), entry.attempt)
        key = AttemptKey(task, entry.attempt)
        if closed and key not in self._open:
            return
        calls = self._open.setdefault(key, {})
        calls.setdefault(
            entry.call_id,
            OpenCall(
                call_id=entry.call_id,
                nonce=entry.nonce,
                incarnation=entry.incarnation,
                index=entry.index,
                envelope=envelope,
                fence=entry.fence,
            ),
        )

    def _void(self, task: str, entry: CallVoided) -> None:
        calls = self._open.get(AttemptKey(task, entry.attempt), {})
        call = calls.get(entry.call_id)
        if call is not None and call.nonce == entry.nonce:
            calls[entry.call_id] = replace(call, voided=True)

    def _done(self, task: str, entry: CallDone) -> None:
        key = AttemptKey(task, entry.attempt)
        if entry.last:
            self._open.pop(key, None)
        elif entry.call_id in self._open.get(key, {}):
            calls = self._open[key]
            calls[entry.call_id] = replace(calls[entry.call_id], done=True)

    def claimed(self, task: str, attempt: int) -> bool:
        """Whether this attempt, or a later one of the same task, was ever claimed (R21)."""
        return self._claimed.get(task, 0) >= attempt

    def won(self, key: AttemptKey, *, call_id: str, nonce: str) -> bool:
        """Whether the first claim of the call in the log is the one with this nonce."""
        call = self._open.get(key, {}).get(call_id)
        return call is not None and call.nonce == nonce

    def orphans(self, incarnation: str) -> list[tuple[AttemptKey, list[OpenCall]]]:
        """Open attempts of other incarnations, with their calls in order.

        In solo every other incarnation is dead at once (R20).
        """
        return [
            (key, sorted(calls.values(), key=lambda call: call.index))
            for key, calls in self._open.items()
            if any(call.incarnation != incarnation for call in calls.values())
        ]
