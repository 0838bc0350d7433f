"""The life of one gateway: catch up, apply the definitions, serve, send everybody away."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, ExitStack
from pathlib import Path
from typing import Final

from msgspec import Struct
from starlette.types import ASGIApp

from facilitair_events.topics import (
    CATALOG,
    COLLABORATION_STREAM,
    CREDENTIALS,
    QUERY_REPLIES,
    TENANTS,
)
from facilitair_gateway.adapters.uvicorn_server import serving, url_of
from facilitair_gateway.applying import Applied, apply
from facilitair_gateway.authority import Authority
from facilitair_gateway.credentials import Credentials
from facilitair_gateway.definitions import Catalog
from facilitair_gateway.hub import StreamHub
from facilitair_messaging.ports import Admin, Producer
from facilitair_messaging.request_reply import Replies
from facilitair_messaging.view import CompactedView
from facilitair_observability.metrics import Metrics
from facilitair_observability.timestamps import now_ms
from facilitair_runtime.adapters.run_files import announced
from facilitair_runtime.liveness import Beat
from facilitair_runtime.places import reader_places
from facilitair_runtime.settings import HealthGroup
from facilitair_runtime.vitals import Check, Vitals
from facilitair_runtime.writable import Writable
from facilitair_workflows.documents import CatalogRecord

SERVICE: Final = "gateway"


class Collaborators(Struct, frozen=True, kw_only=True):
    """What a gateway works with. ``replies`` opens the reader of answers, for one run."""

    sock: socket.socket
    home: Path
    member: str
    graceful_s: float
    heartbeat_s: float
    catalog: CompactedView[CatalogRecord]
    applied: Applied
    wanted: Catalog
    newest_logic: int
    producer: Producer
    hub: StreamHub
    authority: Authority
    credentials: Credentials
    replies: Callable[[], AbstractAsyncContextManager[Replies]]
    api: Callable[[Replies], ASGIApp]
    metrics: Metrics
    admin: Admin
    health: HealthGroup
    writable: Writable


def announced_names(member: str) -> tuple[str, ...]:
    """What a replica is found under; clients look for ``gateway``, which is the first one."""
    return (SERVICE, member) if member.endswith("-0") else (member,)


class Gateway:
    """One gateway process. Its address is taken when it is built, and served while it runs."""

    def __init__(self, collaborators: Collaborators) -> None:
        self._with = collaborators
        self._serving = False
        self._replies: Replies | None = None
        self.vitals: Final = self._vitals()
        self.url: Final = url_of(collaborators.sock)

    @property
    def metrics(self) -> Metrics:
        """What it counts."""
        return self._with.metrics

    @property
    def hub(self) -> StreamHub:
        """Who watches what."""
        return self._with.hub

    def ready(self) -> bool:
        """Whether requests are served, with all definitions applied."""
        return not self.vitals.not_ready()

    def live(self) -> bool:
        """Whether the stream and all views are being read."""
        return not self.vitals.not_live()

    def _vitals(self) -> Vitals:
        parts = self._with
        view, credentials = parts.authority.view, parts.credentials.view
        return Vitals(
            limits=parts.health.limits(),
            look_s=parts.health.look_s,
            beats=self._beats,
            checks=(
                _reading(CATALOG, lambda: parts.catalog.ready),
                _reading(TENANTS, lambda: view.ready),
                _reading(CREDENTIALS, lambda: credentials.ready),
                _reading(COLLABORATION_STREAM, lambda: parts.hub.started),
                Check(
                    condition="not_serving",
                    holds=lambda: self._serving,
                    detail="definitions are being applied, or it is stopping",
                ),
            ),
            places=lambda: reader_places(
                parts.admin,
                {
                    **parts.catalog.positions,
                    **view.positions,
                    **credentials.positions,
                    **parts.hub.positions,
                },
            ),
            writable=parts.writable,
        )

    def _beats(self) -> tuple[Beat, ...]:
        parts = self._with
        replies = None if self._replies is None else self._replies.moved_at
        return (
            Beat(loop=COLLABORATION_STREAM, moved_at=parts.hub.polled_at),
            Beat(loop=CATALOG, moved_at=parts.catalog.moved_at),
            Beat(loop=TENANTS, moved_at=parts.authority.view.moved_at),
            Beat(loop=CREDENTIALS, moved_at=parts.credentials.view.moved_at),
            Beat(loop=QUERY_REPLIES, moved_at=replies),
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until ``stop``; then viewers are sent away with a hint and requests may end."""
        parts = self._with
        async with parts.replies() as replies, asyncio.TaskGroup() as background:
            self._replies = replies
            tasks = [
                background.create_task(parts.catalog.run()),
                background.create_task(parts.hub.run()),
                background.create_task(parts.authority.view.run()),
                background.create_task(parts.credentials.view.run()),
                background.create_task(parts.authority.access.run()),
            ]
            await parts.catalog.wait_ready()
            await apply(
                parts.wanted,
                catalog=parts.catalog.items(),
                applied=parts.applied,
                producer=parts.producer,
                now_ms=now_ms,
                newest_logic=parts.newest_logic,
            )
            await parts.hub.wait_started()
            await parts.authority.view.wait_ready()
            await parts.credentials.view.wait_ready()
            parts.authority.access.announce()
            await self._serve(parts.api(replies), stop)
            for task in tasks:
                task.cancel()

    async def _serve(self, api: ASGIApp, stop: asyncio.Event) -> None:
        parts = self._with
        async with serving(
            api, parts.sock, graceful_s=parts.graceful_s, heartbeat_s=parts.heartbeat_s
        ) as server:
            with ExitStack() as announcements:
                for name in announced_names(parts.member):
                    announcements.enter_context(announced(parts.home, name, url=self.url))
                self._serving = True
                stopping = asyncio.create_task(stop.wait())
                await asyncio.wait([stopping, server], return_when=asyncio.FIRST_COMPLETED)
                stopping.cancel()
                self._serving = False
            parts.hub.drain()
        await server


def _reading(topic: str, holds: Callable[[], bool]) -> Check:
    return Check(
        condition=f"reading_{topic.replace('-', '_')}", holds=holds, detail=f"{topic} is being read"
    )
