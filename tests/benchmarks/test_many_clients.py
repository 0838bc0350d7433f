"""Clients by the thousand, on a small server of the test's own."""

import socketserver
import threading
from collections import Counter
from contextlib import contextmanager

import pytest

from benchmarks.many_clients import (
    RefusedError,
    connected,
    sse_request,
    storm,
    websocket_request,
)

OPEN = b"HTTP/1.1 200 OK\r\n\r\n"
EVENT = b"\nid: 3-8-1\nevent: step.scheduled\ndata: {}\n\n"
LATER = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 0\r\n\r\n"
UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
GONE = b"HTTP/1.1 410 Gone\r\n\r\nexpired"


class Answering(socketserver.ThreadingTCPServer):
    """Gives its answers to a path one after the other, the last one for ever."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, answers):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = answers
        self.heads = []
        self._asked = Counter()
        self._lock = threading.Lock()

    def answer(self, head):
        path = head.split(b" ", 2)[1]
        with self._lock:
            self.heads.append(head)
            self._asked[path] += 1
            return self.answers[min(self._asked[path], len(self.answers)) - 1]


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.request.recv(4096)
        answer = self.server.answer(head)
        self.request.sendall(answer)
        if answer.startswith((OPEN, UPGRADED)):
            self.request.recv(1)  # until the client is gone


@contextmanager
def server(*answers):
    """Yields its url and what it was asked."""
    with Answering(answers) as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{serving.server_address[1]}", serving.heads
        finally:
            serving.shutdown()
            thread.join()


def places(count):
    return [(f"/v1/collaborations/{number}/stream", "3-7-0") for number in range(count)]


def test_everybody_gets_the_next_event_and_its_cursor():
    with server(OPEN + EVENT) as (url, _):
        served = storm(url, places(50))
    assert {one.path for one in served} == {path for path, _ in places(50)}
    assert {one.cursor for one in served} == {"3-8-1"}
    assert all(one.seconds > 0 and one.refusals == 0 for one in served)


def test_who_is_told_to_come_later_comes_again_and_is_counted():
    with server(LATER, OPEN + EVENT) as (url, heads):
        served = storm(url, places(5))
    assert [one.refusals for one in served] == [1] * 5
    assert len(heads) == 10


def test_a_refusal_that_is_none_to_come_back_from_is_an_error():
    with server(GONE) as (url, _), pytest.raises(RefusedError, match="410"):
        storm(url, places(1))


@pytest.mark.parametrize(("asking", "answer"), [(sse_request, OPEN), (websocket_request, UPGRADED)])
def test_idle_clients_stay_connected(asking, answer):
    with server(answer) as (url, heads), connected(url, places(3), asking=asking):
        assert len(heads) == 3


def test_idle_clients_that_are_refused_are_an_error():
    with (
        server(GONE) as (url, _),
        pytest.raises(RefusedError),
        connected(url, places(1), asking=sse_request),
    ):
        pass


def test_both_wires_ask_for_the_same_place():
    place = ("/v1/collaborations/c1/stream", "3-7-0")
    sse = sse_request(place, netloc="h:1")
    assert sse.startswith(b"GET /v1/collaborations/c1/stream HTTP/1.1\r\n")
    assert b"last-event-id: 3-7-0\r\n" in sse
    assert websocket_request(place, netloc="h:1").startswith(
        b"GET /v1/collaborations/c1/ws?cursor=3-7-0 HTTP/1.1\r\n"
    )
