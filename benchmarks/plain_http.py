"""HTTP by hand: a client that costs next to nothing beside what it measures."""

import http.client
import json
import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 30.0


class AnswerError(Exception):
    """An answer that is not what was asked for."""

    def __init__(self, *, status: int, body: bytes) -> None:
        super().__init__(f"{status}: {body[:500].decode('utf-8', 'replace')}")


class Connections:
    """Two kept connections to one server: one for requests, one for streams."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        host, port = place.hostname or "", place.port or 80
        self._requests = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
        self._streams = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
        self._requests.connect()
        self._streams.connect()

    def post(self, path: str, body: dict[str, Any], *, wanted: int = HTTPStatus.OK) -> Any:
        """The decoded answer. Raises AnswerError."""
        self._requests.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        answer = self._requests.getresponse()
        content = answer.read()
        if answer.status != wanted:
            raise AnswerError(status=answer.status, body=content)
        return json.loads(content)

    def events(self, path: str, *, cursor: str) -> Iterator[tuple[str, float]]:
        """Kind and arrival of every frame of an SSE stream, to its end. Raises AnswerError."""
        self._streams.request("GET", path, headers={"last-event-id": cursor})
        answer = self._streams.getresponse()
        if answer.status != HTTPStatus.OK:
            raise AnswerError(status=answer.status, body=answer.read())
        for line in answer:
            if line.startswith(b"event: "):
                yield line[7:].strip().decode(), time.perf_counter()

    def first_and_last(self, path: str, body: dict[str, Any]) -> tuple[float, float]:
        """Seconds from sending a request to the first and to the last line of its stream."""
        began = time.perf_counter()
        self._streams.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        answer = self._streams.getresponse()
        first = answer.readline()
        first_s = time.perf_counter() - began
        rest = answer.read()
        if answer.status != HTTPStatus.OK:
            raise AnswerError(status=answer.status, body=first + rest)
        return first_s, time.perf_counter() - began

    def close(self) -> None:
        """Close both."""
        self._requests.close()
        self._streams.close()
