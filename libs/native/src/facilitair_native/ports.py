"""Ports for servers of this machine."""

import secrets
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from facilitair_native.errors import NoPortsError

HOST: Final = "127.0.0.1"

_LOWEST: Final = 10_000
_RANGE_FILE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_DEFAULT_EPHEMERAL: Final = 32_768
_TRIES: Final = 1_000
_CONNECT_S: Final = 1.0


def free_ports(count: int) -> list[int]:
    """Different ports of 127.0.0.1 that nobody listens on now.

    They lie below the range the system gives to outgoing connections: while a server of that range
    is down, a client that tries to reach it can be given its port, and then the server cannot
    come back.
    Another process may take one before it is used. Raises NoPortsError.
    """
    highest = _first_ephemeral()
    ports: list[int] = []
    with ExitStack() as held:
        for _ in range(_TRIES):
            port = _LOWEST + secrets.randbelow(highest - _LOWEST)
            listener = socket.socket()
            held.callback(listener.close)
            try:
                listener.bind((HOST, port))
            except OSError:
                continue
            ports.append(port)
            if len(ports) == count:
                return ports
    raise NoPortsError(count=count, lowest=_LOWEST, highest=highest)


def is_taken(port: int) -> bool:
    """Whether somebody listens on a port of 127.0.0.1, be it frozen."""
    try:
        socket.create_connection((HOST, port), timeout=_CONNECT_S).close()
    except OSError:
        return False
    return True


def _first_ephemeral() -> int:
    try:
        first = int(_RANGE_FILE.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return _DEFAULT_EPHEMERAL
    return max(first, _LOWEST + _TRIES)
