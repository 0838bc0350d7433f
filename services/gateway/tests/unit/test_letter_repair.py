"""Corrected records: what is written can be read, and everything that is wrong is told."""

import json

import pytest

from facilitair_events import codec
from facilitair_events.envelope import Envelope, from_headers, to_headers
from facilitair_gateway.errors import RequestFaultsError
from facilitair_gateway.letters.letter import letter_of
from facilitair_gateway.letters.repair import corrected, put_back
from facilitair_messaging.messages import read
from facilitair_messaging.ports import Record
from facilitair_testing.desk import task

DATA = task("a")
VALUE = json.loads(codec.encode(DATA))
ENVELOPE = Envelope(
    id="t", type="facilitair.attempt.run.v1", source="test", time="2026-01-01T00:00:00.000Z",
    subject="c1", tenant="local", project="default", actor="me", correlation="r1", causation="c",
)  # fmt: skip
CARRIED = ("facilitair.attempt.run.v1",)
WHY = (("dlq_id", b"i"), ("dlq_reason", b"r"), ("dlq-letter", b"x"), ("dlq-replay", b"2"))


def dead(value=b"{", headers=None):
    told = to_headers(ENVELOPE) if headers is None else headers
    record = Record("agent-tasks-dlq", 0, 7, 1, b"local:c1:a", value, (*told, *WHY))
    return letter_of(record)


def faults(value, headers=None, *, letter=None):
    with pytest.raises(RequestFaultsError) as caught:
        corrected(letter or dead(), value=value, headers=headers or {}, types=CARRIED)
    return {fault.field: fault.message for fault in caught.value.faults}


def test_what_is_put_back_unchanged_is_the_record_before_it_died():
    sent = put_back(dead(b"\xff"), replay=3, correction=None, editor=None)
    lineage = (("dlq-letter", b"agent-tasks-dlq:0:7"), ("dlq-replay", b"3"))
    assert (sent.topic, sent.key, sent.value) == ("agent-tasks", b"local:c1:a", b"\xff")
    assert sent.headers == (*to_headers(ENVELOPE), *lineage)


def test_a_correction_is_written_as_the_codec_writes_it_and_keeps_the_envelope():
    found = corrected(
        dead(), value=dict(reversed(VALUE.items())), headers={"causation": None}, types=CARRIED
    )
    sent = put_back(dead(), replay=1, correction=found, editor="me")
    assert sent.value == codec.encode(DATA)
    assert sent.headers[-1] == ("dlq-editor", b"me")
    seen = read(Record(sent.topic, 0, 0, 0, sent.key, sent.value, sent.headers))
    assert seen.data == DATA
    assert seen.envelope.id == "t"
    assert seen.envelope.causation is None


def test_a_field_that_no_reader_knows_is_a_fault():
    assert "promt" in faults(VALUE | {"promt": "x"})["value"]
    nested = VALUE | {"task": VALUE["task"] | {"txet": 1}}
    assert "txet" in faults(nested)["value.task"]


@pytest.mark.parametrize("value", [None, [], "text", 7, {}])
def test_what_is_no_such_record_is_a_fault(value):
    assert faults(value)


def test_all_faults_of_value_and_headers_are_told_together():
    found = faults(
        VALUE | {"attempt": 0, "timeout_s": "soon"},
        {"ce_id": None, "ce_time": "", "tenant": "acme", "dlq-replay": "1"},
    )
    assert set(found) == {
        "value.attempt", "value.timeout_s", "headers.ce_id", "headers.ce_time", "headers.tenant",
        "headers.dlq-replay",
    }  # fmt: skip


def test_a_type_that_the_topic_does_not_carry_is_a_fault():
    foreign = faults(VALUE, {"ce_type": "facilitair.cancel.requested.v1"})
    assert "agent-tasks carries facilitair.attempt.run.v1" in foreign["headers.ce_type"]
    assert set(foreign) == {"headers.ce_type"}


def test_a_type_that_does_not_exist_is_a_fault():
    assert set(faults(VALUE, {"ce_type": "facilitair.attempt.ran.v1"})) == {"headers.ce_type"}
    assert set(faults(VALUE, {"ce_type": None})) == {"headers.ce_type"}


@pytest.mark.parametrize("name", ["tenant", "ce_subject"])
def test_an_owner_that_is_not_the_keys_is_a_fault(name):
    assert set(faults(VALUE, {name: "other"})) == {f"headers.{name}"}


def test_a_header_that_stands_twice_can_be_set_once():
    letter = dead(headers=(*to_headers(ENVELOPE), ("tenant", b"other")))
    assert set(faults(VALUE, letter=letter)) == {"headers.tenant"}
    found = corrected(letter, value=VALUE, headers={"tenant": "local"}, types=CARRIED)
    assert from_headers(found.headers).tenant == "local"
