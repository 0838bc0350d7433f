"""Who may call now: waits before the claim, what is sent away, and what it is told."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from multidict import CIMultiDict
from prometheus_client import CollectorRegistry

from facilitair_agent_worker.admission import MAX_GATES, Admission, AdmissionRules, Asked, Permit
from facilitair_agent_worker.breaker import BreakerRules, Ending
from facilitair_agent_worker.errors import AttemptFaultError
from facilitair_agent_worker.gates import Ended
from facilitair_events.definitions import Model, RateLimits
from facilitair_events.requests import Fault
from facilitair_observability.metrics import Metrics
from facilitair_testing.eventually import eventually

RULES = AdmissionRules(
    breaker=BreakerRules(failures=3, open_s=10), wait_s=3.0, waiting=2, limits={}
)


def model(name: str = "m", *, requests: int | None = None, tokens: int | None = None) -> Model:
    limits = RateLimits(requests_per_minute=requests, tokens_per_minute=tokens)
    return Model(name=name, provider="p", limits=limits)


class Gatehouse:
    """An admission whose clock and sleeps are the test's."""

    def __init__(
        self,
        rules: AdmissionRules = RULES,
        *,
        slots: int = 4,
        account_of: Callable[[str, str], str] = lambda _provider, _tenant: "",
    ) -> None:
        self.now_s = 100.0
        self.metrics = Metrics(CollectorRegistry())
        self.slots = asyncio.Semaphore(slots)
        self.sleeping: list[tuple[float, asyncio.Future[None]]] = []
        self.admission = Admission(
            rules=rules, clock_s=lambda: self.now_s, metrics=self.metrics, sleep=self._sleep,
            account_of=account_of,
        )  # fmt: skip

    async def _sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.sleeping.append((self.now_s + seconds, woken))
        await woken

    def wake(self, *, at_s: float) -> None:
        """It is later; who slept until then goes on."""
        self.now_s = at_s
        for until_s, woken in self.sleeping:
            if until_s <= at_s and not woken.done():
                woken.set_result(None)

    async def admit(self, wanted: Model, *, tokens: int = 10, tenant: str = "a") -> Permit:
        asked = Asked(model=wanted, tenant=tenant, tokens=tokens)
        return await self.admission.admit(asked, slots=self.slots)

    async def refused(self, wanted: Model, *, tokens: int = 10, tenant: str = "a") -> Fault:
        with pytest.raises(AttemptFaultError) as caught:
            await self.admit(wanted, tokens=tokens, tenant=tenant)
        return caught.value.fault

    def end(self, permit: Permit, ending: Ending = "answered", **more: object) -> None:
        reason = str(more.pop("reason", "overloaded"))
        ended = Ended(ending=ending, reason=reason, **more)  # type: ignore[arg-type]
        with self.admission.using(permit) as use:
            use.ended = ended
        self.slots.release()

    async def call(self, wanted: Model, ending: Ending = "answered", **more: object) -> None:
        tenant = str(more.pop("tenant", "a"))
        self.end(await self.admit(wanted, tenant=tenant), ending, **more)


async def test_without_limits_and_failures_everybody_is_admitted_at_once() -> None:
    house = Gatehouse(slots=100)
    for _ in range(100):
        await house.admit(model())
    assert house.sleeping == []


async def test_a_short_wait_holds_no_slot_and_ends_with_the_permit() -> None:
    house = Gatehouse(slots=2)
    for _ in range(60):
        await house.call(model(requests=60))
    waiting = asyncio.create_task(house.admit(model(requests=60)))
    await eventually(lambda: house.sleeping, what="the wait")
    others = [await house.admit(model("other")) for _ in range(2)]
    assert len(others) == 2, "all slots are free while somebody waits for a limit"
    house.end(others[0])
    house.wake(at_s=101.1)
    assert isinstance(await waiting, Permit)


@pytest.mark.parametrize("wait_s", [0.0, 3.0, 9.0])
async def test_a_longer_wait_than_is_allowed_is_sent_away_with_the_time(wait_s: float) -> None:
    rules = AdmissionRules(breaker=BreakerRules(), wait_s=wait_s, waiting=9, limits={})
    house = Gatehouse(rules)
    await house.call(model(requests=6))
    for _ in range(5):
        await house.call(model(requests=6))
    fault = await house.refused(model(requests=6))
    assert (fault.code, fault.retryable) == ("rate_limited", True)
    assert fault.retry_after_s == pytest.approx(10)
    assert "p/m" in fault.message
    second = await house.refused(model(requests=6))
    assert second.retry_after_s == pytest.approx(20), "they come back one after the other"


