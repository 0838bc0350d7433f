"""Composition of the gateway: which concrete classes it is made of."""

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial
from typing import TypeVar

from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from facilitair_events.catalog import LabelMoved, VersionPublished
from facilitair_events.definitions import Model
from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_events.topics import CATALOG, SERVICES
from facilitair_gateway.access import Secrets
from facilitair_gateway.accounts import Accounts
from facilitair_gateway.adapters.uvicorn_server import bind
from facilitair_gateway.applying import Applied
from facilitair_gateway.authority import Authority, build_authority
from facilitair_gateway.credentials import Credentials, build_credentials
from facilitair_gateway.definition_files import load_definitions
from facilitair_gateway.definitions import Catalog, records_of
from facilitair_gateway.entry_export import EntryExport
from facilitair_gateway.gateway import SERVICE, Collaborators, Gateway
from facilitair_gateway.guesses import Guesses
from facilitair_gateway.hub import StreamHub
from facilitair_gateway.inbox import Inbox
from facilitair_gateway.letters.desk import LetterDesk
from facilitair_gateway.letters.reading import LetterReader
from facilitair_gateway.logic import LogicSwitch
from facilitair_gateway.model_rules import ModelRules, rules_for
from facilitair_gateway.routes.api import build_api
from facilitair_gateway.routes.callers import Limits, Parts, fresh_id
from facilitair_gateway.routes.socket_session import SocketLimits, SocketParts
from facilitair_gateway.routes.sockets import Sockets
from facilitair_gateway.routes.streaming import Streaming
from facilitair_gateway.settings import GatewaySettings, SocketsGroup
from facilitair_gateway.topic_admin import TopicAdmin
from facilitair_gateway.viewing import Viewing
from facilitair_llm.endpoints import Endpoints, resolve_default_model
from facilitair_messaging.ports import Log, Producer
from facilitair_messaging.request_reply import Replies, open_replies
from facilitair_messaging.view import CompactedView
from facilitair_observability.metrics import Metrics
from facilitair_observability.timestamps import now_ms
from facilitair_runtime.artifacts import DirectoryArtifacts
from facilitair_runtime.writable import WatchedLog, Writable
from facilitair_workflows.decide import KNOWN_LOGIC
from facilitair_workflows.documents import CatalogRecord

Asking = TypeVar("Asking", Inbox, Accounts)

__all__ = ["SERVICE", "Gateway", "build_app"]


@asynccontextmanager
async def build_app(
    settings: GatewaySettings, log: Log, *, endpoints: Endpoints
) -> AsyncIterator[Gateway]:
    """Build a gateway on a log.

    ``endpoints`` say which model agents run on that name none.
    Raises what the definition files are refused with, and OSError when the address is taken.
    """
    writable = Writable()
    log = WatchedLog(log, writable)
    documents, models = load_definitions(settings.definitions)
    default_model = resolve_default_model(endpoints, models)
    rules = rules_for(
        endpoints,
        models,
        default_model=default_model,
        required_tags=settings.models.required_tags,
        allowed=settings.models.allowed,
    )
    sock = bind(settings.host, settings.port, send_timeout_s=settings.stream.send_timeout_s)
    with closing(sock):
        async with log.producer() as producer:
            metrics, applied = Metrics(CollectorRegistry()), Applied()
            logic = LogicSwitch(
                producer, timeout_s=settings.request_timeout_s, now_ms=now_ms, known=KNOWN_LOGIC
            )
            catalog = _catalog(log, applied, logic, metrics=metrics)
            hub = _hub(settings, log, metrics=metrics)
            authority = _authority(settings, log, producer=producer, metrics=metrics)
            credentials = build_credentials(
                log,
                producer,
                endpoints=endpoints,
                timeout_s=settings.request_timeout_s,
                now_ms=now_ms,
                fresh_id=fresh_id,
                entropy=secrets.token_bytes,
                metrics=metrics,
            )

            def api(replies: Replies) -> ASGIApp:
                inbox = _asking(Inbox, settings, producer, replies=replies)
                accounts = _asking(Accounts, settings, producer, replies=replies)
                letters = _letters(settings, log, producer=producer, inbox=inbox, metrics=metrics)
                return _api(
                    settings,
                    log,
                    inbox=inbox,
                    accounts=accounts,
                    metrics=metrics,
                    letters=letters,
                    hub=hub,
                    authority=authority,
                    credentials=credentials,
                    catalog=catalog.items(),
                    logic=logic,
                    default_model=default_model,
                    model_rules=rules,
                )

            yield Gateway(
                Collaborators(
                    sock=sock,
                    home=settings.home,
                    member=settings.member,
                    # Half of the deadline for open requests, so that what follows has time too.
                    graceful_s=settings.process.deadline_s() / 2,
                    heartbeat_s=settings.stream.heartbeat_s,
                    catalog=catalog,
                    applied=applied,
                    wanted=records_of(documents, models),
                    newest_logic=KNOWN_LOGIC,
                    producer=producer,
                    hub=hub,
                    authority=authority,
                    credentials=credentials,
                    replies=partial(
                        open_replies, log=log, new_correlation=fresh_id, metrics=metrics
                    ),
                    api=api,
                    metrics=metrics,
                    admin=log.admin(),
                    health=settings.health,
                    writable=writable,
                )
            )


