"""Everybody who watches: plain sockets, one loop, as little work per byte as possible.

`python -m benchmarks.streams.clients URL LOAD PATHS` where PATHS is a file with one path and
cursor per line. It says how many tokens came, how old the oldest of each read was, and its CPU.
"""

import json
import re
import selectors
import socket
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.readings import percentile
from benchmarks.streams.load import TOKEN_BYTES, WARM_UP_S, Load, age_us, now_us
from benchmarks.streams.talking import tell, wait_for_go

_TEXT = re.compile(rb'"text":"((\d{7}) [^"]*)"')
_READ = 256 * 1024
_QUIET_S = 1.5
_LONGEST_S = 40.0


class Client:
    """One stream."""

    __slots__ = ("rest", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.rest = b""

    def take(self, data: bytes) -> list[tuple[int, int]]:
        """Stamp and number of tokens of each frame that is whole now."""
        data = self.rest + data
        end = data.rfind(b"\n") + 1
        self.rest = data[end:]
        return [
            (int(stamp), len(text) // TOKEN_BYTES) for text, stamp in _TEXT.findall(data, 0, end)
        ]


def _open(url: str, path: str, *, cursor: str) -> Client:
    place = urlsplit(url)
    sock = socket.create_connection((place.hostname or "", place.port or 80))
    sock.sendall(
        f"GET {path} HTTP/1.1\r\nhost: {place.netloc}\r\nlast-event-id: {cursor}\r\n\r\n".encode()
    )
    head = b""
    while b"\r\n\r\n" not in head:
        part = sock.recv(4096)
        if not part:
            raise ConnectionError(head)
        head += part
    status, _, rest = head.partition(b"\r\n")
    if b" 200 " not in status + b" ":
        raise ConnectionError(head)
    sock.setblocking(False)  # noqa: FBT003 - the only argument there is
    client = Client(sock)
    client.rest = rest.partition(b"\r\n\r\n")[2]
    return client


def watch(clients: list[Client], load: Load) -> dict[str, float]:
    """Read until nothing comes any more."""
    selector = selectors.DefaultSelector()
    for client in clients:
        selector.register(client.sock, selectors.EVENT_READ, client)
    tell(ready=True)
    wait_for_go()
    began, cpu_s = time.monotonic(), time.process_time()
    last, tokens, reads, frames = began, 0, 0, 0
    ages: list[int] = []
    first: float | None = None
    while last - began < _LONGEST_S:
        ready = selector.select(timeout=_QUIET_S)
        now_s = time.monotonic()
        if not ready and now_s - began > load.seconds:
            break
        for key, _ in ready:
            one: Client = key.data
            data = one.sock.recv(_READ)
            if not data:
                selector.unregister(one.sock)
                continue
            now = now_us()
            reads += 1
            for stamp, count in one.take(data):
                first = first or now_s
                tokens += count
                frames += 1
                if now_s - first > WARM_UP_S:
                    ages.append(age_us(stamp, now=now))
            last = now_s
    span_s = max(last - (first or began), 1e-9)
    return {
        "tokens": tokens,
        "frames": frames,
        "reads": reads,
        "tokens_per_s": tokens / span_s,
        "p50_ms": percentile(ages, 0.5) / 1000 if ages else 0.0,
        "p99_ms": percentile(ages, 0.99) / 1000 if ages else 0.0,
        "cpu_s": time.process_time() - cpu_s,
    }


def main(url: str, load: Load, *, paths: Path) -> None:
    """Open all, then watch."""
    places = json.loads(paths.read_text())
    clients = [_open(url, path, cursor=cursor) for path, cursor in places]
    tell(**watch(clients, load))


if __name__ == "__main__":
    main(sys.argv[1], Load.loads(sys.argv[2]), paths=Path(sys.argv[3]))