async def test_only_so_many_may_wait_and_others_are_told_to_come_back() -> None:
    house = Gatehouse()
    for _ in range(60):
        await house.call(model(requests=60))
    waiting = [asyncio.create_task(house.admit(model(requests=60))) for _ in range(2)]
    await eventually(lambda: len(house.sleeping) == 2, what="two that wait")
    assert (await house.refused(model(requests=60))).code == "rate_limited"
    house.wake(at_s=103)
    await asyncio.gather(*waiting)


async def test_tokens_are_estimated_before_and_corrected_by_what_was_used() -> None:
    house, wanted = Gatehouse(), model(tokens=600)
    permit = await house.admit(wanted, tokens=600)
    assert (await house.refused(wanted, tokens=100)).retry_after_s == pytest.approx(10)
    house.end(permit, tokens=50)
    house.end(await house.admit(wanted, tokens=500), tokens=1000)
    assert (await house.refused(wanted, tokens=500)).code == "rate_limited"


async def test_an_estimate_beyond_the_limit_is_not_given_back_beyond_it() -> None:
    house, wanted = Gatehouse(), model(tokens=60)
    house.end(await house.admit(wanted, tokens=5000), tokens=60)
    assert (await house.refused(wanted, tokens=60)).retry_after_s == pytest.approx(60)


async def test_a_call_that_is_not_made_gives_its_place_back() -> None:
    house, wanted = Gatehouse(), model(requests=1, tokens=10)
    for _ in range(5):
        permit = await house.admit(wanted)
        house.admission.unused(permit)
        house.slots.release()


async def test_whoever_is_cancelled_while_waiting_gives_its_place_back() -> None:
    house = Gatehouse()
    for _ in range(60):
        await house.call(model(requests=60))
    waiting = asyncio.create_task(house.admit(model(requests=60)))
    await eventually(lambda: house.sleeping, what="the wait")
    waiting.cancel()
    await asyncio.wait([waiting])
    house.now_s = 101.1
    await house.call(model(requests=60))
    assert house.slots._value == 4  # noqa: SLF001 - all of them are back


@pytest.mark.parametrize(("asked_s", "kept_s"), [(7.0, 7.0), (1e9, 600.0)])
async def test_p01_what_the_provider_wishes_is_kept_and_absurd_wishes_are_capped(
    asked_s: float, kept_s: float
) -> None:
    house = Gatehouse()
    await house.call(model(), "undecided", limited=True, retry_after_s=asked_s)
    fault = await house.refused(model())
    assert (fault.code, fault.retry_after_s) == ("rate_limited", pytest.approx(kept_s))
    await house.call(model("other"))
    house.now_s += kept_s
    await house.call(model())


async def test_p01_a_provider_that_says_nothing_is_asked_ever_more_rarely() -> None:
    house, pauses = Gatehouse(), []
    for _ in range(9):
        await house.call(model(), "undecided", limited=True)
        pauses.append(
            (gate := next(iter(house.admission._gates.values()))).pause_s(  # noqa: SLF001
                now_s=house.now_s
            )
        )
        house.now_s += pauses[-1] + 60
        assert gate.pause_s(now_s=house.now_s) == 0
    assert pauses[:4] == [1, 2, 4, 8]
    assert max(pauses) == 60


async def test_a_short_pause_is_waited_for_and_a_pause_that_begins_meanwhile_too() -> None:
    house = Gatehouse()
    first, second = await house.admit(model()), await house.admit(model())
    house.end(first, "undecided", limited=True, retry_after_s=1.0)
    waiting = asyncio.create_task(house.admit(model()))
    await eventually(lambda: house.sleeping, what="the wait")
    house.end(second, "undecided", limited=True, retry_after_s=2.5)
    house.wake(at_s=101.0)
    await eventually(lambda: len(house.sleeping) == 2, what="the second wait")
    house.wake(at_s=102.6)
    assert isinstance(await waiting, Permit)


