"""Joining and leaving a group as a static member."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, OffsetAndMetadata
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from aiokafka.protocol.group import LeaveGroupRequest

from facilitair_messaging.adapters.kafka.closed_sockets import survive_closed_sockets
from facilitair_messaging.adapters.kafka.connection import RETRY_MS, Connection
from facilitair_messaging.adapters.kafka.ending import cut, end_task
from facilitair_messaging.ports import TopicPartition

_log = structlog.get_logger()


def group_consumer(connection: Connection, *, group: str, member: str) -> AIOKafkaConsumer:
    """A consumer that is not started and not subscribed (R2).

    Ranges go to members in the order of their static names, so a member that comes back gets what
    it had, and topics with equal partition counts go to the same members in step.
    A request may take as long as a rebalance, which waits for silent members.
    """
    timing = connection.timing
    consumer = AIOKafkaConsumer(
        **connection.options(request_s=timing.session_s + timing.commit_s),
        group_id=group,
        group_instance_id=member,
        session_timeout_ms=round(timing.session_s * 1000),
        heartbeat_interval_ms=round(timing.heartbeat_s * 1000),
        fetch_max_wait_ms=timing.consumer_wait_ms,
        auto_offset_reset="none",
        enable_auto_commit=False,
        partition_assignment_strategy=(RangePartitionAssignor,),
    )
    survive_closed_sockets(consumer._client)
    return consumer


def plain_consumer(connection: Connection) -> AIOKafkaConsumer:
    """A consumer without a group, not started and assigned nothing."""
    timing = connection.timing
    consumer = AIOKafkaConsumer(
        **connection.options(request_s=timing.session_s),
        fetch_max_wait_ms=timing.reader_wait_ms,
        auto_offset_reset="none",
        enable_auto_commit=False,
    )
    survive_closed_sockets(consumer._client)
    return consumer


@asynccontextmanager
async def started(connection: Connection, consumer: Any) -> AsyncIterator[None]:
    """Connect in bounded time; leaving drops the client at once, as nothing of it is buffered.

    Raises LogUnavailableError and LogAccessError.
    """
    try:
        await connection.until(consumer.start, wanted="opening a consumer")
        yield
    finally:
        await _drop(consumer)


def member_id(consumer: Any) -> str:
    """The id that the group knows this member by; empty when it knows it no more."""
    return str(consumer._coordinator.member_id)


async def leave(consumer: Any, *, group: str, timeout_s: float) -> None:
    """Stop coordinating, and tell the group so that others take over at once.

    aiokafka leaves that to the session timeout for static members.
    """
    coordinator = consumer._coordinator
    await end_task(coordinator._coordination_task)
    await end_task(coordinator._heartbeat_task)
    if coordinator.generation > 0:
        try:
            async with asyncio.timeout(timeout_s):
                await coordinator._send_req(LeaveGroupRequest(group, coordinator.member_id))
        except (KafkaError, TimeoutError) as error:
            _log.warning("left without telling the group", group=group, reason=repr(error))


async def commit(consumer: Any, offsets: Mapping[TopicPartition, int]) -> None:
    """Store offsets, trying again while the broker does not know better; cancel it to give up.

    The library's own ``commit`` goes on after a cancellation, and could then store offsets after
    newer ones. Raises CommitFailedError when membership has changed, and other errors of aiokafka.
    """
    coordinator = consumer._coordinator
    stored = {KafkaPartition(*tp): OffsetAndMetadata(at, "") for tp, at in offsets.items()}
    while True:
        await coordinator.ensure_coordinator_known()
        try:
            await coordinator._do_commit_offsets(None, stored)
        except (UnknownMemberIdError, IllegalGenerationError, RebalanceInProgressError) as error:
            raise CommitFailedError(str(error)) from error
        except KafkaError as error:
            if not error.retriable:
                raise
        else:
            return
        await asyncio.sleep(RETRY_MS / 1000)


async def _drop(consumer: Any) -> None:
    """End every task of a consumer, and its connections.

    Its own ``stop`` may wait for a broker for ever, and stops half-way when one of its tasks had
    no time to start.
    """
    consumer._closed = True
    coordinator, fetcher = consumer._coordinator, consumer._fetcher
    for name in ("_coordination_task", "_heartbeat_task", "_commit_refresh_task"):
        await end_task(getattr(coordinator, name, None))
    await end_task(getattr(coordinator, "_reset_committed_task", None))
    if fetcher is not None:
        await end_task(fetcher._fetch_task)
        for task in list(fetcher._pending_tasks):
            await end_task(task)
    await cut(consumer._client)
