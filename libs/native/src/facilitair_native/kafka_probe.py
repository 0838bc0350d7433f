"""Whether a Kafka broker takes clients: two requests of its protocol, without a client library."""

import socket
import struct
from typing import Final

from facilitair_native.ports import HOST

_METADATA_KEY: Final = 3
_METADATA_VERSION: Final = 1
_CORRELATION: Final = 7
_LARGEST_ANSWER: Final = 1024 * 1024
_HEADER: Final = struct.Struct(">hhih")
_INT32: Final = struct.Struct(">i")
_NULL_STRING: Final = -1


def answers(port: int, *, timeout_s: float) -> bool:
    """Whether the broker on ``port`` names itself as a member of its cluster, i.e. is unfenced.

    Before that it refuses connections or names nobody.
    """
    header = _HEADER.pack(_METADATA_KEY, _METADATA_VERSION, _CORRELATION, _NULL_STRING)
    request = header + _INT32.pack(0)  # of no topics
    try:
        with socket.create_connection((HOST, port), timeout=timeout_s) as connection:
            connection.sendall(_INT32.pack(len(request)) + request)
            size = _INT32.unpack(_read(connection, _INT32.size))[0]
            if not 2 * _INT32.size <= size <= _LARGEST_ANSWER:
                return False
            correlation, brokers = struct.unpack(">ii", _read(connection, 2 * _INT32.size))
    except (OSError, EOFError):
        return False
    return bool(correlation == _CORRELATION and brokers > 0)


def _read(connection: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        part = connection.recv(count - len(found))
        if not part:
            raise EOFError
        found += part
    return found