def _catalog(  # noqa: PLR0917 - the log, and who is told
    log: Log, applied: Applied, logic: LogicSwitch, *, metrics: Metrics
) -> CompactedView[CatalogRecord]:
    def on_change(key: str, record: CatalogRecord | None) -> None:
        applied.on_change(key, record)
        logic.on_change(key, record)

    return CompactedView(
        log=log,
        topic=CATALOG,
        types=(VersionPublished, LabelMoved),
        metrics=metrics,
        on_change=on_change,
    )


def _hub(settings: GatewaySettings, log: Log, *, metrics: Metrics) -> StreamHub:
    return StreamHub(
        log,
        ring_bytes=settings.stream.ring_bytes,
        client_buffer_bytes=settings.stream.client_buffer_bytes,
        replay_readers=settings.stream.replay_readers,
        heartbeat_s=settings.stream.heartbeat_s,
        request_timeout_s=settings.request_timeout_s,
        metrics=metrics,
    )


def _authority(
    settings: GatewaySettings, log: Log, *, producer: Producer, metrics: Metrics
) -> Authority:
    pepper, admin_key = settings.key_pepper, settings.admin_key
    return build_authority(
        log,
        producer,
        secrets=Secrets(
            pepper=None if pepper is None else pepper.get_secret_value(),
            admin_key=None if admin_key is None else admin_key.get_secret_value(),
        ),
        guesses=Guesses(
            burst=settings.wrong_keys_burst,
            per_s=settings.wrong_keys_per_s,
            clock=time.monotonic,
        ),
        environment=settings.environment,
        timeout_s=settings.request_timeout_s,
        now_ms=now_ms,
        fresh_id=fresh_id,
        metrics=metrics,
    )


def _asking(  # noqa: PLR0917 - who asks, and what it asks with
    kind: type[Asking], settings: GatewaySettings, producer: Producer, *, replies: Replies
) -> Asking:
    timeout_s = settings.request_timeout_s
    return kind(producer, replies, timeout_s=timeout_s, now_ms=now_ms, fresh_id=fresh_id)


def _letters(
    settings: GatewaySettings, log: Log, *, producer: Producer, inbox: Inbox, metrics: Metrics
) -> LetterDesk:
    registry = Registry.load(topics_dir())
    return LetterDesk(
        log,
        LetterReader(log, registry, read_s=settings.letters_read_s, metrics=metrics),
        producer=producer,
        inbox=inbox,
        timeout_s=settings.request_timeout_s,
        now_ms=now_ms,
        fresh_id=fresh_id,
    )


def _api(  # noqa: PLR0913 - everything that routes work with
    settings: GatewaySettings,
    log: Log,
    *,
    inbox: Inbox,
    accounts: Accounts,
    metrics: Metrics,
    letters: LetterDesk,
    hub: StreamHub,
    authority: Authority,
    credentials: Credentials,
    catalog: Catalog,
    logic: LogicSwitch,
    default_model: Model,
    model_rules: ModelRules,
) -> ASGIApp:
    viewing = Viewing(log, hub, inbox=inbox)
    limits = Limits(max_body_bytes=settings.max_body_bytes, max_task_bytes=settings.max_task_bytes)
    parts = Parts(
        inbox=inbox,
        hub=hub,
        viewing=viewing,
        catalog=catalog,
        logic=logic,
        default_model=default_model,
        model_rules=model_rules,
        artifacts=DirectoryArtifacts(settings.home / "artifacts"),
        access=authority.access,
        administration=authority.administration,
        credentials=credentials,
        topics=TopicAdmin(
            log.admin(), Registry.load(topics_dir()).topics.values(), groups=SERVICES
        ),
        letters=letters,
        limits=limits,
        accounts=accounts,
        entries=EntryExport(
            log,
            at_once=settings.exports_at_once,
            request_timeout_s=settings.request_timeout_s,
            metrics=metrics,
        ),
        policy=settings.policy.model_dump(),
        now_ms=now_ms,
    )
    access, retry_ms = authority.access, settings.stream.retry_ms
    streaming = Streaming(hub, viewing, access=access, retry_ms=retry_ms)
    return build_api(parts, streaming=streaming, sockets=_sockets(settings.sockets, parts))


def _sockets(settings: SocketsGroup, parts: Parts) -> Sockets:
    shared = SocketParts(
        hub=parts.hub,
        viewing=parts.viewing,
        inbox=parts.inbox,
        access=parts.access,
        limits=SocketLimits(
            max_subscriptions=settings.max_subscriptions,
            frames_per_s=settings.frames_per_s,
            burst_frames=settings.burst_frames,
        ),
        fresh_id=fresh_id,
    )
    return Sockets(shared, allowed_origins=frozenset(settings.allowed_origins))
