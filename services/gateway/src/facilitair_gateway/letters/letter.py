"""A dead letter as it lies in the log: its place, where its record came from, and why. Pure."""

import re
from typing import Final, NamedTuple

from msgspec import Struct

from facilitair_events.envelope import Headers, header
from facilitair_events.errors import KeyFormatError
from facilitair_events.keys import split_collaboration_key, split_task_key
from facilitair_events.registry import DLQ_SUFFIX
from facilitair_events.types import LETTER_ACTIONS
from facilitair_messaging.dead_letters import PREFIX
from facilitair_messaging.ports import Record, TopicPartition

PARENT: Final = "dlq-letter"
"""The letter that a record was put back from. Whoever dead-letters the record again keeps it."""

REPLAY: Final = "dlq-replay"
"""How often a record was put back, this time included."""

EDITOR: Final = "dlq-editor"
"""Who corrected a record before it was put back."""

LINEAGE: Final = frozenset({PARENT, REPLAY, EDITOR})

_PLACE: Final = re.compile(
    rf"([a-z][a-z0-9-]*{DLQ_SUFFIX}):([0-9]{{1,9}}):([0-9]{{1,18}})", re.ASCII
)
_NUMBER_DIGITS: Final = 18


class Place(NamedTuple):
    """Where a letter lies; as text it is the letter's id."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"

    @property
    def tp(self) -> TopicPartition:
        """The partition it lies in."""
        return TopicPartition(self.topic, self.partition)


class Letter(Struct, frozen=True, kw_only=True):
    """A dead letter. What its headers do not say, or not readably, is None.

    ``topic`` is where its record came from; ``record`` has the original key, value and headers,
    and the append time of the letter.
    ``tenant`` and ``collaboration`` are those of the key, which chose who failed on the record;
    a key that tells neither leaves the header of the tenant.
    """

    place: Place
    record: Record
    dlq_id: str | None
    topic: str
    partition: int | None
    offset: int | None
    appended_ms: int | None
    service: str | None
    group: str | None
    error: str | None
    reason: str | None
    attempts: int | None
    first_failed_at: str | None
    type: str | None
    tenant: str | None
    collaboration: str | None
    keyless: bool
    parent: str | None
    replay: int
    editor: str | None

    @property
    def id(self) -> str:
        """What people call it by."""
        return str(self.place)


def parse_place(text: str) -> Place | None:
    """The place that an id names, or None for a text that is no id."""
    found = _PLACE.fullmatch(text)
    return None if found is None else Place(found[1], int(found[2]), int(found[3]))


def is_letter(record: Record) -> bool:
    """Whether a record of a dead-letter topic is a letter, and no note about one.

    A letter has an id of its own in a header, also where its record pretends to be a note.
    """
    if header(record.headers, f"{PREFIX}id") is not None:
        return True
    return (_text(record.headers, "ce_type") or "") not in LETTER_ACTIONS


def letter_of(record: Record) -> Letter:
    """The letter in a record that ``is_letter``."""
    told = record.headers
    keyless = record.key is None or _text(told, f"{PREFIX}key_null") is not None
    tenant, collaboration = owner_of(record.key)
    return Letter(
        place=Place(record.topic, record.partition, record.offset),
        record=record,
        dlq_id=_text(told, f"{PREFIX}id"),
        topic=record.topic.removesuffix(DLQ_SUFFIX),
        partition=_number(told, f"{PREFIX}partition"),
        offset=_number(told, f"{PREFIX}offset"),
        appended_ms=_number(told, f"{PREFIX}timestamp"),
        service=_text(told, f"{PREFIX}service"),
        group=_text(told, f"{PREFIX}group"),
        error=_text(told, f"{PREFIX}error"),
        reason=_text(told, f"{PREFIX}reason"),
        attempts=_number(told, f"{PREFIX}attempts"),
        first_failed_at=_text(told, f"{PREFIX}first_failed_at"),
        type=_text(told, "ce_type"),
        tenant=tenant or _text(told, "tenant"),
        collaboration=collaboration,
        keyless=keyless,
        parent=_text(told, PARENT),
        replay=_number(told, REPLAY) or 0,
        editor=_text(told, EDITOR),
    )


def owner_of(key: bytes | None) -> tuple[str | None, str | None]:
    """Tenant and collaboration of the key of a record, or None twice."""
    for split in (split_collaboration_key, split_task_key):
        try:
            tenant, collaboration = split(key or b"")[:2]
        except KeyFormatError:
            continue
        return tenant, collaboration
    return None, None


def own_headers(letter: Letter) -> Headers:
    """The headers that the record had before anything was done about it."""
    return tuple(
        (name, value)
        for name, value in letter.record.headers
        if not name.startswith(PREFIX) and name not in LINEAGE
    )


def _text(headers: Headers, name: str) -> str | None:
    value = header(headers, name)
    return None if value is None else value.decode(errors="replace")


def _number(headers: Headers, name: str) -> int | None:
    text = _text(headers, name) or ""
    readable = text.isascii() and text.isdigit() and len(text) <= _NUMBER_DIGITS
    return int(text) if readable else None
