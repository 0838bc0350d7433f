"""Definitions that come back unreadable stop the gateway, and its next start mends them."""

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest
from msgspec import structs
from prometheus_client import CollectorRegistry

from facilitair_events.catalog import LabelMoved, VersionPublished
from facilitair_events.layout import checkout_root
from facilitair_events.topics import CATALOG
from facilitair_gateway.applying import Applied, apply
from facilitair_gateway.definitions import records_of
from facilitair_gateway.errors import DefinitionsNotShownError
from facilitair_llm.catalog import load_models
from facilitair_messaging.view import CompactedView
from facilitair_observability.metrics import Metrics
from facilitair_testing.spoiling import SpoilingLog
from facilitair_workflows.loading import load_directory


@asynccontextmanager
async def shown(log, applied):
    view = CompactedView(
        log=log,
        topic=CATALOG,
        types=(VersionPublished, LabelMoved),
        metrics=Metrics(CollectorRegistry()),
        on_change=applied.on_change,
    )
    task = asyncio.create_task(view.run())
    await view.wait_ready()
    try:
        yield view.items()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _spoil_first(messages):
    first, *others = messages
    return [structs.replace(first, value=b"not json"), *others]


async def _apply(log, *, within_s):
    applied = Applied()
    models = load_models(checkout_root() / "models")
    wanted = records_of(load_directory(checkout_root()), models)
    async with shown(log, applied) as catalog, log.producer() as producer:
        return await apply(
            wanted, catalog=catalog, applied=applied, producer=producer, now_ms=lambda: 0,
            newest_logic=2, within_s=within_s,
        )  # fmt: skip


async def test_a_definition_that_comes_back_unreadable_stops_instead_of_waiting_for_ever(log):
    with pytest.raises(DefinitionsNotShownError, match="did not show 1 records"):
        await _apply(SpoilingLog(log, _spoil_first), within_s=1)
    assert await _apply(log, within_s=30) == 1
    assert await _apply(log, within_s=30) == 0