async def test_an_overload_with_a_wish_is_a_pause_too() -> None:
    house = Gatehouse()
    await house.call(model(), "failed", retry_after_s=30.0)
    assert (await house.refused(model())).retry_after_s == pytest.approx(30)


async def test_headers_make_a_limit_that_nobody_configured() -> None:
    house = Gatehouse()
    await house.call(model())
    house.admission.hear(
        "p", "m", "a",
        CIMultiDict({
            "x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": "1m0s",
        }),
    )  # fmt: skip
    waiting = asyncio.create_task(house.admit(model()))
    await eventually(lambda: house.sleeping, what="the wait")
    house.wake(at_s=101.1)
    await waiting


async def test_a_fixed_window_that_is_used_up_is_waited_for_to_its_end() -> None:
    house = Gatehouse()
    await house.call(model())
    sent = datetime(2026, 11, 21, 12, tzinfo=UTC)
    reset = round((sent + timedelta(seconds=45)).timestamp() * 1000)
    house.admission.hear(
        "p", "m", "a",
        CIMultiDict({
            "Date": format_datetime(sent, usegmt=True), "X-RateLimit-Limit": "20",
            "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(reset),
        }),
    )  # fmt: skip
    assert (await house.refused(model())).retry_after_s == pytest.approx(45)


async def test_an_open_breaker_sends_away_until_the_probe_and_says_why() -> None:
    house = Gatehouse()
    for _ in range(3):
        await house.call(model(), "failed")
    fault = await house.refused(model())
    assert (fault.code, fault.retryable, fault.retry_after_s) == ("unavailable", True, 10)
    assert fault.message == ("p/m failed 3 times in a row (overloaded); it is asked again in 10 s")
    await house.call(model("other"))
    house.now_s += 10
    probe = await house.admit(model())
    assert (await house.refused(model())).code == "unavailable"
    house.end(probe)
    await house.call(model())


async def test_a_refused_key_is_told_as_such_and_not_retried() -> None:
    house = Gatehouse()
    await house.call(model(), "barred", reason="authentication")
    fault = await house.refused(model())
    assert (fault.code, fault.retryable) == ("authentication", False)


async def test_accounts_do_not_pay_for_each_other() -> None:
    house = Gatehouse(account_of=lambda _provider, tenant: tenant)
    await house.call(model(), "barred", tenant="a")
    await house.call(model(), tenant="b")
    assert (await house.refused(model(), tenant="a")).code == "overloaded"
    assert b"tenant" not in house.metrics.render()


@pytest.mark.parametrize("name", ["p/m", "p"])
async def test_limits_of_the_operator_win_and_are_shared(name: str) -> None:
    rules = AdmissionRules(
        breaker=BreakerRules(), wait_s=0, waiting=1, share=0.5,
        limits={name: RateLimits(requests_per_minute=6)},
    )  # fmt: skip
    house = Gatehouse(rules)
    for _ in range(3):
        await house.call(model(requests=1000))
    assert (await house.refused(model(requests=1000))).retry_after_s == pytest.approx(20)


async def test_state_and_refusals_are_metrics() -> None:
    house = Gatehouse()
    for _ in range(3):
        await house.call(model(), "failed")
    await house.refused(model())
    shown = house.metrics.render().decode()
    assert 'facilitair_provider_breaker{model="m",provider="p"} 2.0' in shown
    assert (
        'facilitair_attempts_declined_total{model="m",provider="p",reason="unavailable"}' in shown
    )
    assert (
        'facilitair_provider_calls_total{ending="overloaded",model="m",provider="p"} 3.0' in shown
    )
    house.now_s += 10
    await house.call(model())
    shown = house.metrics.render().decode()
    assert 'facilitair_provider_breaker{model="m",provider="p"} 0.0' in shown


async def test_models_that_nobody_asks_for_any_more_are_forgotten() -> None:
    house = Gatehouse()
    held = await house.admit(model("held"))
    for number in range(MAX_GATES + 10):
        await house.call(model(f"m{number}"))
    assert len(house.admission._gates) == MAX_GATES  # noqa: SLF001
    shown = house.metrics.render().decode()
    assert 'model="m0"' not in shown.split("facilitair_provider_calls")[0]
    assert held.gate in house.admission._gates.values()  # noqa: SLF001
