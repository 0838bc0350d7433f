"""The one codec: Struct to JSON bytes and back, with errors that name the field.

What it settles: a value is one line; a field that a reader does not know is ignored; of a key
that stands twice the last one counts; NaN, infinities and lone surrogates are refused both ways.
"""

from functools import cache
from typing import Any, Final

import msgspec
from msgspec import Struct

from facilitair_events.errors import DecodeError, EncodeError, UnknownTypeError
from facilitair_events.stream import Token
from facilitair_events.types import NAMES, TYPES

# No sorting: the order of a mapping is part of a state, and a state read back must decide as the
# one in memory did.
_encoder = msgspec.json.Encoder(decimal_format="string")

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_UNWRITABLE = (UnicodeEncodeError, RecursionError, OverflowError, TypeError, ValueError)

# Tokens are written a million times a second, by one place, from an int and a text that JSON holds.
_UNCHECKED: Final = frozenset({Token})


def type_name(data: Struct) -> str:
    """The wire name of a Struct. Raises UnknownTypeError for one that is not in the table."""
    try:
        return NAMES[type(data)]
    except KeyError:
        raise UnknownTypeError(type_name=type(data).__name__) from None


def encode(data: Struct) -> bytes:
    """JSON of a registered Struct, without a newline; mappings keep their order.

    What is written can be read: except for tokens the value is read back and compared, because
    JSON changes some values in silence (NaN becomes null, a tuple a list) and constructing a Struct
    checks no types and no bounds.
    Raises UnknownTypeError, or EncodeError naming the field at fault.
    """
    name = type_name(data)
    try:
        value = _encoder.encode(data)
    except _UNWRITABLE as error:
        raise EncodeError(type_name=name, reason=f"{error} - at `{_unwritable(data)}`") from error
    if type(data) not in _UNCHECKED:
        _check_reads_back(name, value, data=data)
    return value


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
    except _UNREADABLE as error:
        raise DecodeError(type_name=name, reason=str(error)) from error
    return decoded


@cache
def _decoder(struct: type[Struct]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(struct)


def _check_reads_back(name: str, value: bytes, *, data: Struct) -> None:
    try:
        read = _decoder(type(data)).decode(value)
    except _UNREADABLE as error:
        raise EncodeError(type_name=name, reason=str(error)) from error
    if read != data:
        path = _different(read, data)
        raise EncodeError(type_name=name, reason=f"JSON cannot hold this value - at `{path}`")


def _parts(value: Any) -> list[tuple[str, Any]]:
    """The parts of a value, each with its step of a path."""
    if isinstance(value, Struct):
        return [(f".{name}", getattr(value, name)) for name in value.__struct_fields__]
    if isinstance(value, dict):
        return [(f"[{key!r}]", item) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return [(f"[{index}]", item) for index, item in enumerate(value)]
    return []


def _unwritable(value: Any) -> str:
    """The path of the first part that cannot be encoded; called only when there is one."""
    path = "$"
    while True:
        for step, part in _parts(value):
            try:
                _encoder.encode(part)
            except _UNWRITABLE:
                path, value = path + step, part
                break
        else:
            return path


def _different(read: Any, written: Any) -> str:
    """The path of the first part that differs; called only when there is one."""
    path = "$"
    while type(read) is type(written):
        got = dict(_parts(read))
        for step, part in _parts(written):
            if step not in got or got[step] != part:
                path, read, written = path + step, got.get(step), part
                break
        else:
            return path
    return path
