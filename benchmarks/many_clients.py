"""Many clients of a gateway that do as little as possible: raw sockets, no library."""

import base64
import re
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple
from urllib.parse import urlsplit

Place = tuple[str, str]
"""Path of a stream, and the cursor to go on from."""
_KEY = base64.b64encode(bytes(16)).decode()
_HEAD_END = b"\r\n\r\n"
_FIRST = re.compile(rb"\nid: (\S+)\nevent: ")
_LATER = b"HTTP/1.1 503 "
_RETRY_AFTER = re.compile(rb"\r\nretry-after: (\d+)\r\n")
_LOOK_S = 0.05
_READ = 65_536
_ENOUGH_S = 60.0


class RefusedError(Exception):
    """A gateway did not open a stream."""

    def __init__(self, *, answer: bytes) -> None:
        super().__init__(answer[:900].decode("utf-8", "replace"))


class UnservedError(TimeoutError):
    """Clients waited for their next event for too long."""

    def __init__(self, *, clients: int) -> None:
        super().__init__(f"{clients} clients have no event")


def sse_request(place: Place, *, netloc: str) -> bytes:
    """Ask for a stream of events."""
    path, cursor = place
    return (f"GET {path} HTTP/1.1\r\nhost: {netloc}\r\nlast-event-id: {cursor}\r\n\r\n").encode()


def websocket_request(place: Place, *, netloc: str) -> bytes:
    """Ask for the same by WebSocket."""
    path, cursor = place
    where = f"{path.removesuffix('/stream')}/ws?cursor={cursor}"
    return (
        f"GET {where} HTTP/1.1\r\nhost: {netloc}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
        f"sec-websocket-version: 13\r\nsec-websocket-key: {_KEY}\r\n\r\n"
    ).encode()


Asking = Callable[..., bytes]


@contextmanager
def connected(url: str, places: Iterable[Place], *, asking: Asking) -> Iterator[None]:
    """One open stream for each place, opened one after the other. Raises RefusedError."""
    where = urlsplit(url)
    with ExitStack() as stack:
        for place in places:
            address = (where.hostname or "", where.port or 80)
            sock = stack.enter_context(socket.create_connection(address, timeout=_ENOUGH_S))
            sock.sendall(asking(place, netloc=where.netloc))
            _check_open(_head(sock))
        yield


def _head(sock: socket.socket) -> bytes:
    head = b""
    while _HEAD_END not in head:
        part = sock.recv(_READ)
        if not part:
            break
        head += part
    return head


def _check_open(head: bytes) -> None:
    status = head.split(b" ", 2)[1:2]
    if status not in ([b"200"], [b"101"]):
        raise RefusedError(answer=head)


class Served(NamedTuple):
    """A client got its next event: after how many seconds, and the event's cursor.

    ``refusals`` is how often it was told to come again later, and did.
    """

    seconds: float
    path: str
    cursor: str
    refusals: int


def storm(url: str, places: Sequence[Place]) -> list[Served]:
    """All connect and ask at once, and are served in some order; each stops at its next event.

    Raises RefusedError and UnservedError.
    """
    with ExitStack() as stack:
        crowd = _Crowd(url, stack)
        for place in places:
            crowd.connect(place, refusals=0)
        return crowd.served(len(places))


class _Client(NamedTuple):
    sock: socket.socket
    place: Place
    refusals: int
    got: bytearray


class _Crowd:
    """Clients without their event: connecting, waiting, or about to come again."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        where = urlsplit(url)
        self._address = (where.hostname or "", where.port or 80)
        self._netloc = where.netloc
        self._stack = stack
        self._selector = selectors.DefaultSelector()
        self._later: deque[tuple[float, Place, int]] = deque()
        self._began = time.perf_counter()

    def connect(self, place: Place, *, refusals: int) -> None:
        sock = self._stack.enter_context(socket.socket())
        sock.setblocking(False)  # noqa: FBT003 - the only argument there is
        sock.connect_ex(self._address)
        client = _Client(sock, place, refusals, bytearray())
        self._selector.register(sock, selectors.EVENT_WRITE, client)

    def served(self, wanted: int) -> list[Served]:
        served: list[Served] = []
        while len(served) < wanted:
            if self._elapsed() > _ENOUGH_S:
                raise UnservedError(clients=wanted - len(served))
            while self._later and self._later[0][0] <= self._elapsed():
                _, place, refusals = self._later.popleft()
                self.connect(place, refusals=refusals)
            for key, events in self._selector.select(timeout=_LOOK_S):
                if events & selectors.EVENT_WRITE:
                    self._ask(key.data)
                elif (one := self._read(key.data)) is not None:
                    served.append(one)
        return served

    def _elapsed(self) -> float:
        return time.perf_counter() - self._began

    def _ask(self, client: _Client) -> None:
        # A request is smaller than the buffer of a fresh socket.
        client.sock.sendall(sse_request(client.place, netloc=self._netloc))
        self._selector.modify(client.sock, selectors.EVENT_READ, client)

    def _read(self, client: _Client) -> Served | None:
        data = client.sock.recv(_READ)
        client.got.extend(data)
        found = _FIRST.search(client.got)
        if found is not None:
            self._selector.unregister(client.sock)
            cursor = found[1].decode()
            return Served(self._elapsed(), client.place[0], cursor, client.refusals)
        if client.got.startswith(_LATER) or not data:
            self._selector.unregister(client.sock)
            after = _RETRY_AFTER.search(client.got)
            if after is None:
                raise RefusedError(answer=bytes(client.got))
            due = self._elapsed() + float(after[1])
            self._later.append((due, client.place, client.refusals + 1))
        return None
