"""Composition of the agent worker: the only file that names concrete classes."""

import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import aiohttp
import structlog
from prometheus_client import CollectorRegistry

from facilitair_agent_worker.admission import Admission
from facilitair_agent_worker.claims import Claims
from facilitair_agent_worker.declaring import Declarer
from facilitair_agent_worker.errors import KeptForEverError
from facilitair_agent_worker.exclusive import ExclusiveSilence
from facilitair_agent_worker.jobs import Limits, Tools
from facilitair_agent_worker.ledger import Ledger
from facilitair_agent_worker.log_time import LogTime
from facilitair_agent_worker.readback import ReadBack
from facilitair_agent_worker.reports import Reports
from facilitair_agent_worker.settings import AgentWorkerSettings
from facilitair_agent_worker.silence import BuildSilence, Means
from facilitair_agent_worker.stops import Stops
from facilitair_agent_worker.tenant_keys import TenantKeys
from facilitair_agent_worker.tokens import TokenWriter
from facilitair_agent_worker.worker import SERVICE, AgentWorker, Rules
from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_events.topics import AGENT_TASKS, LLM_CALLS
from facilitair_llm.clients import build_chat_model
from facilitair_llm.endpoints import Endpoints
from facilitair_llm.network import url_refusal
from facilitair_llm.providers import ChatModel, Timeouts, build_session
from facilitair_llm.secret import Secret
from facilitair_llm.urls import is_loopback
from facilitair_messaging.ports import Log, Producer
from facilitair_observability.metrics import Metrics
from facilitair_observability.timestamps import now_ms
from facilitair_runtime.artifacts import DirectoryArtifacts
from facilitair_runtime.writable import WatchedLog, Writable

__all__ = ["SERVICE", "AgentWorker", "build_app"]

_log = structlog.get_logger()


def boottime_s() -> float:
    """A clock that goes on while the machine is suspended (R19)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def fresh_nonce() -> str:
    """A nonce is new in every process and every try, so it cannot follow from a cause."""
    return uuid.uuid4().hex


@asynccontextmanager
async def build_app(
    settings: AgentWorkerSettings,
    log: Log,
    *,
    endpoints: Endpoints,
    silence: BuildSilence = ExclusiveSilence,
) -> AsyncIterator[AgentWorker]:
    """Build a worker on a log; every start is an incarnation of its own.

    ``silence`` is how it knows that others are dead: ``ExclusiveSilence`` where one process has the
    log to itself, ``LeasedSilence`` where several share it.
    """
    writable = Writable()
    log = WatchedLog(log, writable)
    async with AsyncExitStack() as stack:
        sessions = {
            home: await stack.enter_async_context(
                build_session(settings.network_rules(loopback=home))
            )
            for home in (True, False)
        }
        stream = await stack.enter_async_context(log.producer())
        control = await stack.enter_async_context(log.producer())
        metrics, read_back = Metrics(CollectorRegistry()), ReadBack(log)
        reports = Reports(producer=control, wall_ms=now_ms)
        means = _means(settings, producer=control, reports=reports, metrics=metrics)
        tenant_keys = TenantKeys(
            master_keys=endpoints.master_keys,
            endpoints=endpoints.by_provider,
            required=settings.require_tenant_keys,
        )
        admission = Admission(
            rules=settings.admission,
            clock_s=boottime_s,
            metrics=metrics,
            account_of=tenant_keys.account_of,
        )
        tools = Tools(
            ledger=means.ledger,
            claims=means.claims,
            admission=admission,
            stops=Stops(kept_ms=_kept_ms(AGENT_TASKS)),
            tokens=TokenWriter(producer=stream, read_back=read_back, metrics=metrics),
            reports=reports,
            silence=silence(means),
            metrics=metrics,
            artifacts=DirectoryArtifacts(settings.home / "artifacts"),
            models=_models(
                settings,
                endpoints,
                sessions=sessions,
                key_of=tenant_keys.key_of,
                admission=admission,
            ),
            clock_s=boottime_s,
        )
        rules = Rules(
            member=settings.member,
            limits=Limits(
                calls_in_flight=settings.calls_in_flight,
                max_output_bytes=settings.max_output_bytes,
                use_s=settings.lease.use_s,
                batch_share=settings.batch_share,
            ),
            drain_s=settings.process.deadline_s(),
            health=settings.health,
            rejections=settings.rejections.limit(),
        )
        yield AgentWorker(
            log=log,
            rules=rules,
            tools=tools,
            tenant_keys=tenant_keys,
            read_back=read_back,
            writable=writable,
        )


def _means(
    settings: AgentWorkerSettings, *, producer: Producer, reports: Reports, metrics: Metrics
) -> Means:
    lease, incarnation = settings.lease, fresh_nonce()
    ledger = Ledger(kept_ms=_kept_ms(LLM_CALLS), time=LogTime(longest_gap_ms=lease.longest_gap_ms))
    claims = Claims(
        producer=producer,
        ledger=ledger,
        incarnation=incarnation,
        clock_s=boottime_s,
        wall_ms=now_ms,
        new_nonce=fresh_nonce,
    )
    return Means(
        ledger=ledger,
        claims=claims,
        declarer=Declarer(ledger=ledger, claims=claims, reports=reports),
        lease=lease,
        incarnation=incarnation,
        metrics=metrics,
    )


def _kept_ms(topic: str) -> int:
    """How long the log may hold a record of a topic that expires: its segment goes as a whole."""
    spec = Registry.load(topics_dir()).spec(topic)
    if spec.retention_ms is None:
        raise KeptForEverError(topic=topic)
    return spec.retention_ms + (spec.segment_ms or 0)


def _models(
    settings: AgentWorkerSettings,
    endpoints: Endpoints,
    *,
    sessions: Mapping[bool, aiohttp.ClientSession],
    key_of: Callable[[str, str], Secret | None],
    admission: Admission,
) -> dict[str, ChatModel]:
    """Who is called for which provider.

    ``sessions[True]`` reaches this machine: only endpoints get it whose base URL says so.
    ``key_of`` is asked for the key of provider and tenant, once per call.
    """
    for provider, endpoint in endpoints.by_provider.items():
        rules = settings.network_rules(loopback=is_loopback(endpoint.base_url))
        problem = url_refusal(endpoint.base_url, rules)
        if problem is not None:
            _log.warning("calls of a provider will be refused", provider=provider, reason=problem)
    timeouts = Timeouts(
        connect_s=settings.timeouts.connect_s,
        first_byte_s=settings.timeouts.first_byte_s,
        idle_s=settings.timeouts.idle_s,
    )
    return {
        provider: build_chat_model(
            endpoint,
            session=sessions[is_loopback(endpoint.base_url)],
            timeouts=timeouts,
            limits=settings.response_limits(),
            key_of=partial(key_of, provider),
            heard=partial(admission.hear, provider),
        )
        for provider, endpoint in endpoints.by_provider.items()
    }
