"""Deleting every record of a topic of a broker, as a disaster would."""

from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.structs import TopicPartition as KafkaPartition

from facilitair_events.registry import TopicSpec
from facilitair_messaging.adapters.kafka.topics import topic_config
from facilitair_messaging.ports import Log, TopicPartition


async def forget(bootstrap: str, log: Log, *, spec: TopicSpec) -> int:
    """Delete all records; returns how many offsets that were.

    A broker deletes nothing on demand of a topic that is only compacted, so that is changed for
    the moment.
    """
    tps = [TopicPartition(spec.name, number) for number in range(spec.partitions)]
    begins = await log.admin().beginning_offsets(tps)
    ends = await log.admin().end_offsets(tps)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await _configure(admin, spec, cleanup="compact,delete")
        try:
            await admin.delete_records(
                {KafkaPartition(*tp): RecordsToDelete(before_offset=at) for tp, at in ends.items()}
            )
        finally:
            await _configure(admin, spec, cleanup=",".join(spec.cleanup))
    finally:
        await admin.close()
    return sum(ends[tp] - begins[tp] for tp in tps)


async def _configure(admin: AIOKafkaAdminClient, spec: TopicSpec, *, cleanup: str) -> None:
    config = topic_config(spec) | {"cleanup.policy": cleanup}
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, spec.name, config)])
