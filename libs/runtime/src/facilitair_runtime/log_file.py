"""The log of this machine: where it lies, and how durable it is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings

from facilitair_events.registry import Registry
from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_runtime.settings import config


class LogSettings(BaseSettings):
    """Settings of the embedded log (``FACILITAIR_LOG_…``)."""

    model_config = config("log")

    synchronous: Literal["NORMAL", "FULL"] = Field(
        "NORMAL", description="NORMAL survives kill -9, FULL a power loss too (R35)."
    )


@asynccontextmanager
async def open_log(
    home: Path, registry: Registry, *, settings: LogSettings
) -> AsyncIterator[EmbeddedLog]:
    """Open the log under ``home`` and create what topics are missing.

    Raises LogLockedError when another process has it open.
    """
    path = home / "log" / "log.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    async with EmbeddedLog.open(path, registry.topics, synchronous=settings.synchronous) as log:
        await log.admin().ensure_topics(registry.topics.values())
        yield log
