"""The Kafka adapter against the suite that every adapter passes, on a real broker."""

from collections.abc import AsyncIterator

import pytest

pytest.register_assert_rewrite("facilitair_testing.conformance")

from facilitair_testing.conformance.commits import CommitConformance  # noqa: E402
from facilitair_testing.conformance.compaction import CompactionConformance  # noqa: E402
from facilitair_testing.conformance.groups import GroupConformance  # noqa: E402
from facilitair_testing.conformance.ordering import OrderingConformance  # noqa: E402
from facilitair_testing.conformance.reading import ReadingConformance  # noqa: E402
from facilitair_testing.conformance.topics import TopicConformance  # noqa: E402
from facilitair_testing.kafka_harness import KafkaHarness  # noqa: E402

pytestmark = pytest.mark.integration


@pytest.fixture
async def harness(kafka_bootstrap: str) -> AsyncIterator[KafkaHarness]:
    harness = KafkaHarness(kafka_bootstrap)
    await harness.open()
    yield harness
    await harness.close()


class TestKafkaOrdering(OrderingConformance):
    """Order and identity."""


class TestKafkaReading(ReadingConformance):
    """Readers."""


class TestKafkaGroups(GroupConformance):
    """Groups."""


class TestKafkaCommits(CommitConformance):
    """Commits."""


class TestKafkaCompaction(CompactionConformance):
    """Compaction."""


class TestKafkaTopics(TopicConformance):
    """Topics and refusals."""
