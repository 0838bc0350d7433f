"""Running attempts: claim, call, stream, report (PROTOCOL R17-R23)."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import partial

import structlog

from facilitair_agent_worker.admission import Asked, Permit
from facilitair_agent_worker.call_endings import ended_of
from facilitair_agent_worker.calling import Answer, Caller
from facilitair_agent_worker.claims import Claim
from facilitair_agent_worker.errors import AttemptFaultError, UnknownProviderError
from facilitair_agent_worker.jobs import Job, Limits, Tools
from facilitair_agent_worker.ledger import AttemptKey
from facilitair_agent_worker.openings import opening
from facilitair_agent_worker.outcomes import attempt_report, call_report, voided
from facilitair_agent_worker.prompts import Prepared, prepare
from facilitair_agent_worker.reservations import check_reservation
from facilitair_agent_worker.slots import CallSlots
from facilitair_events.envelope import Envelope
from facilitair_events.keys import split_task_key
from facilitair_events.requests import AttemptReported, Fault
from facilitair_events.work import FinishedCall
from facilitair_llm.providers import ChatModel
from facilitair_messaging.crash_points import crash_point
from facilitair_observability import names
from facilitair_runtime.artifacts import load_text
from facilitair_runtime.errors import ArtifactError


class Attempts:
    """Takes tasks, and runs the calls that follow from them as tasks of ``group``.

    ``take`` returns once the task's record is not needed any more: when the claim was read back, or
    when the answer is acked (R21).
    """

    def __init__(self, *, tools: Tools, limits: Limits, group: asyncio.TaskGroup) -> None:
        self._tools = tools
        self._limits = limits
        self._group = group
        self._slots = CallSlots(limit=limits.calls_in_flight, batch_share=limits.batch_share)
        self._held: set[AttemptKey] = set()
        self._starting: dict[AttemptKey, asyncio.Event] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._due: dict[AttemptKey, float] = {}

    @property
    def running(self) -> int:
        """How many attempts this process holds."""
        return len(self._held)

    def full(self) -> bool:
        """Whether no further call may start, because calls that still have time take all slots."""
        now_s = self._tools.clock_s()
        return self._slots.locked() and any(due_s > now_s for due_s in self._due.values())

    async def drain(self, deadline_s: float) -> None:
        """Let running calls finish; what is left is cut off, and the next owner declares it."""
        if self._calls:
            await asyncio.wait(self._calls, timeout=deadline_s)
        for call in list(self._calls):
            call.cancel()

    async def take(self, job: Job) -> None:
        """Start an attempt, unless it was ever claimed or is stopped.

        A task that is delivered again while its attempt starts waits for the same end: without a
        claim in the log, its record is all that remembers it.
        """
        await self._begin(job.key, partial(self._start, job))

    async def reject(self, key: AttemptKey, *, cause: Envelope, fault: Fault) -> None:
        """Answer an attempt whose task cannot be used, unless it was ever claimed.

        It is claimed first: put back from the dead letters, its task must not be paid for.
        """
        await self._begin(key, partial(self._decline, key, cause=cause, fault=fault))

    async def _begin(self, key: AttemptKey, start: Callable[[], Awaitable[bool]]) -> None:
        while (starting := self._starting.get(key)) is not None:
            await starting.wait()
        if key in self._held or self._tools.ledger.claimed(key.task, key.attempt):
            return
        self._held.add(key)
        self._starting[key] = asyncio.Event()
        started = False
        try:
            started = await start()
        finally:
            self._starting.pop(key).set()
            if not started:
                self._held.discard(key)

    async def _start(self, job: Job) -> bool:
        """True when a call was claimed and goes on in the background."""
        reason = self._tools.stops.reason(job.key)
        if reason is not None:
            fault = Fault(code="stopped", message=f"stopped: {reason}")
            await self._refuse(job.key, cause=job.cause, fault=fault)
            return False
        try:
            prepared = await prepare(job.task, artifacts=self._tools.artifacts)
            model = self._model(prepared)
            if prepared.finished is not None:
                await self._reuse(job, prepared, finished=prepared.finished)
                return False
            check_reservation(
                job.task, prepared, estimates=self._tools.estimates, at_ms=self._tools.wall_ms()
            )
            permit = await self._tools.admission.admit(
                Asked.of(
                    prepared.request,
                    model=prepared.model,
                    tenant=job.cause.tenant,
                    estimates=self._tools.estimates,
                ),
                slots=self._slots.of(job.task.priority),
            )
        except AttemptFaultError as error:
            return await self._decline(
                job.key, cause=job.cause, fault=error.fault, needed_usd=error.needed_usd
            )
        return await self._claim(job, prepared, model=model, permit=permit)

    def _model(self, prepared: Prepared) -> ChatModel:
        try:
            return self._tools.models[prepared.model.provider]
        except KeyError:
            error = UnknownProviderError(
                provider=prepared.model.provider, known=tuple(self._tools.models)
            )
            fault = Fault(code="provider_unknown", message=str(error))
            raise AttemptFaultError(fault=fault) from error

    async def _claim(
        self, job: Job, prepared: Prepared, *, model: ChatModel, permit: Permit
    ) -> bool:
        claim = None
        try:
            claim = await self._tools.claims.claim(job.key, index=0, cause=job.cause)
        finally:
            if claim is None:
                self._tools.admission.unused(permit)
                self._slots.of(job.task.priority).release()
        if claim is None:
            return False
        self._due[job.key] = self._tools.clock_s() + job.task.timeout_s
        call = self._group.create_task(
            self._run(job, prepared, claim=claim, model=model, permit=permit)
        )
        self._calls.add(call)
        call.add_done_callback(self._ended)
        self._tools.metrics.set(names.CALLS_IN_FLIGHT, len(self._calls))
        return True

    def _ended(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        self._tools.metrics.set(names.CALLS_IN_FLIGHT, len(self._calls))

    async def _run(
        self, job: Job, prepared: Prepared, *, claim: Claim, model: ChatModel, permit: Permit
    ) -> None:
        try:
            with (
                structlog.contextvars.bound_contextvars(
                    collaboration=job.task.collaboration,
                    step=job.task.path,
                    attempt=job.task.attempt,
                ),
                self._tools.silence.holding(claim),
            ):
                await self._call(job, prepared, claim=claim, model=model, permit=permit)
        finally:
            self._slots.of(job.task.priority).release()
            self._held.discard(job.key)
            self._due.pop(job.key, None)

    async def _call(
        self, job: Job, prepared: Prepared, *, claim: Claim, model: ChatModel, permit: Permit
    ) -> None:
        tools, stream = self._tools, job.stream
        began_s = tools.clock_s()
        if began_s - claim.sent_s > self._limits.use_s:
            tools.admission.unused(permit)
            await self._void(job, claim)
            return
        tools.tokens.open(stream, opening(job.task, prepared.model, cause=job.cause))
        if prepared.earlier:
            tools.tokens.write(stream, prepared.earlier)
        caller = Caller(
            model=model,
            on_text=partial(tools.tokens.write, stream),
            max_output_bytes=self._limits.max_output_bytes - len(prepared.earlier.encode()),
        )
        tools.stops.watch(
            job.key, lambda: caller.stop(tools.stops.reason(job.key) or "asked to stop")
        )
        try:
            with tools.admission.using(permit) as use:
                answer = await caller.call(
                    prepared.request,
                    call_id=claim.call_id,
                    tenant=job.cause.tenant,
                    timeout_s=job.task.timeout_s,
                )
                use.ended = ended_of(answer, timeout_s=job.task.timeout_s)
        finally:
            tools.stops.unwatch(job.key)
        duration_ms = round((tools.clock_s() - began_s) * 1000)
        await tools.tokens.flush()
        crash_point("last_chunk_acked")
        await self._report(job, prepared, claim=claim, answer=answer, duration_ms=duration_ms)

    async def _void(self, job: Job, claim: Claim) -> None:
        """Too much time passed since the claim was sent: somebody may think us dead (R19)."""
        await self._tools.claims.void(claim)
        await self._tools.reports.send(job.key.task, [voided(job, claim)], cause=job.cause)
        await self._tools.claims.done(claim, outcome="void", last=True)

    async def _report(
        self, job: Job, prepared: Prepared, *, claim: Claim, answer: Answer, duration_ms: int
    ) -> None:
        tools = self._tools
        call = await call_report(
            tools, job, prepared=prepared, claim=claim, answer=answer, duration_ms=duration_ms
        )
        text = prepared.earlier + answer.text
        attempt = await attempt_report(tools, job, text=text, fault=answer.fault)
        await tools.reports.send(job.key.task, [call, attempt], cause=job.cause)
        await tools.claims.done(claim, outcome=call.outcome, last=True)
        tools.metrics.observe(names.CALL_DURATION, duration_ms / 1000, outcome=call.outcome)
        log = structlog.get_logger()
        log.info("call reported", outcome=call.outcome, duration_ms=duration_ms)

    async def _reuse(self, job: Job, prepared: Prepared, *, finished: FinishedCall) -> None:
        """Answer with a call that an earlier attempt paid for (R22)."""
        tools, stream = self._tools, job.stream
        try:
            text = await load_text(tools.artifacts, finished.output)
        except ArtifactError as error:
            fault = Fault(code="text_missing", message=str(error))
            raise AttemptFaultError(fault=fault) from error
        tools.tokens.open(stream, opening(job.task, prepared.model, cause=job.cause))
        text = prepared.earlier + text
        tools.tokens.write(stream, text)
        await tools.tokens.flush()
        report = await attempt_report(tools, job, text=text, fault=None)
        await tools.reports.send(job.key.task, [report], cause=job.cause)

    async def _decline(
        self,
        key: AttemptKey,
        *,
        cause: Envelope,
        fault: Fault,
        needed_usd: Decimal | None = None,
    ) -> bool:
        """Claim, void and answer what this process cannot call (R24); nothing goes on then.

        Another one might: without the claim it could take the task again before its offset is
        committed, and pay for an attempt that is closed.
        """
        claims = self._tools.claims
        claim = await claims.claim(key, index=0, cause=cause)
        if claim is None:
            return False
        with self._tools.silence.holding(claim):
            await claims.void(claim)
            await self._refuse(key, cause=cause, fault=fault, needed_usd=needed_usd)
            await claims.done(claim, outcome="void", last=True)
        return False

    async def _refuse(
        self,
        key: AttemptKey,
        *,
        cause: Envelope,
        fault: Fault,
        needed_usd: Decimal | None = None,
    ) -> None:
        """Answer a task that is never called, at cost 0."""
        _, _, path = split_task_key(key.task)
        report = AttemptReported(
            path=path, attempt=key.attempt, outcome="failed", fault=fault, needed_usd=needed_usd
        )
        await self._tools.reports.send(key.task, [report], cause=cause)
