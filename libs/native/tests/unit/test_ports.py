import socket
from pathlib import Path

import pytest

from facilitair_native import ports
from facilitair_native.errors import NoPortsError
from facilitair_native.ports import free_ports


def test_ports_are_different_and_free():
    found = free_ports(20)
    assert len(set(found)) == 20
    for port in found:
        socket.create_server(("127.0.0.1", port)).close()


def test_ports_are_outside_the_range_of_outgoing_connections():
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(10_000 <= port < max(first, 11_000) for port in free_ports(50))


def test_a_full_machine_is_told(monkeypatch):
    monkeypatch.setattr(ports, "_TRIES", 3)
    with pytest.raises(NoPortsError):
        free_ports(4)
