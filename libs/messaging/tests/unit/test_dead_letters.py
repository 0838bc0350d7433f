"""Dead letters keep every byte of the record and say why, without saying what was in it."""

from importlib.metadata import version

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_messaging.dead_letters import DeadLetters, Failure, dead_letter, dead_letter_id
from facilitair_messaging.errors import PermanentError, ProduceUnknownError
from facilitair_messaging.ports import Ack, Record

FAILURE = Failure(error=PermanentError("no such agent"), attempts=3, first_failed_at_ms=1_500)
RECORD = Record("inbox", 2, 40, 1_000, b"local:c", b"\xff\x00", (("ce_id", b"e"), ("x", b"\xfe")))


def letter(record=RECORD, failure=FAILURE):
    return dead_letter(record, failure, service="worker", group="worker-group")


def test_a_letter_says_where_and_why():
    found = {name: value.decode() for name, value in letter().headers if name[:4] == "dlq_"}

    assert found.pop("dlq_id") == dead_letter_id(RECORD, group="worker-group")
    assert found.pop("dlq_version") == version("facilitair-messaging")
    assert found == {
        "dlq_service": "worker",
        "dlq_group": "worker-group",
        "dlq_topic": "inbox",
        "dlq_partition": "2",
        "dlq_offset": "40",
        "dlq_timestamp": "1000",
        "dlq_error": "PermanentError",
        "dlq_reason": "no such agent",
        "dlq_attempts": "3",
        "dlq_first_failed_at": "1970-01-01T00:00:01.500Z",
    }


HEADERS = st.lists(st.tuples(st.text().filter(lambda name: name[:4] != "dlq_"), st.binary()))


@given(key=st.binary(), value=st.none() | st.binary(), headers=HEADERS.map(tuple))
def test_a_letter_keeps_every_byte(key, value, headers):
    sent = letter(msgspec.structs.replace(RECORD, key=key, value=value, headers=headers))

    assert (sent.topic, sent.key, sent.value) == ("inbox-dlq", key, value)
    assert sent.headers[: len(headers)] == headers


def test_the_class_of_what_was_raised_is_told_without_its_words():
    found = dict(letter(failure=msgspec.structs.replace(FAILURE, raised="KeyError")).headers)

    assert (found["dlq_error"], found["dlq_reason"]) == (b"KeyError", b"no such agent")


def test_a_null_key_is_marked():
    sent = letter(msgspec.structs.replace(RECORD, key=None))

    assert sent.key == b""
    assert ("dlq_key_null", b"true") in sent.headers
    assert "dlq_key_null" not in dict(letter().headers)


def test_headers_of_an_earlier_letter_are_replaced():
    again = msgspec.structs.replace(RECORD, headers=letter().headers)

    assert letter(again) == letter()


def test_a_redelivery_has_the_same_id_and_nothing_else_has():
    replace = msgspec.structs.replace
    others = [
        dead_letter_id(RECORD, group="other"),
        *(
            dead_letter_id(replace(RECORD, **change), group="worker-group")
            for change in ({"topic": "tasks"}, {"partition": 3}, {"offset": 41})
        ),
    ]
    mine = dead_letter_id(RECORD, group="worker-group")

    assert dead_letter_id(replace(RECORD), group="worker-group") == mine
    assert len({mine, *others}) == 5


def test_a_reason_is_bounded_and_holds_no_credential():
    error = PermanentError("refused sk-abcdefghijklmnop " + "x" * 10_000)
    sent = letter(failure=msgspec.structs.replace(FAILURE, error=error))
    reason = dict(sent.headers)["dlq_reason"]

    assert reason.startswith(b"refused [redacted] x")
    assert len(reason) <= 500


class Broken:
    async def send(self, messages):
        raise ProduceUnknownError(topics=("inbox-dlq",), reason="the disk is full")


class Recording:
    def __init__(self):
        self.sent = []

    async def send(self, messages):
        self.sent.extend(messages)
        return [Ack(0, 0) for _ in messages]


async def test_a_letter_that_cannot_be_written_is_an_error():
    with pytest.raises(ProduceUnknownError):
        await DeadLetters(producer=Broken(), service="s", group="g").send(RECORD, FAILURE)


async def test_one_letter_is_sent():
    producer = Recording()

    await DeadLetters(producer=producer, service="s", group="g").send(RECORD, FAILURE)

    assert producer.sent == [dead_letter(RECORD, FAILURE, service="s", group="g")]
