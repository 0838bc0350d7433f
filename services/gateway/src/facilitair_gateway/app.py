"""Composition of the gateway: the only file that names concrete classes."""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Final

from prometheus_client import CollectorRegistry

from facilitair_events.catalog import LabelMoved, VersionPublished
from facilitair_events.definitions import Model
from facilitair_events.topics import CATALOG
from facilitair_gateway.adapters.uvicorn_server import bind, serving, url_of
from facilitair_gateway.applying import Applied, apply
from facilitair_gateway.definitions import Catalog, model_name, records_of
from facilitair_gateway.hub import StreamHub
from facilitair_gateway.identifiers import uuid7
from facilitair_gateway.inbox import Inbox
from facilitair_gateway.routes.api import build_api
from facilitair_gateway.routes.callers import Limits, Parts
from facilitair_gateway.routes.streaming import Streaming
from facilitair_gateway.settings import GatewaySettings
from facilitair_gateway.viewing import Viewing
from facilitair_llm.catalog import load_models
from facilitair_llm.endpoints import Endpoints, resolve_default_model
from facilitair_messaging.ports import Log, Producer
from facilitair_messaging.request_reply import Replies, open_replies
from facilitair_messaging.view import CompactedView
from facilitair_observability.metrics import Metrics
from facilitair_observability.timestamps import now_ms
from facilitair_runtime.adapters.run_files import announced
from facilitair_runtime.artifacts import DirectoryArtifacts
from facilitair_workflows.documents import CatalogRecord
from facilitair_workflows.loading import load_directory

SERVICE: Final = "gateway"

_LIVE_S: Final = 30.0
"""The stream is polled at least every few seconds."""


def fresh_id() -> str:
    """An id that no other process gives; ids of later milliseconds sort behind."""
    return uuid7(now_ms(), secrets.token_bytes(10))


class Gateway:
    """One gateway process. Its address is taken when it is built, and served while it runs."""

    def __init__(
        self,
        *,
        settings: GatewaySettings,
        log: Log,
        sock: socket.socket,
        wanted: Catalog,
        default_model: Model,
        producer: Producer,
        metrics: Metrics,
    ) -> None:
        self.url: Final = url_of(sock)
        self.metrics: Final = metrics
        self._settings = settings
        self._log = log
        self._sock = sock
        self._wanted = wanted
        self._default_model = default_model
        self._producer = producer
        self._serving = False
        self._applied = Applied()
        self._catalog: CompactedView[CatalogRecord] = CompactedView(
            log=log,
            topic=CATALOG,
            types=(VersionPublished, LabelMoved),
            metrics=metrics,
            on_change=self._applied.on_change,
        )
        self.hub: Final = StreamHub(
            log,
            ring_bytes=settings.stream.ring_bytes,
            client_buffer_bytes=settings.stream.client_buffer_bytes,
            replay_readers=settings.stream.replay_readers,
            heartbeat_s=settings.stream.heartbeat_s,
            metrics=metrics,
        )

    def ready(self) -> bool:
        """Whether requests are served, with all definitions applied."""
        return self._serving and self._catalog.ready and self.hub.started

    def live(self) -> bool:
        """Whether the stream is being read."""
        if not self.hub.started:
            return True
        return asyncio.get_running_loop().time() - self.hub.polled_at < _LIVE_S

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until ``stop``; then viewers are sent away with a hint and requests may end."""
        replies = open_replies(log=self._log, new_correlation=fresh_id, metrics=self.metrics)
        async with replies as answered, asyncio.TaskGroup() as background:
            tasks = [
                background.create_task(self._catalog.run()),
                background.create_task(self.hub.run()),
            ]
            await self._catalog.wait_ready()
            await apply(
                self._wanted,
                catalog=self._catalog.items(),
                applied=self._applied,
                producer=self._producer,
                now_ms=now_ms,
            )
            await self.hub.wait_started()
            await self._serve(answered, stop)
            for task in tasks:
                task.cancel()

    async def _serve(self, replies: Replies, stop: asyncio.Event) -> None:
        settings = self._settings
        inbox = Inbox(
            self._producer,
            replies,
            timeout_s=settings.request_timeout_s,
            now_ms=now_ms,
            fresh_id=fresh_id,
        )
        viewing = Viewing(self._log, self.hub, inbox=inbox)
        parts = Parts(
            inbox=inbox,
            hub=self.hub,
            viewing=viewing,
            catalog=self._catalog.items(),
            default_model=self._default_model,
            artifacts=DirectoryArtifacts(settings.home / "artifacts"),
            limits=Limits(
                max_body_bytes=settings.max_body_bytes, max_task_bytes=settings.max_task_bytes
            ),
        )
        streaming = Streaming(self.hub, viewing, retry_ms=settings.stream.retry_ms)
        api = build_api(parts, streaming)
        # Half of the deadline for open requests, so that what follows has time too.
        graceful_s = settings.process.deadline_s() / 2
        async with serving(api, self._sock, graceful_s=graceful_s) as server:
            with announced(settings.home, SERVICE, url=self.url):
                self._serving = True
                stopping = asyncio.create_task(stop.wait())
                await asyncio.wait([stopping, server], return_when=asyncio.FIRST_COMPLETED)
                stopping.cancel()
                self._serving = False
            self.hub.drain()
        await server


@asynccontextmanager
async def build_app(
    settings: GatewaySettings, log: Log, *, endpoints: Endpoints
) -> AsyncIterator[Gateway]:
    """Build a gateway on a log.

    ``endpoints`` say which model agents run on that name none.
    Raises what the definition files are refused with, and OSError when the address is taken.
    """
    models = load_models(settings.definitions / "models")
    names = {model_name(model) for model in models.models}
    documents = load_directory(settings.definitions, models=names)
    sock = bind(settings.host, settings.port, send_timeout_s=settings.stream.send_timeout_s)
    with closing(sock):
        async with log.producer() as producer:
            yield Gateway(
                settings=settings,
                log=log,
                sock=sock,
                wanted=records_of(documents, models),
                default_model=resolve_default_model(endpoints, models),
                producer=producer,
                metrics=Metrics(CollectorRegistry()),
            )
