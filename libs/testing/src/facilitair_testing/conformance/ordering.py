"""Appends: order, offsets, times, and that bytes come back as they went."""

import asyncio

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facilitair_messaging.partitioning import partition_of
from facilitair_messaging.ports import Ack, Message, Record, TopicPartition
from facilitair_testing.conformance.drive import append, by_partition, read_all, texts, tps
from facilitair_testing.conformance.harness import LogHarness

# One harness serves all examples of a test, which take fresh topics; several adapters inherit
# one test. The numbers of examples allow for a broker that needs 50 ms per topic; a search asks for
# ten times as many.
SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]
few_examples = settings(
    max_examples=settings().max_examples // 20, suppress_health_check=SHARED, deadline=None
)

_keys = st.sampled_from(["a", "b", "c", "d", "e"])
_batches = st.lists(st.lists(_keys, min_size=1, max_size=5), min_size=1, max_size=12)
_headers = st.lists(st.tuples(st.text(max_size=12), st.binary(max_size=24)), max_size=4).map(tuple)
_messages = st.lists(
    st.tuples(st.binary(max_size=40), st.none() | st.binary(max_size=300), _headers),
    min_size=1,
    max_size=30,
)


def _numbered(topic: str, batches: list[list[str]], *, prefix: str = "") -> list[list[Message]]:
    """Messages whose values count up in the order of the calls."""
    numbers = iter(range(10_000))
    return [
        [Message(topic, key.encode(), f"{prefix}{next(numbers):05}".encode()) for key in keys]
        for keys in batches
    ]


class OrderingConformance:
    """Order and identity of what was appended."""

    @few_examples
    @given(batches=_batches)
    async def test_concurrent_sends_keep_the_order_of_the_calls(
        self, harness: LogHarness, batches: list[list[str]]
    ) -> None:
        spec = await harness.topic(partitions=3)
        calls = _numbered(spec.name, batches)
        async with harness.log.producer() as producer:
            acks = await asyncio.gather(*(producer.send(call) for call in calls))
        found = by_partition(await read_all(harness.log, spec))
        for records in found.values():
            assert texts(records) == sorted(texts(records))
        assert sum(map(len, found.values())) == sum(map(len, calls))
        _check_acks(calls, acks, found=found)

    @few_examples
    @given(senders=st.lists(_batches, min_size=2, max_size=4))
    async def test_each_of_several_producers_keeps_its_own_order(
        self, harness: LogHarness, senders: list[list[list[str]]]
    ) -> None:
        spec = await harness.topic(partitions=2)

        async def send_all(calls: list[list[Message]]) -> None:
            async with harness.log.producer() as producer:
                for call in calls:
                    await producer.send(call)

        names = [f"sender-{n}:" for n in range(len(senders))]
        sent = [
            _numbered(spec.name, calls, prefix=name)
            for name, calls in zip(names, senders, strict=True)
        ]
        await asyncio.gather(*map(send_all, sent))
        found = by_partition(await read_all(harness.log, spec))
        for records in found.values():
            for name in names:
                own = [text for text in texts(records) if text.startswith(name)]
                assert own == sorted(own)
        everything = sorted(text for records in found.values() for text in texts(records))
        assert everything == sorted(
            (m.value or b"").decode() for calls in sent for call in calls for m in call
        )

    @few_examples
    @given(batches=_batches)
    async def test_r1_offsets_rise_and_append_times_never_fall(
        self, harness: LogHarness, batches: list[list[str]]
    ) -> None:
        spec = await harness.topic(partitions=2)
        async with harness.log.producer() as producer:
            for call in _numbered(spec.name, batches):
                await producer.send(call)
        for records in by_partition(await read_all(harness.log, spec)).values():
            offsets = [record.offset for record in records]
            times = [record.timestamp_ms for record in records]
            assert offsets == sorted(set(offsets))
            assert times == sorted(times)
            assert times[0] > 0

    @few_examples
    @given(sent=_messages)
    async def test_keys_values_and_headers_come_back_byte_for_byte(
        self,
        harness: LogHarness,
        sent: list[tuple[bytes, bytes | None, tuple[tuple[str, bytes], ...]]],
    ) -> None:
        spec = await harness.topic()
        batch = [Message(spec.name, key, value, headers) for key, value, headers in sent]
        await append(harness.log, batch)
        found = await read_all(harness.log, spec)
        assert [(r.key, r.value, r.headers) for r in found] == sent
        await harness.reopen()
        again = await read_all(harness.log, spec)
        assert again == found

    @few_examples
    @given(keys=st.lists(st.binary(max_size=60), min_size=1, max_size=20))
    async def test_r3_a_key_goes_where_partition_for_says(
        self, harness: LogHarness, keys: list[bytes]
    ) -> None:
        for spec in (
            await harness.topic(partitions=3),
            await harness.topic(partitions=3, partition_by="prefix"),
        ):
            acks = await append(harness.log, [Message(spec.name, key, b"") for key in keys])
            expected = [harness.log.partition_for(spec.name, key) for key in keys]
            assert [ack.partition for ack in acks] == expected
            assert expected == [partition_of(key, spec) for key in keys]
            for record in await read_all(harness.log, spec):
                assert record.partition == partition_of(record.key or b"", spec)

    async def test_a_prefix_topic_keeps_keys_of_one_prefix_together(
        self, harness: LogHarness
    ) -> None:
        spec = await harness.topic(partitions=3, partition_by="prefix")
        acks = await append(
            harness.log, [Message(spec.name, b"acme:c1|%d" % n, b"") for n in range(20)]
        )
        assert len({ack.partition for ack in acks}) == 1

    async def test_sending_nothing_appends_nothing(self, harness: LogHarness) -> None:
        spec = await harness.topic()
        assert await append(harness.log, []) == []
        assert await harness.log.admin().end_offsets(tps(spec)) == dict.fromkeys(tps(spec), 0)


def _check_acks(
    calls: list[list[Message]], acks: list[list[Ack]], *, found: dict[TopicPartition, list[Record]]
) -> None:
    """Every ack that names an offset names that of its message."""
    places = {record.value: record for records in found.values() for record in records}
    for call, answers in zip(calls, acks, strict=True):
        for message, ack in zip(call, answers, strict=True):
            record = places[message.value]
            assert ack.partition == record.partition
            assert ack.offset in {None, record.offset}
