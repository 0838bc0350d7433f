import socket

import pytest

from facilitair_gateway.adapters.uvicorn_server import bind, url_of


def test_s07_connections_inherit_how_long_a_silent_client_is_waited_for() -> None:
    with bind("127.0.0.1", 0, send_timeout_s=7) as listening:
        address = listening.getsockname()
        with socket.create_connection(address), listening.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 7000
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1


def test_small_frames_do_not_wait_for_the_client_to_acknowledge() -> None:
    with bind("127.0.0.1", 0, send_timeout_s=1) as listening:
        address = listening.getsockname()
        with socket.create_connection(address), listening.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_a_port_that_somebody_listens_on_is_refused() -> None:
    with bind("127.0.0.1", 0, send_timeout_s=1) as first:
        port = first.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            bind("127.0.0.1", port, send_timeout_s=1)


def test_the_url_is_one_that_this_machine_can_reach() -> None:
    with bind("0.0.0.0", 0, send_timeout_s=1) as everywhere:  # noqa: S104 - the case
        assert url_of(everywhere) == f"http://127.0.0.1:{everywhere.getsockname()[1]}"
