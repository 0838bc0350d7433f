"""A group member in a process of its own, to be killed and frozen: tells what happens to it."""

import asyncio
import json
import sys

from msgspec.structs import replace

from facilitair_messaging.adapters.kafka import KafkaLog, Timing
from facilitair_messaging.errors import CommitRefusedError
from facilitair_testing.topics import topic_spec


def tell(**what):
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def told_of(event):
    return lambda tps: tell(**{event: sorted(tp.partition for tp in tps)})


async def main(address, topic, group, member, session_s):
    spec = topic_spec(topic, partitions=2)
    timing = replace(Timing.for_tests(), session_s=float(session_s))
    async with (
        KafkaLog.open(address, {topic: spec}, timing=timing) as log,
        log.consumer(
            group=group,
            topics=[topic],
            member=member,
            on_assigned=told_of("assigned"),
            on_revoked=told_of("revoked"),
        ) as consumer,
    ):
        tell(joining=member)
        while True:
            held = consumer.assignment()
            await consumer.poll(max_records=100, wait_s=0.1)
            for tp in held:
                try:
                    await consumer.commit({tp: 0})
                except CommitRefusedError as error:
                    tell(refused=tp.partition, reason=str(error))


asyncio.run(main(*sys.argv[1:]))
