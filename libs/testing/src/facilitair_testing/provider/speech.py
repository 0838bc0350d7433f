"""What a dialect is to who speaks it: the counterpart of `facilitair_llm.dialects`."""

from collections.abc import Callable

import orjson
from msgspec import Struct

from facilitair_testing.provider.scripts import Script


class Written(Struct, frozen=True, kw_only=True):
    """An answer in bytes: the events before the first token, one for each, and those after."""

    opening: bytes
    tokens: tuple[bytes, ...]
    closing: bytes

    def whole(self) -> bytes:
        """All of it."""
        return b"".join((self.opening, *self.tokens, self.closing))


class Speech(Struct, frozen=True, kw_only=True):
    """How one dialect is spoken over HTTP.

    `error_body` is told the status. `counts_kinds` says whether its usage tells cached and
    reasoning tokens apart.
    """

    dialect: str
    route: str
    media_type: str
    write: Callable[[Script], Written]
    error_body: Callable[[int], bytes]
    error_event: bytes
    half_event: bytes
    giant_event: Callable[[int], bytes]
    request_id_header: str | None = None
    counts_kinds: bool = True


def sse(document: object, *, name: str | None = None) -> bytes:
    """One server-sent event."""
    named = b"" if name is None else b"event: " + name.encode() + b"\n"
    return named + b"data: " + orjson.dumps(document) + b"\n\n"


def line(document: object) -> bytes:
    """One line of JSON."""
    return orjson.dumps(document) + b"\n"
