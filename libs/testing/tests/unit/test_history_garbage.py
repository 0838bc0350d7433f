"""Whatever lies in a log, the checker gives a verdict and does not raise."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from facilitair_messaging.ports import Record
from facilitair_testing.doctored import scene
from facilitair_testing.history import judge

CORRUPTIONS = st.sampled_from(
    [
        "no value", "no key", "cut", "not json", "another value", "another key", "no headers",
        "another type", "again", "lost", "much later", "a field of nonsense",
    ]
)  # fmt: skip


def corrupted(record: Record, how: str, *, other: Record) -> list[Record]:
    value = record.value or b""
    if how == "again":
        return [record, replace(record, offset=record.offset + 1)]
    if how == "lost":
        return []
    changes = {
        "no value": {"value": None},
        "no key": {"key": None},
        "cut": {"value": value[: len(value) // 2]},
        "not json": {"value": b"\xff\x00"},
        "another value": {"value": other.value},
        "another key": {"key": other.key},
        "no headers": {"headers": ()},
        "another type": {"value": other.value, "headers": other.headers},
        "much later": {"timestamp_ms": record.timestamp_ms + 10**9},
        "a field of nonsense": {"value": value.replace(b'"step":"', b'"step":"x.y.')},
    }
    return [replace(record, **changes[how])]


@given(st.lists(st.tuples(CORRUPTIONS, st.integers(0, 10**6), st.integers(0, 10**6)), max_size=6))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_corrupted_history_is_judged_and_never_raises(
    corruptions: list[tuple[str, int, int]],
) -> None:
    history = scene().run.history()
    records = list(history.records)
    for how, where, whence in corruptions:
        place = where % len(records)
        record, other = records[place], records[whence % len(records)]
        records[place : place + 1] = corrupted(record, how, other=other)
    found = judge(replace(history, records=tuple(records)), lease_ms=scene().run.lease_ms)
    assert all(violation.rule and violation.text for violation in found)
