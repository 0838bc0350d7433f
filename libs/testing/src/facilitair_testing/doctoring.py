"""Changing one thing in a history, so that a test sees whether anybody notices."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from facilitair_events.codec import encode, type_name
from facilitair_events.topics import COLLABORATION_EVENTS, COLLABORATION_STREAM
from facilitair_messaging.ports import Record
from facilitair_testing.history.entries import Entry, entry_of
from facilitair_testing.history.types import ClientLine, History, ProviderLine


class Doctor:
    """Holds a history open. Offsets of a ``ScriptedRun`` leave room for records in between."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._entries = [entry_of(record) for record in history.records]
        self.provider = list(history.provider)
        self.client = list(history.client)
        self.committed = dict(history.committed)

    def history(self) -> History:
        """What came of it."""
        records = [entry.record for entry in self._entries]
        records.sort(key=lambda record: (record.topic, record.partition, record.offset))
        return replace(
            self._history,
            records=tuple(records),
            provider=tuple(self.provider),
            client=tuple(self.client),
            committed=self.committed,
        )

    def all(self, topic: str, kind: type[Struct], **wanted: Any) -> list[Entry]:
        """The records of a topic that say ``kind`` with these fields, oldest first."""
        found = [
            entry
            for entry in self._entries
            if entry.record.topic == topic
            and isinstance(entry.data, kind)
            and all(getattr(entry.data, name) == value for name, value in wanted.items())
        ]
        return sorted(found, key=lambda entry: (entry.at_ms, entry.offset))

    def find(self, topic: str, kind: type[Struct], **wanted: Any) -> Entry:
        """The oldest of ``all``. Raises LookupError when there is none."""
        found = self.all(topic, kind, **wanted)
        if not found:
            raise LookupError(topic, kind.__name__, wanted)
        return found[0]

    def unreadable(self, topic: str) -> Entry:
        """The first record of a topic that cannot be read."""
        return next(e for e in self._entries if e.record.topic == topic and e.data is None)

    def drop(self, *entries: Entry) -> None:
        """Take records out."""
        places = {entry.place for entry in entries}
        self._entries = [entry for entry in self._entries if entry.place not in places]

    def swap(self, entry: Entry, data: Struct | None = None, **fields: Any) -> Entry:
        """Put other data into a record; ``fields`` are those of the record."""
        self.drop(entry)
        return self._put(entry.record, data, fields)

    def copy(self, entry: Entry, data: Struct | None = None, **fields: Any) -> Entry:
        """Append a record like this one right behind it, unless ``offset`` says where."""
        fields.setdefault("offset", entry.offset + 1)
        return self._put(entry.record, data, fields)

    def swap_event(self, entry: Entry, data: Struct) -> None:
        """Put other data into an event and into its copy on the stream."""
        for topic in (COLLABORATION_EVENTS, COLLABORATION_STREAM):
            for other in self.all(topic, type(entry.data), seq=entry.data.seq):
                if other.key == entry.key:
                    self.swap(other, data)

    def add_event(self, entry: Entry, data: Struct) -> None:
        """Append an event and its copy behind ``entry`` and its copy."""
        for topic in (COLLABORATION_EVENTS, COLLABORATION_STREAM):
            for other in self.all(topic, type(entry.data), seq=entry.data.seq):
                if other.key == entry.key:
                    self.copy(other, data)

    def drop_event(self, entry: Entry) -> None:
        """Take an event and its copy out."""
        for topic in (COLLABORATION_EVENTS, COLLABORATION_STREAM):
            found = self.all(topic, type(entry.data), seq=entry.data.seq)
            self.drop(*(other for other in found if other.key == entry.key))

    def change_client(
        self, which: Callable[[ClientLine], bool], change: Callable[[ClientLine], ClientLine]
    ) -> None:
        """Change the first line of the clients' journal that matches."""
        number = next(n for n, line in enumerate(self.client) if which(line))
        self.client[number] = change(self.client[number])

    def change_provider(self, call_id: str, change: Callable[[ProviderLine], ProviderLine]) -> None:
        """Change the request of a call in the provider's journal."""
        number = next(n for n, line in enumerate(self.provider) if line.call_id == call_id)
        self.provider[number] = change(self.provider[number])

    def _put(self, record: Record, data: Struct | None, fields: dict[str, Any]) -> Entry:  # noqa: PLR0917 - where, then what
        headers = fields.pop("headers", record.headers)
        if data is not None:
            fields["value"] = encode(data)
            headers = with_headers(headers, ce_type=type_name(data))
            if getattr(data, "seq", None) is not None:
                headers = with_headers(headers, seq=str(getattr(data, "seq", "")))
        changed = entry_of(replace(record, headers=headers, **fields))
        self._entries.append(changed)
        return changed


def with_headers(
    headers: tuple[tuple[str, bytes], ...], **values: str
) -> tuple[tuple[str, bytes], ...]:
    """Headers with other values, in the same order."""
    return tuple(
        (name, values[name].encode() if name in values else value) for name, value in headers
    )


def without(headers: tuple[tuple[str, bytes], ...], name: str) -> tuple[tuple[str, bytes], ...]:
    """Headers without one."""
    return tuple(pair for pair in headers if pair[0] != name)
