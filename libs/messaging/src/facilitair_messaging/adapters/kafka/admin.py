"""Topics and offsets of a cluster, seen from outside."""

from collections.abc import Iterable, Mapping
from typing import Final

import structlog
from aiokafka.errors import LeaderNotAvailableError

from facilitair_events.registry import TopicSpec
from facilitair_messaging.adapters.kafka import requests
from facilitair_messaging.adapters.kafka.cluster import Cluster
from facilitair_messaging.adapters.kafka.topics import (
    Topics,
    config_differences,
    refuse_broken_rules,
)
from facilitair_messaging.errors import TopicDriftError
from facilitair_messaging.ports import TopicPartition

_log = structlog.get_logger()

_REPLICAS: Final = 3
_CREATE_S: Final = 30.0


class KafkaAdmin:
    """Asks and changes through the log's own client, so it sees lag that a consumer does not."""

    def __init__(self, *, cluster: Cluster, topics: Topics) -> None:
        self._cluster = cluster
        self._topics = topics

    async def ensure_topics(self, specs: Iterable[TopicSpec]) -> None:
        """As the port says. It also declares the specs to this log.

        An existing topic is never changed: settings that differ are logged, and those that break
        a rule raise TopicConfigError. Nothing is created when anything is refused.
        New topics get three replicas where the cluster has as many brokers.
        """
        wanted = {spec.name: spec for spec in specs}
        found = await self._cluster.layout(wanted)
        existing = [spec for name, spec in wanted.items() if name in found.topics]
        missing = [spec for name, spec in wanted.items() if name not in found.topics]
        await self._check(existing, found)
        if missing:
            await self._create(missing, replication=min(_REPLICAS, found.brokers))
        await self._wait_for_leaders(list(wanted.values()))
        self._topics.declare(wanted.values())

    async def partitions(self, topic: str) -> int:
        return await self._cluster.partitions(topic)

    async def beginning_offsets(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return await self._cluster.offsets(dict.fromkeys(tps, requests.EARLIEST))

    async def end_offsets(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return await self._cluster.offsets(dict.fromkeys(tps, requests.LATEST))

    async def offsets_at(
        self, times_ms: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, int | None]:
        found = await self._cluster.offsets({tp: max(at, 0) for tp, at in times_ms.items()})
        return {tp: offset if offset >= 0 else None for tp, offset in found.items()}

    async def committed(self, group: str) -> dict[TopicPartition, int]:
        return await self._cluster.committed(group)

    async def set_committed(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        if not offsets:
            return
        await self._cluster.of_coordinator(
            group,
            wanted=f"READ group {group!r}: moving it",
            request=requests.move_request(group, offsets),
            read=lambda response: requests.check_moved(group, response),
        )

    async def config_drift(self, specs: Iterable[TopicSpec]) -> dict[str, tuple[str, ...]]:
        """How existing topics differ in their settings, one phrase per setting; {} when not."""
        wanted = {spec.name: spec for spec in specs}
        existing = [wanted[name] for name in (await self._cluster.layout(wanted)).topics]
        actual = await self._configs(existing)
        found = {s.name: config_differences(s, actual[s.name]) for s in existing}
        return {name: differences for name, differences in found.items() if differences}

    async def _check(self, existing: list[TopicSpec], found: requests.Layout) -> None:
        for spec in existing:
            actual = len(found.topics[spec.name])
            if actual != spec.partitions:
                raise TopicDriftError(topic=spec.name, declared=spec.partitions, actual=actual)
        configs = await self._configs(existing)
        for spec in existing:
            refuse_broken_rules(spec, configs[spec.name])
            differences = config_differences(spec, configs[spec.name])
            if differences:
                _log.warning("topic settings differ", topic=spec.name, differences=differences)

    async def _configs(self, specs: list[TopicSpec]) -> dict[str, dict[str, str]]:
        if not specs:
            return {}
        request = requests.configs_request(spec.name for spec in specs)
        return await self._cluster.of_any(
            "DESCRIBE_CONFIGS topics", request=request, read=requests.configs
        )

    async def _create(self, missing: list[TopicSpec], *, replication: int) -> None:
        request = requests.create_request(missing, replication=replication, timeout_s=_CREATE_S)
        await self._cluster.of_any("CREATE topics", request=request, read=requests.check_created)

    async def _wait_for_leaders(self, specs: list[TopicSpec]) -> None:
        """Until every partition answers: leaders are announced before they take writes (M8)."""

        async def complete() -> None:
            found = await self._cluster.layout(spec.name for spec in specs)
            for spec in specs:
                leaders = found.topics.get(spec.name, {})
                if len(leaders) < spec.partitions or None in leaders.values():
                    raise LeaderNotAvailableError(spec.name)
                if len(leaders) != spec.partitions:
                    raise TopicDriftError(
                        topic=spec.name, declared=spec.partitions, actual=len(leaders)
                    )

        await self._cluster.answer("DESCRIBE new topics", complete)
        await self.end_offsets(
            TopicPartition(spec.name, number) for spec in specs for number in range(spec.partitions)
        )
