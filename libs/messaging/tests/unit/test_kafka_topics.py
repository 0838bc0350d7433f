import asyncio
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_messaging.adapters.kafka import requests
from facilitair_messaging.adapters.kafka.accumulating import Slot, ack_of
from facilitair_messaging.adapters.kafka.topics import (
    BATCH_BYTES,
    config_differences,
    refuse_broken_rules,
    topic_config,
)
from facilitair_messaging.errors import GroupActiveError, TopicConfigError
from facilitair_messaging.ports import Ack, TopicPartition
from facilitair_testing.topics import topic_spec

DAY_MS = 24 * 3600 * 1000


def test_every_topic_has_append_times_and_no_limit_of_size():
    for spec in Registry.load(topics_dir()).topics.values():
        config = topic_config(spec)
        assert config["message.timestamp.type"] == "LogAppendTime"
        assert config["retention.bytes"] == "-1"
        assert int(config["max.message.bytes"]) > max(spec.max_record_bytes, BATCH_BYTES)


@pytest.mark.parametrize(
    ("cleanup", "retention_ms", "policy", "kept"),
    [
        ((), None, "delete", "-1"),
        (("delete",), None, "delete", "-1"),
        (("delete",), DAY_MS, "delete", str(DAY_MS)),
        (("compact",), None, "compact", "-1"),
        (("compact", "delete"), DAY_MS, "compact,delete", str(DAY_MS)),
    ],
)
def test_what_is_kept_and_how_long(cleanup, retention_ms, policy, kept):
    config = topic_config(topic_spec("t", cleanup=cleanup, retention_ms=retention_ms))
    assert (config["cleanup.policy"], config["retention.ms"]) == (policy, kept)


def test_segments_and_the_compaction_lag_are_set_where_declared():
    spec = topic_spec("t", cleanup=("compact",), min_compaction_lag_ms=7)
    config = topic_config(replace(spec, segment_ms=5))
    assert (config["segment.ms"], config["min.compaction.lag.ms"]) == ("5", "7")
    assert not {"segment.ms", "min.compaction.lag.ms"} & topic_config(topic_spec("t")).keys()


SPEC = topic_spec("t", cleanup=("compact", "delete"), min_compaction_lag_ms=7)
BINDING = ["message.timestamp.type", "cleanup.policy", "min.compaction.lag.ms", "max.message.bytes"]


def test_the_order_of_policies_and_a_larger_limit_are_no_difference():
    actual = topic_config(SPEC)
    actual |= {"cleanup.policy": "delete,compact", "max.message.bytes": "99999999", "more": "x"}
    assert config_differences(SPEC, actual) == ()


@pytest.mark.parametrize("name", BINDING)
def test_a_difference_that_breaks_a_rule_is_refused(name):
    with pytest.raises(TopicConfigError, match=name):
        refuse_broken_rules(SPEC, topic_config(SPEC) | {name: "1"})
    missing = {key: value for key, value in topic_config(SPEC).items() if key != name}
    with pytest.raises(TopicConfigError, match=name):
        refuse_broken_rules(SPEC, missing)


def test_a_difference_that_costs_space_is_only_named():
    actual = topic_config(SPEC) | {"retention.ms": "5"}
    refuse_broken_rules(SPEC, actual)
    assert config_differences(SPEC, actual) == ("retention.ms is '5', declared is '-1'",)


@pytest.mark.parametrize(
    ("offset", "timestamp_type", "place", "expected"),
    [
        (0, 1, 0, 0),
        (41, 1, 2, 43),
        (-1, 0, 0, None),
        (-1, 0, 1, None),
        (3, 0, 0, None),
        (-1, 1, 1, None),
    ],
)
async def test_m7_an_ack_without_an_append_time_names_no_offset(
    offset, timestamp_type, place, expected
):
    answer = asyncio.get_running_loop().create_future()
    answer.set_result(SimpleNamespace(partition=2, offset=offset, timestamp_type=timestamp_type))
    assert ack_of(Slot(answer, place)) == Ack(partition=2, offset=expected)


def test_a_topic_that_does_not_exist_is_missing_and_one_without_leader_is_not():
    response = SimpleNamespace(
        brokers=[1],
        topics=[
            (0, "there", False, [(0, 0, 1, [1], [1]), (5, 1, -1, [1], [1])]),
            (3, "nowhere", False, []),
            (5, "new", False, []),
        ],
    )
    assert requests.layout(response).topics == {"there": {0: 1, 1: None}, "new": {}}


@pytest.mark.parametrize("code", [22, 25, 27])
def test_moving_a_group_with_members_is_refused(code):
    response = SimpleNamespace(topics=[("t", [(0, 0), (1, code)])])
    with pytest.raises(GroupActiveError):
        requests.check_moved("g", response)


def test_offsets_are_asked_of_each_leader_once():
    times = {TopicPartition("t", number): number for number in range(4)}
    asked = requests.offsets_requests(times, leader=lambda tp: tp.partition % 2)
    assert set(asked) == {0, 1}
