"""Who may call a model now: rate limits and breakers of this worker (PROTOCOL R24).

An attempt that has to wait long is declined with the time to come back, and its retry is the
reducer's. A short wait happens here, before the claim and without a slot for a call.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Self

from msgspec import Struct

from facilitair_agent_worker.breaker import BreakerRules, Pass
from facilitair_agent_worker.errors import AttemptFaultError
from facilitair_agent_worker.estimates import Estimates
from facilitair_agent_worker.gates import Ended, Gate, Place
from facilitair_agent_worker.slots import Slots
from facilitair_events.definitions import Model, RateLimits
from facilitair_events.requests import Fault
from facilitair_llm.calls import ChatRequest
from facilitair_llm.rate_headers import read_rates
from facilitair_observability import names
from facilitair_observability.metrics import Metrics

MAX_GATES: Final = 1024
"""Models that are remembered; names of models come from definitions, which users write."""

STATES: Final = {"closed": 0, "half_open": 1, "open": 2}


def one_account(_provider: str, _tenant: str) -> str:
    """All tenants are called for with the keys of the installation."""
    return ""


class AdmissionRules(Struct, frozen=True, kw_only=True):
    """``wait_s`` is the longest wait before a claim; ``waiting`` how many attempts may do so.

    ``limits`` are by ``provider/model`` or ``provider`` and win over those of the catalog.
    ``share`` is the part of any limit that is this worker's.
    """

    breaker: BreakerRules
    wait_s: float
    waiting: int
    limits: Mapping[str, RateLimits]
    share: float = 1.0


class Asked(Struct, frozen=True, kw_only=True):
    """A call that is wanted; ``tokens`` is an estimate of what it uses."""

    model: Model
    tenant: str
    tokens: int

    @classmethod
    def of(cls, request: ChatRequest, *, model: Model, tenant: str, estimates: Estimates) -> Self:
        """The call of a request."""
        return cls(model=model, tenant=tenant, tokens=estimates.tokens(request, model=model))


class Permit(Struct, frozen=True, kw_only=True):
    """Leave to make one call, and a slot for it. It is given back exactly once."""

    asked: Asked
    gate: Gate
    place: Place
    leave: Pass


class Use(Struct, kw_only=True):
    """A call that is being made; ``ended`` is set once it is over."""

    ended: Ended | None = None


class Admission:
    """One per worker. ``clock_s`` does not go back and goes on while the machine sleeps.

    ``account_of`` says by whose key a provider is called for a tenant: empty is that of the
    installation. What one account used up or broke is not held against another.
    """

    def __init__(
        self,
        *,
        rules: AdmissionRules,
        clock_s: Callable[[], float],
        metrics: Metrics,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        account_of: Callable[[str, str], str] = one_account,
    ) -> None:
        self._rules = rules
        self._clock_s = clock_s
        self._metrics = metrics
        self._sleep = sleep
        self._account_of = account_of
        self._gates: OrderedDict[tuple[str, str, str], Gate] = OrderedDict()
        self._waiting = 0

    async def admit(self, asked: Asked, *, slots: Slots) -> Permit:
        """Wait shortly where that helps, and return with one of ``slots`` taken.

        Raises AttemptFaultError, without a slot, when the call may not be made soon.
        """
        gate, now_s = self._gate(asked), self._clock_s()
        self._check(asked, gate)
        wait_s = gate.wait_s(asked.tokens, now_s=now_s)
        if wait_s > self._rules.wait_s or (wait_s > 0 and self._waiting >= self._rules.waiting):
            raise self._limited(asked, gate.send_away(asked.tokens, now_s=now_s))
        place = gate.line_up(asked.tokens, now_s=now_s)
        try:
            leave = await self._leave(asked, gate, wait_s=wait_s, slots=slots)
        except BaseException:
            gate.leave_line(place)
            raise
        return Permit(asked=asked, gate=gate, place=place, leave=leave)

    async def _leave(self, asked: Asked, gate: Gate, *, wait_s: float, slots: Slots) -> Pass:
        """Wait for the turn, for a slot, and for a pause that began meanwhile."""
        until_s = self._clock_s() + self._rules.wait_s
        while True:
            await self._wait(asked, wait_s)
            await slots.acquire()
            now_s = self._clock_s()
            wait_s = gate.pause_s(now_s=now_s)
            leave = gate.breaker.enter(now_s=now_s) if wait_s == 0 else None
            if leave is not None:
                self._show(asked, gate)
                return leave
            slots.release()
            self._check(asked, gate)
            if now_s + wait_s > until_s:
                raise self._limited(asked, gate.send_away(asked.tokens, now_s=now_s))

    async def _wait(self, asked: Asked, wait_s: float) -> None:
        if wait_s <= 0:
            return
        self._waiting += 1
        try:
            await self._sleep(wait_s)
        finally:
            self._waiting -= 1
        self._metrics.observe(names.RATE_WAIT, wait_s, provider=asked.model.provider)

    def unused(self, permit: Permit) -> None:
        """The call was not made; its slot is the caller's to release."""
        permit.gate.leave_line(permit.place)
        permit.gate.breaker.leave(permit.leave, "undecided", reason="", now_s=self._clock_s())
        self._show(permit.asked, permit.gate)

    @contextmanager
    def using(self, permit: Permit) -> Iterator[Use]:
        """Make the call inside; it is judged at the end of its stream, not at the beginning.

        Without an end it counts as not made.
        """
        use = Use()
        try:
            yield use
        finally:
            if use.ended is None:
                self.unused(permit)
            else:
                self._end(permit, use.ended)

    def _end(self, permit: Permit, ended: Ended) -> None:
        permit.gate.end(permit.place, permit.leave, ended=ended, now_s=self._clock_s())
        self._show(permit.asked, permit.gate)
        model = permit.asked.model
        self._metrics.count(
            names.PROVIDER_CALLS, provider=model.provider, model=model.name, ending=ended.reason
        )

    def hear(  # noqa: PLR0917 - the first is bound, the others are those of a response
        self, provider: str, model: str, tenant: str, headers: Mapping[str, str]
    ) -> None:
        """Take in the headers of an answer as it begins."""
        gate = self._gates.get((provider, model, self._account_of(provider, tenant)))
        if gate is not None:
            gate.hear(read_rates(headers), now_s=self._clock_s())

    def _gate(self, asked: Asked) -> Gate:
        model = asked.model
        key = (model.provider, model.name, self._account_of(model.provider, asked.tenant))
        gate = self._gates.get(key)
        if gate is None:
            self._forget()
            gate = self._gates[key] = Gate(
                limits=self._limits(model), rules=self._rules.breaker, now_s=self._clock_s()
            )
        self._gates.move_to_end(key)
        return gate

    def _forget(self) -> None:
        """Make room: the one that was not asked for the longest time goes."""
        if len(self._gates) < MAX_GATES:
            return
        idle = next((key for key, gate in self._gates.items() if gate.in_use == 0), None)
        if idle is not None:
            del self._gates[idle]
            self._metrics.forget(names.PROVIDER_BREAKER, provider=idle[0], model=idle[1])

    def _limits(self, model: Model) -> RateLimits:
        """The operator's word counts for each of the two, then the catalog's."""
        own = (
            self._rules.limits.get(f"{model.provider}/{model.name}"),
            self._rules.limits.get(model.provider),
            model.limits,
        )
        known = [limits for limits in own if limits is not None]
        return RateLimits(
            requests_per_minute=self._part([k.requests_per_minute for k in known]),
            tokens_per_minute=self._part([k.tokens_per_minute for k in known]),
        )

    def _part(self, limits: list[int | None]) -> int | None:
        limit = next((limit for limit in limits if limit is not None), None)
        return None if limit is None else max(int(limit * self._rules.share), 1)

    def _check(self, asked: Asked, gate: Gate) -> None:
        """Raises AttemptFaultError while the breaker lets nobody through."""
        breaker = gate.breaker
        wait_s = breaker.retry_after_s(now_s=self._clock_s())
        if wait_s is None:
            return
        where = f"{asked.model.provider}/{asked.model.name}"
        tried = "refused us" if breaker.barred else f"failed {breaker.failures} times in a row"
        code = breaker.reason if breaker.barred else "unavailable"
        raise self._declined(
            asked,
            Fault(
                code=code,
                message=f"{where} {tried} ({breaker.reason}); it is asked again in {wait_s:.0f} s",
                retryable=not breaker.barred,
                retry_after_s=wait_s,
            ),
        )

    def _limited(self, asked: Asked, wait_s: float) -> AttemptFaultError:
        where = f"{asked.model.provider}/{asked.model.name}"
        message = f"the rate limit of {where} leaves nothing for {wait_s:.0f} s"
        return self._declined(
            asked,
            Fault(code="rate_limited", message=message, retryable=True, retry_after_s=wait_s),
        )

    def _declined(self, asked: Asked, fault: Fault) -> AttemptFaultError:
        model = asked.model
        self._metrics.count(
            names.ATTEMPTS_DECLINED, provider=model.provider, model=model.name, reason=fault.code
        )
        return AttemptFaultError(fault=fault)

    def _show(self, asked: Asked, gate: Gate) -> None:
        """Accounts of tenants are not shown: a label never tells of one."""
        if not self._account_of(asked.model.provider, asked.tenant):
            self._metrics.set(
                names.PROVIDER_BREAKER,
                STATES[gate.breaker.state],
                provider=asked.model.provider,
                model=asked.model.name,
            )
