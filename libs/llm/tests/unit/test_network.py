"""Which addresses are refused: by the rule, and on every connection that is opened."""

import asyncio
import socket
from contextlib import aclosing
from ipaddress import ip_network

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from facilitair_llm.calls import ChatMessage, ChatRequest
from facilitair_llm.errors import ProviderError
from facilitair_llm.network import NetworkRules, refusal, url_refusal
from facilitair_llm.openai_wire import OPENAI_CHAT
from facilitair_llm.providers import HttpChat, Timeouts, build_session, no_key

ANY = "0.0.0.0"  # noqa: S104 - to be refused, and to listen on in a test
STRICT = NetworkRules()
HOME = NetworkRules(loopback=True)
PRIVATE = NetworkRules(allow_private=True)
EVERYTHING = NetworkRules(
    loopback=True, allow_private=True, allowed=(ip_network("0.0.0.0/0"), ip_network("::/0"))
)
PUBLIC = ("1.1.1.1", "8.8.8.8", "172.15.0.1", "192.167.9.9", "2606:4700::1111", "64:ff9b::808:808")
LOOPBACK = ("127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1")
PRIVATES = (
    "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.127.255.255",
    "fc00::1", "fd12:3456::1", "::ffff:10.0.0.1", "64:ff9b::a00:1",
)  # fmt: skip
NEVER = (
    "169.254.169.254", "169.254.0.1", "169.254.170.2", "168.63.129.16", "100.100.100.200",
    "192.0.0.192", "fd00:ec2::254", "fd20:ce::254", "fe80::1", "fe80::1%eth0", "fec0::1",
    "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", ANY, "0.1.2.3", "::", "::ffff:0.0.0.0",
    "::127.0.0.1", "::a9fe:a9fe", "224.0.0.1", "239.1.1.1", "ff02::1", "240.0.0.1",
    "255.255.255.255", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001::1", "64:ff9b:1::1",
    "not-an-address", "", "localhost",
)  # fmt: skip
SPECIAL = ("192.0.2.1", "198.18.0.1", "203.0.113.9", "2001:db8::1", "100::1")


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    assert refusal(address, STRICT) is None


@pytest.mark.parametrize("address", NEVER)
def test_some_addresses_are_refused_whatever_is_allowed(address: str) -> None:
    assert refusal(address, EVERYTHING) is not None


@pytest.mark.parametrize("address", PRIVATES)
def test_private_addresses_need_a_setting(address: str) -> None:
    told = refusal(address, STRICT)
    assert told is not None
    assert "FACILITAIR_AGENT_WORKER_NETWORK__ALLOW_PRIVATE=true" in told
    assert refusal(address, HOME) is not None
    assert refusal(address, PRIVATE) is None


@pytest.mark.parametrize("address", LOOPBACK)
def test_this_machine_is_called_only_where_the_base_url_says_so(address: str) -> None:
    assert refusal(address, STRICT) is not None
    assert refusal(address, PRIVATE) is not None
    assert refusal(address, HOME) is None


@pytest.mark.parametrize("address", SPECIAL)
def test_what_is_not_of_the_internet_needs_to_be_named(address: str) -> None:
    assert refusal(address, PRIVATE) is not None


def test_a_network_can_be_allowed_by_itself() -> None:
    rules = NetworkRules(allowed=(ip_network("10.1.0.0/16"), ip_network("127.0.0.2/32")))
    assert refusal("10.1.2.3", rules) is None
    assert refusal("::ffff:10.1.2.3", rules) is None
    assert refusal("127.0.0.2", rules) is None
    assert refusal("10.2.0.1", rules) is not None
    assert refusal("127.0.0.1", rules) is not None


@given(st.ip_addresses())
def test_local_only_refuses_everything_but_this_machine(address) -> None:
    rules = NetworkRules(
        loopback=True, allow_private=True, allowed=EVERYTHING.allowed, local_only=True
    )
    assert (refusal(str(address), rules) is None) == address.is_loopback


@pytest.mark.parametrize(
    ("url", "refused"),
    [
        ("http://192.168.1.20:11434/v1", True),
        ("http://[fe80::1]:11434", True),
        ("http://127.0.0.1:11434", True),
        ("https://1.1.1.1/v1", False),
        ("https://ollama.home/v1", False),
        ("http://localhost:1234", False),
    ],
)
def test_a_base_url_tells_at_once_what_it_shows(url: str, refused: bool) -> None:
    assert (url_refusal(url, STRICT) is not None) == refused


class Server:
    """Listens on every address of this machine and counts who comes."""

    def __init__(self) -> None:
        self.port = 0
        self.peers: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.peers.append(request.transport.get_extra_info("sockname")[0])
        stop = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
        headers = {"Connection": "close"}
        return web.Response(body=stop, content_type="text/event-stream", headers=headers)


