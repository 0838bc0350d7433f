"""The embedded log against the suite that every adapter passes."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from typing import Literal

import pytest

pytest.register_assert_rewrite("facilitair_testing.conformance")

from facilitair_events.registry import TopicSpec  # noqa: E402 - asserts are rewritten at import
from facilitair_messaging.adapters.embedded import EmbeddedLog  # noqa: E402
from facilitair_testing.clock import FakeClock  # noqa: E402
from facilitair_testing.conformance.commits import CommitConformance  # noqa: E402
from facilitair_testing.conformance.compaction import CompactionConformance  # noqa: E402
from facilitair_testing.conformance.groups import GroupConformance  # noqa: E402
from facilitair_testing.conformance.harness import MAX_RECORD_BYTES, Cleanup  # noqa: E402
from facilitair_testing.conformance.ordering import OrderingConformance  # noqa: E402
from facilitair_testing.conformance.reading import ReadingConformance  # noqa: E402
from facilitair_testing.conformance.topics import TopicConformance  # noqa: E402
from facilitair_testing.topics import topic_spec  # noqa: E402

RETENTION_MS = 3_600_000


class EmbeddedHarness:
    """The log in a file of the test's own, on a fake clock."""

    def __init__(self, path: Path) -> None:
        self.log: EmbeddedLog
        self._path = path
        self._clock = FakeClock()
        self._names = count()
        self._specs: dict[str, TopicSpec] = {}
        self._stack = AsyncExitStack()

    async def topic(
        self,
        *,
        partitions: int = 1,
        partition_by: Literal["key", "prefix"] = "key",
        cleanup: Cleanup = (),
        lag_ms: int | None = None,
    ) -> TopicSpec:
        spec = topic_spec(
            f"topic-{next(self._names)}",
            partitions=partitions,
            partition_by=partition_by,
            cleanup=cleanup,
            retention_ms=RETENTION_MS if "delete" in cleanup else None,
            min_compaction_lag_ms=lag_ms,
            max_record_bytes=MAX_RECORD_BYTES,
        )
        self._specs[spec.name] = spec
        await self.log.admin().ensure_topics([spec])
        return spec

    def spec(self, *, partitions: int) -> TopicSpec:
        return topic_spec(f"topic-{next(self._names)}", partitions=partitions)

    def group(self) -> str:
        return f"group-{next(self._names)}"

    async def open(self) -> None:
        self.log = await self._stack.enter_async_context(
            EmbeddedLog.open(self._path, self._specs, clock=self._clock, tombstones_kept_ms=0)
        )

    async def close(self) -> None:
        await self._stack.aclose()

    async def reopen(self) -> None:
        await self.close()
        await self.open()

    async def elapse(self, ms: int) -> None:
        self._clock.advance(ms)

    async def compact(self, spec: TopicSpec) -> None:
        await self.log.clean()

    async def expire(self, spec: TopicSpec) -> None:
        self._clock.advance(RETENTION_MS + 1)
        await self.log.clean()

    async def force_rebalance(self, group: str) -> None:
        self.log.force_rebalance(group)


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[EmbeddedHarness]:
    harness = EmbeddedHarness(tmp_path / "log.db")
    await harness.open()
    yield harness
    await harness.close()


class TestEmbeddedOrdering(OrderingConformance):
    """Order and identity."""


class TestEmbeddedReading(ReadingConformance):
    """Readers."""


class TestEmbeddedGroups(GroupConformance):
    """Groups."""


class TestEmbeddedCommits(CommitConformance):
    """Commits."""


class TestEmbeddedCompaction(CompactionConformance):
    """Compaction."""


class TestEmbeddedTopics(TopicConformance):
    """Topics and refusals."""
