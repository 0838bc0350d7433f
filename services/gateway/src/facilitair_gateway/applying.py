"""Brings the catalog to what the definition files say; done before the gateway is ready."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from facilitair_events.catalog import VersionPublished
from facilitair_events.codec import type_name
from facilitair_events.envelope import Envelope, timestamp
from facilitair_events.ids import derive
from facilitair_events.topics import CATALOG
from facilitair_gateway.definitions import Catalog, to_apply
from facilitair_gateway.errors import DefinitionsNotShownError
from facilitair_messaging.messages import message
from facilitair_messaging.ports import Message, Producer
from facilitair_workflows.documents import PLATFORM, CatalogRecord

log = structlog.get_logger(__name__)

SOURCE: Final = "gateway"

SHOWN_WITHIN_S: Final = 60.0
"""A view shows what is acked within milliseconds; who waits longer waits for ever."""


class Applied:
    """Waits until a view of the catalog has shown certain records; its ``on_change``."""

    def __init__(self) -> None:
        self._awaited: dict[str, CatalogRecord] = {}
        self._done = asyncio.Event()

    def on_change(self, key: str, record: CatalogRecord | None) -> None:
        """Note a change of the view."""
        if key in self._awaited and self._awaited[key] == record:
            del self._awaited[key]
            if not self._awaited:
                self._done.set()

    def expect(self, records: Catalog) -> None:
        """Wait for these from now on."""
        self._awaited = dict(records)

    @property
    def missing(self) -> tuple[str, ...]:
        """The keys that were not shown yet."""
        return tuple(self._awaited)

    async def wait(self) -> None:
        """Return once every expected record was shown, whatever came after it."""
        if self._awaited:
            await self._done.wait()


async def apply(
    wanted: Catalog,
    *,
    catalog: Catalog,
    applied: Applied,
    producer: Producer,
    now_ms: Callable[[], int],
    newest_logic: int,
    within_s: float = SHOWN_WITHIN_S,
) -> int:
    """Append what the catalog lacks and wait until the view shows it; returns how much that was.

    Raises ProduceUnknownError, or DefinitionsNotShownError when the view has not shown it in time,
    as when what came back cannot be read; a second try appends only what is missing then.
    """
    missing = to_apply(catalog, wanted, newest_logic=newest_logic)
    applied.expect(missing)
    at = timestamp(now_ms())
    messages = [catalog_message(key, record, time=at) for key, record in missing.items()]
    if messages:
        await producer.send(messages)
        await _shown(applied, within_s=within_s)
    log.info("definitions applied", written=len(messages), known=len(wanted))
    return len(messages)


async def _shown(applied: Applied, *, within_s: float) -> None:
    try:
        async with asyncio.timeout(within_s):
            await applied.wait()
    except TimeoutError as error:
        raise DefinitionsNotShownError(missing=applied.missing, within_s=within_s) from error


def catalog_message(key: str, record: CatalogRecord, *, time: str, actor: str = SOURCE) -> Message:
    """The record of a change of the catalog; its id follows from what it says."""
    digest = record.digest if isinstance(record, VersionPublished) else record.version
    ident = derive("catalog", key, digest)
    envelope = Envelope(
        id=ident,
        type=type_name(record),
        source=SOURCE,
        time=time,
        subject=f"{record.kind}/{record.name}",
        tenant=PLATFORM,
        project="default",
        actor=actor,
        correlation=ident,
    )
    return message(topic=CATALOG, key=key, data=record, envelope=envelope)
