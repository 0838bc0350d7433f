"""A cluster asked by a command: what goes wrong is told once, by the command."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from facilitair_events.registry import Registry
from facilitair_messaging.ports import Log
from facilitair_runtime.cluster import ClusterSettings, open_cluster


@asynccontextmanager
async def asked_cluster(
    bootstrap: str, registry: Registry, *, settings: ClusterSettings
) -> AsyncIterator[Log]:
    """As ``open_cluster``, without the client library's log of every attempt on stderr."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    async with open_cluster(bootstrap, registry, settings=settings, client_id="facilitair") as log:
        yield log
