from facilitair_messaging.lag import topic_statuses
from facilitair_messaging.ports import Message, TopicPartition
from facilitair_testing.topics import topic_spec

WIDE = topic_spec("wide", partitions=3)


async def fill(log, topic, count):
    async with log.producer() as producer:
        await producer.send([Message(topic, f"k{n}".encode(), b"v") for n in range(count)])


async def test_a_group_is_behind_what_it_has_not_committed(log):
    await fill(log, WIDE.name, 40)
    tps = [TopicPartition(WIDE.name, number) for number in range(WIDE.partitions)]
    ends = await log.admin().end_offsets(tps)
    await log.admin().set_committed("behind", {tps[0]: ends[tps[0]] - 1})
    await log.admin().set_committed("done", ends)
    found = await topic_statuses(log.admin(), [WIDE], groups=["behind", "done", "elsewhere"])
    assert [status.name for status in found] == [WIDE.name]
    assert (found[0].partitions, found[0].records) == (WIDE.partitions, 40)
    assert found[0].lag == {"behind": 40 - ends[tps[0]] + 1, "done": 0}


async def test_a_topic_that_is_missing_is_told_as_missing(log):
    found = await topic_statuses(log.admin(), [topic_spec("missing")], groups=["any"])
    assert (found[0].partitions, found[0].records, found[0].lag) == (None, 0, {})
