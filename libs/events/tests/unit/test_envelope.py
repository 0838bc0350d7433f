import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_events.envelope import (
    SPEC_VERSION,
    Envelope,
    from_headers,
    header,
    instant,
    timestamp,
    to_headers,
)
from facilitair_events.errors import HeaderError

TEXT = st.text(min_size=1)
ENVELOPES = st.builds(
    Envelope,
    **dict.fromkeys(
        ("id", "type", "source", "time", "subject", "tenant", "project", "actor", "correlation"),
        TEXT,
    ),
    causation=st.none() | TEXT,
    traceparent=st.none() | TEXT,
    seq=st.none() | st.integers(1, 10**18 - 1),
)
FULL = Envelope(
    id="i",
    type="facilitair.step.completed.v1",
    source="orchestrator",
    time="2026-01-02T03:04:05.678Z",
    subject="c",
    tenant="t",
    project="p",
    actor="a",
    correlation="r",
    causation="k",
    traceparent="00-1-2-01",
    seq=7,
)
REQUIRED = [
    *("ce_id", "ce_type", "ce_source", "ce_time", "ce_subject"),
    *("tenant", "project", "actor", "correlation"),
]


def with_header(name: str, value: bytes):
    return tuple((n, value if n == name else v) for n, v in to_headers(FULL))


@given(ENVELOPES)
def test_an_envelope_is_read_as_it_was_written(envelope):
    assert from_headers(to_headers(envelope)) == envelope


@given(st.lists(st.tuples(st.sampled_from([*REQUIRED, "seq", "x"]), st.binary(max_size=5))))
def test_any_headers_are_read_or_refused(headers):
    with pytest.raises(HeaderError):
        from_headers(tuple(headers[:6]))


def test_headers_stand_in_a_fixed_order_and_absent_ones_are_left_out():
    names = [name for name, _ in to_headers(FULL)]
    assert names == ["ce_specversion", *REQUIRED, "causation", "traceparent", "seq"]
    assert to_headers(FULL)[0] == ("ce_specversion", SPEC_VERSION.encode())
    short = Envelope(**dict.fromkeys(Envelope.__struct_fields__[:9], "x"))
    assert [name for name, _ in to_headers(short)] == ["ce_specversion", *REQUIRED]


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_header_is_named(name):
    headers = tuple(pair for pair in to_headers(FULL) if pair[0] != name)
    with pytest.raises(HeaderError, match=f"header '{name}' is missing") as caught:
        from_headers(headers)
    assert caught.value.header == name


@pytest.mark.parametrize("name", [*REQUIRED, "causation", "traceparent", "seq"])
def test_a_bad_header_is_named(name):
    for value, reason in ((b"", "is empty"), (b"\xff", "is not UTF-8")):
        with pytest.raises(HeaderError, match=f"header '{name}' {reason}"):
            from_headers(with_header(name, value))
    twice = (*to_headers(FULL), (name, b"1"))
    with pytest.raises(HeaderError, match=f"header '{name}' stands twice"):
        from_headers(twice)


@pytest.mark.parametrize(
    "seq", [b"0", b"-1", b"1.0", b"x", b" 1", b"1\n", b"\xc2\xb2", b"9" * 5000]
)
def test_a_seq_that_is_no_number_is_refused(seq):
    with pytest.raises(HeaderError, match="header 'seq' is not a number from 1"):
        from_headers(with_header("seq", seq))


def test_what_cannot_be_read_is_not_written():
    def changed(**fields):
        return Envelope(**{f: getattr(FULL, f) for f in FULL.__struct_fields__} | fields)

    for fields, reason in (
        ({"actor": ""}, "'actor' is empty"),
        ({"tenant": None}, "'tenant' is missing"),
        ({"id": "\ud800"}, "'ce_id' cannot be written"),
        ({"seq": 0}, "'seq' is not a number"),
    ):
        with pytest.raises(HeaderError, match=reason):
            to_headers(changed(**fields))


def test_headers_of_others_are_ignored():
    assert from_headers((("x", b"\xff"), *to_headers(FULL), ("x", b"\xfe"))) == FULL


def test_one_header_is_found_or_none():
    assert header(to_headers(FULL), "seq") == b"7"
    assert header(to_headers(FULL), "index") is None


def test_times_are_utc_with_milliseconds():
    assert timestamp(1_767_322_245_678) == "2026-01-02T02:50:45.678Z"
    assert timestamp(0) == "1970-01-01T00:00:00.000Z"
    assert instant(1_999).microsecond == 999_000
    assert instant(0).utcoffset().total_seconds() == 0
