"""A pytest plugin: one real Kafka broker per test session, for tests that need one."""

import os
from collections.abc import Iterator
from typing import Final

import pytest

from facilitair_native.errors import MissingProgramError
from facilitair_native.kafka import KafkaServer

GIVEN: Final = "KAFKA_BOOTSTRAP_SERVERS"

# Half the start-up time of a JVM that lives for minutes.
_QUICK_START: Final = ("-XX:TieredStopAtLevel=1",)
_READY_S: Final = 180.0
# Compaction at once instead of after 15 s, so that tests of it end.
_SETTINGS: Final = {"log.cleaner.backoff.ms": "50", "log.cleaner.min.cleanable.ratio": "0.0"}


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a broker: that of ``KAFKA_BOOTSTRAP_SERVERS``, else of one started here.

    Without Java or Maven the test is skipped, which with ``CI=true`` is a failure.
    """
    given = os.environ.get(GIVEN)
    if given:
        yield given
        return
    server = KafkaServer(
        tmp_path_factory.mktemp("kafka"), settings=_SETTINGS, java_options=_QUICK_START
    )
    try:
        _start(server)
        yield server.address
    finally:
        server.stop()


@pytest.fixture(scope="module")
def victim_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """The broker of ``own_kafka``."""
    server = KafkaServer(
        tmp_path_factory.mktemp("own-kafka"), heap_mb=256, java_options=_QUICK_START
    )
    try:
        _start(server)
        yield server
    finally:
        server.stop()


@pytest.fixture
def own_kafka(victim_kafka: KafkaServer) -> Iterator[KafkaServer]:
    """A broker of the module's own, to kill, pause and restart; it runs when the test begins."""
    if victim_kafka.pid is None:
        victim_kafka.restart()
    yield victim_kafka
    if victim_kafka.pid is not None:
        victim_kafka.resume()


def _start(server: KafkaServer) -> None:
    try:
        server.start()
    except MissingProgramError as error:
        pytest.skip(str(error))
    server.wait_ready(timeout_s=_READY_S)
