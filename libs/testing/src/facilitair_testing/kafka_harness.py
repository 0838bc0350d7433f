"""The Kafka adapter under the conformance suite: what an operator of a cluster can do to it."""

import asyncio
import secrets
from collections.abc import Iterable
from contextlib import AsyncExitStack
from itertools import count
from typing import Any, Final, Literal

from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.protocol.group import LeaveGroupRequest
from aiokafka.structs import TopicPartition as KafkaPartition
from msgspec.structs import replace

from facilitair_events.registry import TopicSpec
from facilitair_messaging.adapters.kafka import KafkaLog, Timing
from facilitair_messaging.adapters.kafka.topics import topic_config
from facilitair_messaging.ports import Message, Record
from facilitair_testing.conformance.drive import key_for, read_all, tps
from facilitair_testing.conformance.harness import MAX_RECORD_BYTES, Cleanup
from facilitair_testing.eventually import eventually
from facilitair_testing.topics import topic_spec

_RETENTION_MS: Final = 3_600_000
_SEGMENT_MS: Final = 50
_DEADLINE_S: Final = 40.0
_OWN: Final = "harness-"
_MEMBERS: Final = 5
"""Where the members stand in the description of a group."""


class KafkaHarness:
    """Topics and groups of fresh names on a broker that other tests use too."""

    def __init__(self, bootstrap: str) -> None:
        self.log: KafkaLog
        self._bootstrap = bootstrap
        self._name = secrets.token_hex(4)
        self._names = count()
        self._specs: dict[str, TopicSpec] = {}
        self._stack = AsyncExitStack()
        self._operator: Any = None

    async def topic(
        self,
        *,
        partitions: int = 1,
        partition_by: Literal["key", "prefix"] = "key",
        cleanup: Cleanup = (),
        lag_ms: int | None = None,
    ) -> TopicSpec:
        """As the harness says."""
        spec = topic_spec(
            self._fresh("topic"),
            partitions=partitions,
            partition_by=partition_by,
            cleanup=cleanup,
            retention_ms=_RETENTION_MS if "delete" in cleanup else None,
            min_compaction_lag_ms=lag_ms,
            max_record_bytes=MAX_RECORD_BYTES,
        )
        if "compact" in cleanup:
            # The cleaner leaves the newest segment alone.
            spec = replace(spec, segment_ms=_SEGMENT_MS)
            await self._create_compactable(spec)
        self._specs[spec.name] = spec
        await self.log.admin().ensure_topics([spec])
        return spec

    def spec(self, *, partitions: int) -> TopicSpec:
        """As the harness says."""
        return topic_spec(self._fresh("topic"), partitions=partitions)

    def group(self) -> str:
        """As the harness says."""
        return self._fresh("group")

    async def open(self) -> None:
        """Open the log and the operator's client."""
        self._operator = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap)
        await self._operator.start()
        self._stack.push_async_callback(self._operator.close)
        self.log = await self._stack.enter_async_context(
            KafkaLog.open(self._bootstrap, self._specs, timing=Timing.for_tests())
        )

    async def close(self) -> None:
        """Close both."""
        await self._stack.aclose()

    async def reopen(self) -> None:
        """As the harness says."""
        await self.close()
        await self.open()

    async def elapse(self, ms: int) -> None:
        """As the harness says; a broker's clock goes on by itself only."""
        await asyncio.sleep(ms / 1000)

    async def compact(self, spec: TopicSpec) -> None:
        """As the harness says.

        Where a lag holds records back nothing need change; there another topic, written after this
        one and compacted without a lag, shows that the cleaner was at work.
        """
        await self._roll(spec)
        if spec.min_compaction_lag_ms:
            witness = await self.topic(cleanup=("compact",), lag_ms=0)
            for value in (b"old", b"new"):
                await self._append([Message(witness.name, b"k", value)])
            await self._roll(witness)
            await self._wait_compacted(witness)
        else:
            await self._wait_compacted(spec)

    async def expire(self, spec: TopicSpec) -> None:
        """As the harness says, by the request that retention's tools use too."""
        ends = await self.log.admin().end_offsets(tps(spec))
        await self._operator.delete_records(
            {KafkaPartition(*tp): RecordsToDelete(before_offset=end) for tp, end in ends.items()}
        )

    async def force_rebalance(self, group: str) -> None:
        """As the harness says: every member is put out and comes back."""
        coordinator = await self._operator.find_coordinator(group)
        (described,) = await self._operator.describe_consumer_groups([group], coordinator)
        for answer in described.groups:
            for member_id, *_ in answer[_MEMBERS]:
                await self._operator._client.send(  # noqa: SLF001 - it has no method for it
                    coordinator, LeaveGroupRequest(group, member_id)
                )

    def _fresh(self, kind: str) -> str:
        return f"{kind}-{self._name}-{next(self._names)}"

    async def _create_compactable(self, spec: TopicSpec) -> None:
        config = topic_config(spec) | {"min.cleanable.dirty.ratio": "0.0"}
        topic = NewTopic(spec.name, spec.partitions, 1, topic_configs=config)
        await self._operator.create_topics([topic])

    async def _roll(self, spec: TopicSpec) -> None:
        """Close the newest segment of every partition: an append does it once its time is over."""
        await asyncio.sleep(2 * _SEGMENT_MS / 1000)
        await self._append(
            Message(spec.name, self._own_key(spec, number), secrets.token_bytes(4))
            for number in range(spec.partitions)
        )

    def _own_key(self, spec: TopicSpec, number: int) -> bytes:
        return key_for(self.log, tps(spec)[number], prefix=_OWN).encode()

    async def _append(self, messages: Iterable[Message]) -> None:
        async with self.log.producer() as producer:
            await producer.send(list(messages))

    async def _wait_compacted(self, spec: TopicSpec) -> None:
        async def compacted() -> bool:
            return _is_compacted(await read_all(self.log, spec))

        await eventually(compacted, timeout_s=_DEADLINE_S, what=f"compaction of {spec.name}")


def _is_compacted(records: list[Record]) -> bool:
    """Whether each key is there once, but for the harness's own in newest segments."""
    keys = [record.key for record in records if not (record.key or b"").startswith(_OWN.encode())]
    return len(keys) == len(set(keys))
