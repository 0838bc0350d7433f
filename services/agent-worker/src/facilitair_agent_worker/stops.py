"""Which attempts were stopped, as ``worker-control`` says (R23)."""

from collections.abc import Callable

from facilitair_agent_worker.days import Days
from facilitair_agent_worker.ledger import AttemptKey
from facilitair_events.keys import split_collaboration_key, task_key
from facilitair_events.work import StopAttempts
from facilitair_messaging.messages import Incoming, check_owner


class Stops:
    """Remembers every stop that the topic still holds, and wakes the attempt that runs.

    That is more than R23 asks for: the topic is read from its beginning, not from the time of the
    oldest task that is not committed. ``kept_ms`` is at least how long tasks are kept.
    """

    def __init__(self, *, kept_ms: int) -> None:
        self._stopped: Days[AttemptKey, str] = Days(kept_ms=kept_ms)
        self._running: dict[AttemptKey, Callable[[], None]] = {}

    def apply(self, incoming: Incoming) -> None:
        """Take in one record of the topic.

        Raises KeyFormatError for a wrong key, UnreadableRecordError for headers of another owner.
        """
        if not isinstance(incoming.data, StopAttempts):
            return
        tenant, collaboration = split_collaboration_key(incoming.record.key or b"")
        check_owner(incoming, tenant=tenant, subject=collaboration)
        for ref in incoming.data.attempts:
            key = AttemptKey(task_key(tenant, collaboration, ref.path), ref.attempt)
            self._stopped.put(key, incoming.data.reason, at_ms=incoming.record.timestamp_ms)
            wake = self._running.get(key)
            if wake is not None:
                wake()

    def reason(self, key: AttemptKey) -> str | None:
        """Why an attempt was stopped; None when it was not."""
        return self._stopped.get(key)

    def watch(self, key: AttemptKey, wake: Callable[[], None]) -> None:
        """Call ``wake`` once when the attempt is stopped, also when it was already."""
        self._running[key] = wake
        if self._stopped.get(key) is not None:
            wake()

    def unwatch(self, key: AttemptKey) -> None:
        """The attempt is over."""
        self._running.pop(key, None)
