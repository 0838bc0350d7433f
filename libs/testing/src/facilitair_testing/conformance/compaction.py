"""Compaction: the last record of each key stays, and R8's lag is kept."""

from hypothesis import given
from hypothesis import strategies as st

from facilitair_messaging.ports import Message, Record
from facilitair_testing.conformance.drive import append, read_all, texts, tps
from facilitair_testing.conformance.harness import Cleanup, LogHarness
from facilitair_testing.conformance.ordering import few_examples

_HOUR_MS = 3_600_000
_LAG_MS = 200
_OWN = b"harness-"
_COMPACT: Cleanup = ("compact",)

# A write of one key, of a value or of none, and whether time passes after it.
_writes = st.lists(
    st.tuples(st.sampled_from("abc"), st.booleans(), st.booleans()), min_size=1, max_size=12
)


class CompactionConformance:
    """What compaction keeps and what it may drop."""

    @few_examples
    @given(keys=st.lists(st.sampled_from("abcde"), min_size=1, max_size=40))
    async def test_the_last_record_of_each_key_stays_where_it_was(
        self, harness: LogHarness, keys: list[str]
    ) -> None:
        spec = await harness.topic(partitions=2, cleanup=_COMPACT, lag_ms=0)
        await append(
            harness.log, [Message(spec.name, k.encode(), b"%d" % n) for n, k in enumerate(keys)]
        )
        before = await read_all(harness.log, spec)
        await harness.compact(spec)
        after = _foreign(await read_all(harness.log, spec))
        last = {record.key: record for record in before}
        assert sorted(after, key=_place) == sorted(last.values(), key=_place)

    @few_examples
    @given(writes=_writes)
    async def test_r8_a_record_goes_only_when_its_successor_is_older_than_the_lag(
        self, harness: LogHarness, writes: list[tuple[str, bool, bool]]
    ) -> None:
        spec = await harness.topic(cleanup=_COMPACT, lag_ms=_LAG_MS)
        for n, (key, has_value, time_passes) in enumerate(writes):
            value = b"%d" % n if has_value else None
            await append(harness.log, [Message(spec.name, key.encode(), value)])
            if time_passes:
                await harness.elapse(_LAG_MS // 2)
        before = await read_all(harness.log, spec)
        await harness.compact(spec)
        await append(harness.log, [Message(spec.name, b"harness-now", b"")])
        everything = await read_all(harness.log, spec)
        now_ms = everything[-1].timestamp_ms
        after = _foreign(everything)
        assert set(after) <= set(before), "what stays does not change"
        for record in set(before) - set(after):
            later = [r for r in before if r.key == record.key and r.offset > record.offset]
            if later:
                assert later[0].timestamp_ms + _LAG_MS <= now_ms
            else:
                assert record.value is None, f"the last value of {record.key!r} is gone"
                assert record.timestamp_ms + _LAG_MS <= now_ms

    async def test_r8_young_records_are_all_kept(self, harness: LogHarness) -> None:
        spec = await harness.topic(cleanup=_COMPACT, lag_ms=_HOUR_MS)
        await append(harness.log, [Message(spec.name, b"k", b"%d" % n) for n in range(20)])
        before = await read_all(harness.log, spec)
        await harness.compact(spec)
        assert _foreign(await read_all(harness.log, spec)) == before

    async def test_a_tombstone_removes_what_was_before_it(self, harness: LogHarness) -> None:
        spec = await harness.topic(cleanup=_COMPACT, lag_ms=0)
        await append(
            harness.log,
            [
                Message(spec.name, b"gone", b"1"),
                Message(spec.name, b"kept", b"2"),
                Message(spec.name, b"gone", None),
            ],
        )
        await harness.compact(spec)
        after = _foreign(await read_all(harness.log, spec))
        assert [r.value for r in after if r.key == b"gone"] in ([], [None])
        assert texts(r for r in after if r.key == b"kept") == ["2"]

    async def test_a_value_after_a_tombstone_stays(self, harness: LogHarness) -> None:
        spec = await harness.topic(cleanup=_COMPACT, lag_ms=0)
        await append(
            harness.log,
            [Message(spec.name, b"k", value) for value in (b"old", None, b"new")],
        )
        await harness.compact(spec)
        assert texts(_foreign(await read_all(harness.log, spec))) == ["new"]

    async def test_offsets_are_not_used_again(self, harness: LogHarness) -> None:
        spec = await harness.topic(cleanup=_COMPACT, lag_ms=0)
        await append(harness.log, [Message(spec.name, b"k", None) for _ in range(5)])
        before = await harness.log.admin().end_offsets(tps(spec))
        await harness.compact(spec)
        await harness.reopen()
        (ack,) = await append(harness.log, [Message(spec.name, b"k", b"new")])
        assert ack.offset is not None
        assert ack.offset >= before[tps(spec)[0]]

    async def test_a_reader_passes_over_what_was_dropped(self, harness: LogHarness) -> None:
        spec = await harness.topic(cleanup=_COMPACT, lag_ms=0)
        (tp,) = tps(spec)
        await append(harness.log, [Message(spec.name, b"k", b"%d" % n) for n in range(10)])
        await harness.compact(spec)
        found = await read_all(harness.log, spec, start={tp: 3})
        assert texts(_foreign(found)) == ["9"]

    async def test_topics_that_are_not_compacted_keep_every_record(
        self, harness: LogHarness
    ) -> None:
        compacted = await harness.topic(cleanup=_COMPACT, lag_ms=0)
        spec = await harness.topic()
        await append(harness.log, [Message(spec.name, b"k", b"%d" % n) for n in range(10)])
        await harness.compact(compacted)
        assert len(await read_all(harness.log, spec)) == 10


def _foreign(records: list[Record]) -> list[Record]:
    """Those that the harness did not append itself."""
    return [record for record in records if not (record.key or b"").startswith(_OWN)]


def _place(record: Record) -> tuple[int, int]:
    return record.partition, record.offset
