import pytest

from facilitair_gateway.locality import is_local

HERE = {"host": "127.0.0.1:8080"}


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "localhost:1", "[::1]:8080"])
def test_programs_of_this_machine_are_local(peer: str, host: str) -> None:
    assert is_local(peer, {"host": host})


@pytest.mark.parametrize(
    "peer", [None, "", "10.0.0.7", "192.168.1.2", "::ffff:10.0.0.7", "fe80::1", "evil"]
)
def test_other_machines_are_not(peer: str | None) -> None:
    assert not is_local(peer, HERE)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"host": ""},
        {"host": "evil.example:8080"},  # a name that was made to point here
        {"host": "localhost.evil.example"},
        {"host": "127.0.0.1@evil.example"},
        {"host": "[::1"},
        HERE | {"origin": "https://evil.example"},
        HERE | {"origin": "null"},
        HERE | {"origin": ""},
        HERE | {"sec-fetch-site": "cross-site"},
        HERE | {"x-forwarded-for": "10.0.0.7"},
        HERE | {"forwarded": "for=10.0.0.7"},
        HERE | {"x-real-ip": "10.0.0.7"},
        HERE | {"via": "1.1 proxy"},
    ],
)
def test_foreign_pages_and_what_a_proxy_passes_on_are_not(headers: dict[str, str]) -> None:
    assert not is_local("127.0.0.1", headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://localhost:3000", "sec-fetch-site": "same-site"},
        {"origin": "http://127.0.0.1:8080", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
    ],
)
def test_pages_that_this_machine_serves_are_local(headers: dict[str, str]) -> None:
    assert is_local("127.0.0.1", HERE | headers)
