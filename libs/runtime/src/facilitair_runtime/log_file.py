"""The log of this machine: where it lies, and how durable it is."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from facilitair_events.registry import Registry
from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_messaging.adapters.embedded.slow_commits import slow_commits
from facilitair_messaging.crash_points import TESTING
from facilitair_messaging.errors import TestingOnlyError
from facilitair_runtime.settings import config


class LogSettings(BaseSettings):
    """Settings of the embedded log (``FACILITAIR_LOG_…``)."""

    model_config = config("log")

    synchronous: Literal["NORMAL", "FULL"] = Field(
        "NORMAL", description="NORMAL survives kill -9, FULL a power loss too (R35)."
    )
    slow_commits: Path | None = Field(
        None,
        description="For tests (FACILITAIR_TESTING=1): a file that says how many milliseconds each"
        " commit waits for its disk.",
    )

    @field_validator("slow_commits")
    @classmethod
    def _only_in_tests(cls, file: Path | None) -> Path | None:
        if file is not None and os.environ.get(TESTING) != "1":
            raise TestingOnlyError(needs=f"{TESTING}=1")
        return file


@asynccontextmanager
async def open_log(
    home: Path, registry: Registry, *, settings: LogSettings
) -> AsyncIterator[EmbeddedLog]:
    """Open the log under ``home`` and create what topics are missing.

    Raises LogLockedError when another process has it open.
    """
    path = home / "log" / "log.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    slow = settings.slow_commits
    async with EmbeddedLog.open(
        path,
        registry.topics,
        synchronous=settings.synchronous,
        before_commit=None if slow is None else slow_commits(slow),
    ) as log:
        await log.admin().ensure_topics(registry.topics.values())
        yield log
