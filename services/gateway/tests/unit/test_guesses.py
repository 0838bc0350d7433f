"""How often an address may be wrong about keys, and whom that does not concern."""

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from facilitair_gateway import guesses
from facilitair_gateway.guesses import Guesses
from services.gateway.tests.watching import socket

OPERATOR_KEY = "an-operators-key-that-is-long-enough"
BURST = 5
PER_S = 2.0
BAD = ("Bearer wrong",)
GOOD = ("Bearer right",)


def bearer(key):
    return {"authorization": f"Bearer {key}"}


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def tried(clock):
    """An address that was wrong as often as it may."""
    found = Guesses(burst=BURST, per_s=PER_S, clock=clock)
    for _ in range(BURST):
        assert found.allowed("a", BAD)
        found.wrong("a")
    return found


def test_an_address_that_was_wrong_too_often_waits(tried, clock):
    assert not tried.allowed("a", BAD)
    assert tried.allowed("b", BAD)
    clock.now += 1 / PER_S
    assert tried.allowed("a", BAD)
    tried.wrong("a")
    assert not tried.allowed("a", BAD)


def test_who_was_right_before_is_not_held_up_by_a_neighbour(clock):
    found = Guesses(burst=BURST, per_s=PER_S, clock=clock)
    found.right("a", GOOD)
    for _ in range(2 * BURST):
        found.wrong("a")
    assert found.allowed("a", GOOD)
    assert not found.allowed("a", BAD)
    found.right("b", BAD)
    assert not found.allowed("a", BAD)


def test_no_number_of_addresses_or_keys_fills_the_memory(clock, monkeypatch):
    monkeypatch.setattr(guesses, "_MOST_ADDRESSES", 10)
    monkeypatch.setattr(guesses, "_MOST_GOOD", 10)
    found = Guesses(burst=BURST, per_s=PER_S, clock=clock)
    for number in range(1000):
        found.wrong(f"address-{number}")
        found.right("a", (f"key-{number}",))
    assert (len(found._buckets), len(found._good)) == (10, 10)  # noqa: SLF001 - what is bounded


async def test_guessing_is_answered_with_429_on_both_wires(start, tmp_path):
    slowly = {"wrong_keys_burst": BURST, "wrong_keys_per_s": 0.001}
    async with (
        start(tmp_path, admin_key=OPERATOR_KEY, **slowly) as gateway,
        httpx.AsyncClient(base_url=gateway.url, timeout=60) as http,
    ):
        good = bearer(OPERATOR_KEY)
        assert (await http.get("/v1/me", headers=good)).status_code == 200
        wrong = [await http.get("/v1/me", headers=bearer(f"guess-{n}")) for n in range(BURST)]
        assert {answer.status_code for answer in wrong} == {401}
        late = await http.get("/v1/me", headers=bearer("guess"))
        assert (late.status_code, late.json()["code"]) == (429, "too_many_guesses")
        assert late.json()["error"]["type"] == "rate_limit_error"
        assert int(late.headers["retry-after"]) >= 1
        with pytest.raises(InvalidStatus) as refused:
            await socket(gateway.url, "x", additional_headers=bearer("guess"))
        assert refused.value.response.status_code == 429
        assert (await http.get("/v1/me")).status_code == 401
        assert (await http.get("/v1/me", headers=good)).status_code == 200


@pytest.mark.parametrize(("per_s", "status"), [(0.001, 429), (1000.0, 401)])
async def test_how_fast_an_address_may_guess_is_a_setting(start, tmp_path, per_s, status):
    settings = {"admin_key": OPERATOR_KEY, "wrong_keys_burst": 1, "wrong_keys_per_s": per_s}
    async with (
        start(tmp_path, **settings) as gateway,
        httpx.AsyncClient(base_url=gateway.url, timeout=60) as http,
    ):
        answers = [await http.get("/v1/me", headers=bearer("guess")) for _ in range(3)]
        assert answers[-1].status_code == status
