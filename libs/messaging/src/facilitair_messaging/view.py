"""The latest value of every key of a compacted topic, kept up to date."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Generic, TypeVar

import structlog
from msgspec import Struct

from facilitair_messaging.errors import UnhandledTypeError, UnreadableRecordError
from facilitair_messaging.following import Follower
from facilitair_messaging.messages import check_owner, read
from facilitair_messaging.ports import Log, Record, TopicPartition
from facilitair_observability import names
from facilitair_observability.metrics import Metrics

Value = TypeVar("Value", bound=Struct)

_log = structlog.get_logger()


class CompactedView(Generic[Value]):
    """Reads a topic from its beginning to the end it had at the start, then follows it.

    A null value removes its key. A key with a colon begins with its tenant. A record that cannot
    be read, is of none of ``types`` or of another tenant than its key is counted and logged, and
    the key keeps its older value: a view has no dead letters.
    ``on_change`` is called with every applied change in log order per key, those of the first
    read included; what it raises ends ``run``.
    """

    def __init__(
        self,
        *,
        log: Log,
        topic: str,
        types: tuple[type[Value], ...],
        metrics: Metrics,
        on_change: Callable[[str, Value | None], None] | None = None,
    ) -> None:
        self._follower = Follower(log=log, topic=topic, apply=self._apply, after_batch=self._show)
        self._topic = topic
        self._types = types
        self._metrics = metrics
        self._on_change = on_change
        self._values: dict[str, Value] = {}

    @property
    def ready(self) -> bool:
        """Whether everything is applied that was in the topic when ``run`` began."""
        return self._follower.ready

    @property
    def moved_at(self) -> float | None:
        """When its loop moved last, by ``time.monotonic``; None while it does not run."""
        return self._follower.moved_at

    @property
    def positions(self) -> Mapping[TopicPartition, int]:
        """The next offset of each partition; empty while it does not run."""
        return self._follower.positions

    async def wait_ready(self) -> None:
        """Return when ``ready``; it waits as long as that takes."""
        await self._follower.wait_ready()

    def get(self, key: str) -> Value | None:
        """The latest value of a key, or None. It may lag behind the log, also when ready."""
        return self._values.get(key)

    def items(self) -> Mapping[str, Value]:
        """All keys and values, read-only; later changes show through."""
        return MappingProxyType(self._values)

    async def run(self) -> None:
        """Keep the view until cancelled. A second run begins with an empty view.

        Raises what the log raises; the view keeps its values and is not ready then.
        """
        self._values.clear()
        await self._follower.run()

    def _show(self) -> None:
        self._metrics.set(names.VIEW_KEYS, len(self._values), topic=self._topic)

    def _apply(self, record: Record) -> None:
        try:
            key, value = self._change(record)
        except (UnreadableRecordError, UnhandledTypeError) as error:
            _log.error("view cannot read a record", topic=self._topic, reason=str(error))
            self._metrics.count(names.VIEW_POISON, topic=self._topic)
            return
        if value is not None:
            self._values[key] = value
        elif self._values.pop(key, None) is None:
            return
        if self._on_change is not None:
            self._on_change(key, value)

    def _change(self, record: Record) -> tuple[str, Value | None]:
        if record.value is None:
            return _key(record), None
        incoming = read(record)
        tenant, named, _ = _key(record).partition(":")
        if named:
            check_owner(incoming, tenant=tenant, subject=incoming.envelope.subject)
        data = incoming.data
        for wanted in self._types:
            if isinstance(data, wanted):
                return _key(record), data
        raise UnhandledTypeError(topic=record.topic, type_name=type(data).__name__)


def _key(record: Record) -> str:
    try:
        return (record.key or b"").decode()
    except UnicodeDecodeError as error:
        raise UnreadableRecordError(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            reason="the key is not UTF-8",
        ) from error
