"""What a service says about its reducer."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

import msgspec
from msgspec import Struct

from facilitair_events.decision import Decision, Received
from facilitair_events.keys import split_collaboration_key
from facilitair_events.state import Timer

STATE_LIMIT_BYTES: Final = 512 * 1024


class KeyedState(Protocol):
    """What the chassis has to know about a state: its last ``seq`` and its ``now`` (R1)."""

    @property
    def seq(self) -> int:
        """The seq of the last event; 0 before the first."""
        ...

    @property
    def now_ms(self) -> int:
        """max(own now, record time) over all records that were applied."""
        ...


S = TypeVar("S", bound=KeyedState)


def encoded_size(state: KeyedState) -> int:
    """The bytes of a state in its snapshot."""
    return len(msgspec.json.encode(state))


def collaboration_key(received: Received) -> str:
    """The record key of everything about one collaboration."""
    return f"{received.tenant}:{received.subject}"


@dataclass(frozen=True, kw_only=True)
class Reducer(Generic[S]):
    """A pure function over the records of one inbox, and where its outputs go.

    ``service`` is the consumer group and the ``ce_source`` of what is written.
    ``decide`` is pure (R6) and has to answer ``Parked`` for any state, None included, without
    raising. It is given ``Parked`` with reason ``state_too_large`` or ``output_too_large`` in place
    of the record whose decision would not fit (R8).
    ``snapshot_type`` is a registered Struct with ``applied``, ``state`` and ``offsets``.
    ``prepare`` may load artifacts that a record names, before ``decide``; the same record must give
    the same result. A PermanentError from it parks the key, anything else stops the process.
    ``logic_of`` and ``logic_of_state`` are checked against ``known_logic``: higher stops the
    process (R9). So does ``fatal``: what depends on the process and not on the record (R13).
    ``key_of`` is the key that a record must have, ``owner_of`` its tenant and subject again; it
    raises KeyFormatError. A record under another key than its own ends what its key holds.
    ``keeps_offsets``: whether snapshots name the records behind them, for who forks (R28).
    ``size_of`` tells how many bytes a state takes at most, for a limit other than that of all.
    ``skips_poison``: a record that cannot be decided or read does not stand for its key. ``decide``
    is given ``Parked`` in its place at once, and the key goes on with the next; otherwise the key
    waits for a ``Parked`` of the inbox, and what comes before that is lost to it (R13).
    ``first_types`` are the types whose record may be the first of a key: when it might have been
    one of them that cannot be read, the key fails, so that nobody waits for it for ever.
    """

    service: str
    inbox: str
    state_topic: str
    events_topic: str
    stream_topic: str | None
    decide: Callable[[S | None, Received], Decision[S]]
    snapshot_type: type[Struct]
    timers: Callable[[S], tuple[Timer, ...]]
    known_logic: int
    logic_of: Callable[[Received], int | None]
    logic_of_state: Callable[[S], int]
    prepare: Callable[[Received], Awaitable[Received]] | None = None
    key_of: Callable[[Received], str] = collaboration_key
    owner_of: Callable[[str], tuple[str, str]] = split_collaboration_key
    first_types: frozenset[str] = frozenset()
    fatal: tuple[type[BaseException], ...] = (MemoryError, RecursionError, TimeoutError)
    state_limit_bytes: int = STATE_LIMIT_BYTES
    keeps_offsets: bool = True
    skips_poison: bool = False
    size_of: Callable[[S], int] = encoded_size
