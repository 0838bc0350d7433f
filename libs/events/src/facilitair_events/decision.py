"""What a pure reducer is given and what it answers with."""

from typing import Generic, TypeVar

from msgspec import Struct

from facilitair_events.envelope import Headers
from facilitair_events.requests import ReplyTo

State = TypeVar("State")


class Received(Struct, frozen=True, kw_only=True):
    """One record of an inbox, decoded.

    ``offset`` is its position in the partition, ``at_ms`` its append time, ``id`` its ``ce_id``.
    ``data`` is one of the Structs that the inbox carries.
    """

    tenant: str
    subject: str
    offset: int
    at_ms: int
    id: str
    data: Struct


class Command(Struct, frozen=True, kw_only=True):
    """A record for a topic that others read; produced after all events are acked (R7).

    ``headers`` come after those of the envelope: what a reader needs that cannot read the value.
    ``subject`` is whom it is about, where that is not whom its cause was about.
    """

    topic: str
    key: str
    data: Struct
    headers: Headers = ()
    subject: str | None = None


class Reply(Struct, frozen=True, kw_only=True):
    """An answer to a request; it carries no seq and may be repeated."""

    to: ReplyTo
    data: Struct


class Decision(Struct, Generic[State], frozen=True, kw_only=True):
    """The result of one record: the new state and what follows from it, each list in order.

    ``state`` None means that the key holds nothing (a reply to an unknown key).
    ``events`` are public events with their ``seq`` set.
    """

    state: State | None
    events: tuple[Struct, ...] = ()
    commands: tuple[Command, ...] = ()
    replies: tuple[Reply, ...] = ()
