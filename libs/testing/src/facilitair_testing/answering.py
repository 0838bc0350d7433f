"""A gateway over HTTP that answers as it is told, one answer after the other."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Request(NamedTuple):
    """What a client asked. ``body`` is decoded JSON, None where there was none."""

    method: str
    path: str
    body: Any
    authorization: str | None


class AnsweringServer(ThreadingHTTPServer):
    """Gives ``answers``, each a status and a document, and notes in ``asked`` what came."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = list(answers)
        self.asked: list[Request] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def answering(*answers: tuple[int, Any]) -> Iterator[AnsweringServer]:
    """Serve on a free port of this machine, in a thread that has ended at the end."""
    server = AnsweringServer(*answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: AnsweringServer

    def _answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        asked = Request(self.command, self.path, body, self.headers["authorization"])
        self.server.asked.append(asked)
        status, told = self.server.answers.pop(0)
        content = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - names of the base class

    def log_message(self, *_: object) -> None:
        """Say nothing: the tests tell what was asked."""
