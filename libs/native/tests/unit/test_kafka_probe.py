import socket
import struct
import threading

import pytest

from facilitair_native.kafka_probe import answers
from facilitair_native.ports import free_ports


@pytest.fixture
def answering():
    """A server that takes one request and answers with given bytes."""
    listeners = []

    def start(answer):
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve():
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        return listener.getsockname()[1]

    yield start
    for listener in listeners:
        listener.close()


def test_a_broker_that_names_itself_is_ready(answering):
    assert answers(answering(struct.pack(">iii", 8, 7, 1)), timeout_s=5)


@pytest.mark.parametrize(
    "answer",
    [
        struct.pack(">iii", 8, 7, 0),  # nobody is registered
        struct.pack(">iii", 8, 9, 1),  # an answer to somebody else
        struct.pack(">i", 8),  # half an answer
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"",
    ],
    ids=["fenced", "foreign", "half", "http", "closed"],
)
def test_anything_else_is_not(answering, answer):
    assert not answers(answering(answer), timeout_s=5)


def test_nobody_listens():
    (port,) = free_ports(1)
    assert not answers(port, timeout_s=1)
