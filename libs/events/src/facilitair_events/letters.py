"""What was done about a dead letter; these records lie beside it, in the same dead-letter topic.

They have the letter's key, and none of the headers that a dead letter has.
Of the actions on one letter the first decides what it is; later ones are its history.
"""

from msgspec import Struct

from facilitair_events.instants import Instant
from facilitair_events.numbers import Count, Ordinal


class LetterReplayed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The record of a dead letter was appended again, at ``topic[partition]``.

    ``letter`` is its place, ``<topic>-dlq:<partition>:<offset>``, ``dlq_id`` the id in its header.
    ``replay`` counts how often the record was put back, over all its letters.
    ``offset`` is missing where the log did not tell it.
    ``value_sha256`` is set where a corrected value was written instead of the original.
    """

    letter: str
    by: str
    at: Instant
    topic: str
    partition: Count
    replay: Ordinal
    dlq_id: str | None = None
    offset: Count | None = None
    value_sha256: str | None = None


class LetterDiscarded(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Nothing more will be done about a dead letter, and why; its record stays where it is."""

    letter: str
    by: str
    at: Instant
    reason: str
    dlq_id: str | None = None