@pytest.fixture
async def server():
    found = Server()
    app = web.Application()
    app.router.add_post("/chat/completions", found.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, ANY, 0).start()
    found.port = runner.addresses[0][1]
    yield found
    await runner.cleanup()


async def call(host: str, port: int, rules: NetworkRules, *, times: int = 1) -> None:
    request = ChatRequest(model="m", messages=(ChatMessage(role="user", content="hi"),))
    async with build_session(rules) as session:
        model = HttpChat(
            session=session,
            dialect=OPENAI_CHAT,
            base_url=f"http://{host}:{port}",
            key_of=no_key,
            timeouts=Timeouts(connect_s=5),
        )
        for _ in range(times):
            async with aclosing(model.stream(request, call_id="c", tenant="t")) as chunks:
                assert [chunk async for chunk in chunks]
            session.connector.clear_dns_cache()


async def refused(host: str, port: int, rules: NetworkRules) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await call(host, port, rules)
    error = caught.value
    assert (error.kind, error.retryable, error.sent) == ("address_refused", False, False)
    return error


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]"]
)
async def test_an_address_in_the_url_is_judged_however_it_is_written(server, host: str) -> None:
    with pytest.raises(ProviderError) as caught:
        await call(host, server.port, STRICT)
    # Numbers that are not written as an address are not even looked up.
    assert caught.value.kind in {"address_refused", "invalid_request"}
    assert server.peers == []


async def test_the_fault_names_the_address_and_the_way_out() -> None:
    error = await refused("10.255.255.1", 80, STRICT)
    assert error.message.startswith("10.255.255.1 is refused: it is in a private network; allow")
    assert "metadata" in (await refused("169.254.169.254", 80, EVERYTHING)).message


async def test_a_loopback_url_reaches_this_machine(server) -> None:
    await call("127.0.0.1", server.port, HOME)
    await call("localhost", server.port, HOME)
    assert len(server.peers) == 2


def resolve_to(monkeypatch: pytest.MonkeyPatch, *answers: tuple[str, ...]) -> list[str]:
    """Answer each lookup with the next addresses; return the names that were asked for."""
    asked: list[str] = []
    left = list(answers)

    async def getaddrinfo(host, port, **_):
        asked.append(host)
        kind = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [(*kind, (address, port)) for address in left.pop(0)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize("answer", ["127.0.0.1", "10.255.255.1", "169.254.169.254", ANY])
async def test_a_name_is_judged_by_the_address_it_leads_to(monkeypatch, server, answer) -> None:
    asked = resolve_to(monkeypatch, (answer,))
    error = await refused("metadata.google.internal", server.port, STRICT)
    assert error.message.startswith(f"{answer} is refused: ")
    assert asked == ["metadata.google.internal"]
    assert server.peers == []


async def test_a_name_that_leads_elsewhere_the_next_time_is_judged_again(
    monkeypatch, server
) -> None:
    """DNS rebinding: the first answer is allowed, the second one is not."""
    resolve_to(monkeypatch, ("127.0.0.3",), ("127.0.0.1",))
    rules = NetworkRules(allowed=(ip_network("127.0.0.3/32"),))
    with pytest.raises(ProviderError, match=r"127\.0\.0\.1 is refused"):
        await call("rebinding.example", server.port, rules, times=2)
    assert server.peers == ["127.0.0.3"]


async def test_of_several_addresses_only_the_allowed_ones_are_connected_to(
    monkeypatch, server
) -> None:
    resolve_to(monkeypatch, ("127.0.0.1", "127.0.0.3", "127.0.0.4"))
    await call("several.example", server.port, NetworkRules(allowed=(ip_network("127.0.0.4/32"),)))
    assert server.peers == ["127.0.0.4"]


async def test_several_addresses_that_are_all_refused_are_a_refusal(monkeypatch, server) -> None:
    resolve_to(monkeypatch, ("127.0.0.1", "10.0.0.1", "169.254.169.254"))
    await refused("several.example", server.port, STRICT)


async def test_local_only_calls_this_machine_and_nothing_else(server) -> None:
    rules = NetworkRules(loopback=True, allow_private=True, local_only=True)
    await call("127.0.0.1", server.port, rules)
    assert "FACILITAIR_LOCAL_ONLY" in (await refused("1.1.1.1", 80, rules)).message
    assert "FACILITAIR_LOCAL_ONLY" in (await refused("10.0.0.1", 80, rules)).message


async def test_no_proxy_of_the_environment_takes_a_call_away(server, monkeypatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    await call("127.0.0.1", server.port, HOME)
    assert len(server.peers) == 1
