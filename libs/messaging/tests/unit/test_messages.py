"""Records and Structs: what is written can be read, and nothing unreadable crashes the reader."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_events.codec import encode
from facilitair_events.envelope import Envelope, from_headers, to_headers
from facilitair_events.requests import AttemptReported, Fault, TimerFired
from facilitair_events.work import LedgerTicked
from facilitair_messaging.errors import (
    EnvelopeMismatchError,
    PermanentError,
    UnreadableRecordError,
)
from facilitair_messaging.messages import caused_by, message, read
from facilitair_messaging.ports import Message, Record

ENVELOPE = Envelope(
    id="e-1",
    type="facilitair.timer.fired.v1",
    source="orchestrator",
    time="2026-01-01T00:00:00.000Z",
    subject="c-1",
    tenant="local",
    project="p",
    actor="a",
    correlation="r-1",
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
)
DATA = TimerFired(timer_id="t-1", name="timeout")


def lying(sent: Message, *, offset: int = 7) -> Record:
    return Record(sent.topic, 3, offset, 1_000, sent.key, sent.value, sent.headers)


def good() -> Record:
    return lying(message(topic="inbox", key="local:c-1", data=DATA, envelope=ENVELOPE))


def without(name: str) -> Record:
    record = good()
    return msgspec.structs.replace(
        record, headers=tuple(pair for pair in record.headers if pair[0] != name)
    )


def test_what_is_written_is_read():
    incoming = read(good())

    assert incoming.data == DATA
    assert incoming.envelope == ENVELOPE
    assert incoming.record.key == b"local:c-1"


def test_an_envelope_of_another_type_is_refused():
    with pytest.raises(EnvelopeMismatchError, match=r"timer\.fired.*ledger\.ticked"):
        message(topic="t", key="k", data=LedgerTicked(incarnation="i"), envelope=ENVELOPE)


@pytest.mark.parametrize("name", ["ce_id", "ce_type", "ce_time", "tenant", "correlation"])
def test_a_missing_header_is_named(name):
    with pytest.raises(UnreadableRecordError, match=rf"inbox\[3\]@7 .*{name}.* is missing"):
        read(without(name))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"value": None}, "value is null"),
        ({"key": None}, "key is null"),
        ({"value": b'{"timer_id":1,"name":"x"}'}, r"\$\.timer_id"),
        ({"value": b"\xff\x00"}, "facilitair.timer.fired.v1"),
        ({"value": b"[" * 10_000}, "facilitair.timer.fired.v1"),
        ({"value": b""}, "facilitair.timer.fired.v1"),
    ],
)
def test_a_value_that_cannot_be_read_is_permanent(change, reason):
    with pytest.raises(PermanentError, match=reason):
        read(msgspec.structs.replace(good(), **change))


@pytest.mark.parametrize("wire_type", ["facilitair.timer.fired.v9", "x" * 100_000])
def test_an_unknown_type_is_named_within_bounds(wire_type):
    headers = to_headers(msgspec.structs.replace(ENVELOPE, type=wire_type))

    with pytest.raises(UnreadableRecordError, match="unknown event type") as caught:
        read(msgspec.structs.replace(good(), headers=headers))
    assert len(caught.value.reason) < 300


def test_a_reason_never_quotes_the_value():
    envelope = msgspec.structs.replace(ENVELOPE, type="facilitair.attempt.reported.v1")
    data = AttemptReported(
        path="coder", attempt=1, outcome="failed", fault=Fault(code="c", message="m")
    )
    value = encode(data).replace(b'"failed"', b'"sk-secret - at `x` text"')
    record = msgspec.structs.replace(good(), headers=to_headers(envelope), value=value)

    with pytest.raises(UnreadableRecordError, match=r"\$\.outcome") as caught:
        read(record)
    assert "secret" not in str(caught.value)


def test_what_follows_keeps_correlation_and_names_its_cause():
    follows = caused_by(
        ENVELOPE,
        id="e-2",
        data=LedgerTicked(incarnation="i"),
        source="worker",
        time="2026-01-01T00:00:01.000Z",
        subject="c-2",
    )

    assert follows == msgspec.structs.replace(
        ENVELOPE,
        id="e-2",
        type="facilitair.ledger.ticked.v1",
        source="worker",
        time="2026-01-01T00:00:01.000Z",
        subject="c-2",
        causation="e-1",
    )
    assert from_headers(to_headers(follows)) == follows


RAW = st.binary(max_size=40) | st.integers().map(lambda number: str(number).encode())
HEADER_NAMES = st.sampled_from([name for name, _ in to_headers(ENVELOPE)]) | st.just("seq")


@given(
    value=st.none() | st.binary() | st.just(encode(DATA)),
    changes=st.dictionaries(HEADER_NAMES, RAW, max_size=4),
)
def test_any_bytes_are_read_or_refused(value, changes):
    headers = dict(good().headers) | changes
    record = msgspec.structs.replace(good(), value=value, headers=tuple(headers.items()))
    try:
        incoming = read(record)
    except UnreadableRecordError:
        return
    assert incoming.data == DATA


def test_a_giant_seq_is_refused_not_raised():
    headers = (*good().headers, ("seq", b"9" * 5_000))

    with pytest.raises(UnreadableRecordError, match="seq"):
        read(msgspec.structs.replace(good(), headers=headers))
