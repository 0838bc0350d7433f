"""The one codec: Struct to JSON bytes and back, with errors that name the field."""

from functools import cache
from typing import Any

import msgspec
from msgspec import Struct

from facilitair_events.errors import DecodeError, UnknownTypeError
from facilitair_events.types import NAMES, TYPES

# No sorting: the order of a mapping is part of a state, and a state read back must decide as the one in memory did.
_encoder = msgspec.json.Encoder(decimal_format="string")


@cache
def _decoder(struct: type[Struct]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(struct)


def type_name(data: Struct) -> str:
    """The wire name of a Struct. Raises UnknownTypeError for one that is not in the table."""
    try:
        return NAMES[type(data)]
    except KeyError:
        raise UnknownTypeError(type_name=type(data).__name__) from None


def encode(data: Struct) -> bytes:
    """JSON of a registered Struct: one line, the same bytes for equal values."""
    type_name(data)
    return _encoder.encode(data)


def decode(name: str, value: bytes) -> Struct:
    """Read a value by the name of its type; unknown fields are ignored.

    Raises UnknownTypeError, or DecodeError naming the field at fault.
    """
    try:
        struct = TYPES[name]
    except KeyError:
        raise UnknownTypeError(type_name=name) from None
    try:
        decoded: Struct = _decoder(struct).decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(type_name=name, reason=str(error)) from error
    return decoded
