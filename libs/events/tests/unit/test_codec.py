import json
import re
import timeit
from datetime import datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facilitair_events.codec import decode, encode, type_name
from facilitair_events.collaboration import AttemptCompleted, Totals
from facilitair_events.errors import (
    AmountError,
    DecodeError,
    EncodeError,
    EventsError,
    UnknownTypeError,
)
from facilitair_events.layout import checkout_root
from facilitair_events.replies import RequestAnswered
from facilitair_events.requests import AttemptReported, CallReported, Fault
from facilitair_events.stream import Token
from facilitair_events.text import Artifact, Personal, Text, for_state, inline, personal_json
from facilitair_events.types import NAMES, TERMINAL_KINDS, TYPES, kind_of
from facilitair_events.work import CallClaimed

EVERY_TYPE = pytest.mark.parametrize("name", TYPES)
REPORTED = "facilitair.attempt.reported.v1"


def golden(name: str, which: str = "full") -> bytes:
    folder = checkout_root() / "schemas" / "examples" / name / "valid"
    return (folder / f"{which}.json").read_bytes()


def reported(value: object) -> AttemptReported:
    return AttemptReported(path="coder", attempt=1, outcome="completed", value=value)


@EVERY_TYPE
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_value_is_read_as_it_was_written(values, name, data):
    value = data.draw(values(TYPES[name]))
    written = encode(value)
    read = decode(name, written)
    assert read == value
    assert encode(read) == written
    assert b"\n" not in written  # R32
    json.loads(written)


@EVERY_TYPE
@given(noise=st.binary(max_size=60))
@settings(max_examples=50)
def test_any_bytes_are_read_or_refused(name, noise):
    try:
        decode(name, noise)
    except EventsError:
        return
    raise AssertionError(noise)


@EVERY_TYPE
@given(data=st.data())
@settings(max_examples=50)
def test_a_damaged_record_is_read_or_refused(name, data):
    whole = golden(name)
    at = data.draw(st.integers(0, len(whole) - 1))
    cut = data.draw(st.integers(at, len(whole)))
    damaged = whole[:at] + data.draw(st.binary(max_size=3)) + whole[cut:]
    try:
        encode(decode(name, damaged))
    except EventsError:
        return


@EVERY_TYPE
def test_a_missing_field_is_named(name):
    plain = json.loads(golden(name, "minimal"))
    for field in msgspec.structs.fields(TYPES[name]):
        if field.required:
            without = {k: v for k, v in plain.items() if k != field.encode_name}
            with pytest.raises(DecodeError, match=f"missing required field `{field.encode_name}`"):
                decode(name, json.dumps(without).encode())


@EVERY_TYPE
def test_a_field_of_another_type_is_named(name):
    plain = json.loads(golden(name))
    for key, value in plain.items():
        if key in {"value", "detail"}:  # any JSON
            continue
        wrong = [[True]] if isinstance(value, (str, int, float, dict)) else "text"
        with pytest.raises(DecodeError, match=rf"{re.escape(name)}: .* - at `\$\.{key}`"):
            decode(name, json.dumps({**plain, key: wrong}).encode())


@EVERY_TYPE
def test_unknown_fields_are_ignored(name):
    plain = json.loads(golden(name))
    later = {"from_a_later_version": {"a": [1]}, **plain}
    for key, value in plain.items():
        if key in {"fault", "totals", "task", "view", "state", "agent"} and isinstance(value, dict):
            later[key] = {**value, "from_a_later_version": 1}
    assert decode(name, json.dumps(later).encode()) == decode(name, golden(name))


def test_a_nested_field_is_named_by_its_path():
    plain = json.loads(golden(REPORTED))
    plain["fault"]["retryable"] = "yes"
    with pytest.raises(DecodeError, match=r"got `str` - at `\$\.fault\.retryable`"):
        decode(REPORTED, json.dumps(plain).encode())


@pytest.mark.parametrize("field", ["value", "from_a_later_version"])
@pytest.mark.parametrize("pair", [(b"[", b"]"), (b'{"a":', b"}")])
def test_deep_nesting_is_refused(field, pair):
    deep = pair[0] * 10_000 + b"1" + pair[1] * 10_000
    record = b'{"path":"p","attempt":1,"outcome":"failed","%b":%b}' % (field.encode(), deep)
    with pytest.raises(DecodeError, match="recursion"):
        decode(REPORTED, record)


def test_deep_nesting_is_not_written():
    nested: list[object] = []
    for _ in range(10_000):
        nested = [nested]
    with pytest.raises(EncodeError, match=r"recursion.*`\$\.value"):
        encode(reported(nested))


def test_of_a_key_that_stands_twice_the_last_one_counts():
    token = b'{"step":"a","attempt":1,"agent":"a","index":0,"text":"x","index":1}'
    assert decode("facilitair.token.v1", token).index == 1


@pytest.mark.parametrize(
    "value",
    [
        b"NaN",
        b"-Infinity",
        b"1e400",
        b'"\\ud800"',
        b'"\\udc00x"',
        b'"\xed\xa0\x80"',
        b"9" * 5000,
        b"01",
        b"'x'",
        b"1 1",
        b"\xef\xbb\xbf1",
        b"",
    ],
)
def test_what_is_no_json_or_no_text_is_refused(value):
    record = b'{"path":"p","attempt":1,"outcome":"failed","value":' + value + b"}"
    with pytest.raises(DecodeError):
        decode(REPORTED, record)


@pytest.mark.parametrize("number", ["0", "-1", "9223372036854775808", "1.0", "1e3", "true", '"1"'])
def test_numbers_have_bounds(number):
    record = f'{{"path":"p","attempt":{number},"outcome":"failed"}}'
    with pytest.raises(DecodeError, match=r"\$\.attempt"):
        decode(REPORTED, record.encode())


@pytest.mark.parametrize(
    "amount", ["NaN", "sNaN", "Infinity", "-0.01", "1E+12", "1E-41", "1e999999"]
)
def test_amounts_are_amounts(amount):
    record = json.dumps({"cost_usd": amount}).encode()
    with pytest.raises(msgspec.ValidationError, match="`cost_usd` is not an amount"):
        msgspec.json.decode(record, type=Totals)
    with pytest.raises(AmountError):
        Totals(cost_usd=Decimal(amount))


def test_an_amount_keeps_every_digit():
    call = CallReported(
        call_id="c", path="p", attempt=1, index=0, outcome="completed", cost_usd=Decimal("0.10")
    )
    written = encode(call)
    assert b'"cost_usd":"0.10"' in written
    assert str(decode(type_name(call), written).cost_usd) == "0.10"


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": [1.0, float("nan")]}, "$.value['a'][1]"),
        (float("inf"), "$.value"),
        ({"a": (1, 2)}, "$.value['a']"),
        ({1: "a"}, "$.value"),
        ({"a": Decimal(1)}, "$.value['a']"),
        ({"a": {"b": "\ud800"}}, "$.value['a']['b']"),
        ([object()], "$.value[0]"),
        ([0, 10**5000], "$.value[1]"),
        (Fault(code="a", message="b"), "$.value"),
    ],
)
def test_what_json_cannot_hold_is_refused_where_it_stands(value, path):
    with pytest.raises(EncodeError, match=rf"{re.escape(REPORTED)}: .* - at `{re.escape(path)}"):
        encode(reported(value))


def test_what_no_reader_would_accept_is_not_written():
    claim = {"call_id": "c", "nonce": "n", "incarnation": "i", "path": "p", "index": 0}
    with pytest.raises(EncodeError, match=r">= 1 - at `\$\.attempt`"):
        encode(CallClaimed(attempt=0, **claim))
    with pytest.raises(EncodeError, match=r"Expected `str`, got `int` - at `\$\.path`"):
        encode(CallClaimed(attempt=1, **{**claim, "path": 7}))
    answer = RequestAnswered(correlation="c", collaboration="d", outcome="maybe")
    with pytest.raises(EncodeError, match=r"Invalid enum value 'maybe' - at `\$\.outcome`"):
        encode(answer)


def test_a_time_without_a_zone_is_not_written():
    event = decode("facilitair.attempt.completed.v1", golden("facilitair.attempt.completed.v1"))
    naive = msgspec.structs.replace(event, at=datetime(2026, 1, 1))  # noqa: DTZ001 - the fault
    assert isinstance(naive, AttemptCompleted)
    with pytest.raises(EncodeError, match=r"\$\.at"):
        encode(naive)


def test_unregistered_types_are_refused_both_ways():
    with pytest.raises(UnknownTypeError, match=r"'facilitair\.nothing\.done\.v1'"):
        decode("facilitair.nothing.done.v1", b"{}")
    with pytest.raises(UnknownTypeError, match="Fault"):
        encode(Fault(code="a", message="b"))


def test_mappings_keep_their_order():
    first = reported({"b": 1, "a": 2})
    assert b'{"b":1,"a":2}' in encode(first)
    assert list(decode(REPORTED, encode(first)).value) == ["b", "a"]


def test_r37_personal_texts_keep_their_form_on_the_wire():
    token = encode(reported(None))
    assert b"value" not in token
    report = AttemptReported(path="p", attempt=1, outcome="completed", output=inline("é"))
    assert b'"output":{"size":2,"text":{"k":null,"v":"\xc3\xa9"}}' in encode(report)
    assert json.loads(personal_json({"a": [1]}).v) == {"a": [1]}
    with pytest.raises(msgspec.ValidationError, match="`k`"):
        msgspec.json.decode(b'{"v":"x"}', type=Personal)


def test_state_holds_only_short_texts():
    artifact = Artifact(uri="u", sha256="s", size=9000)
    long = Text(size=9000, text=Personal(k=None, v="x"), artifact=artifact)
    assert for_state(long) == Text(size=9000, artifact=artifact)
    assert for_state(inline("short")) == inline("short")
    edge = Text(size=8192, text=Personal(k=None, v="x"), artifact=artifact)
    assert for_state(edge) is edge


def test_every_name_has_one_struct_and_a_kind():
    assert len(NAMES) == len(TYPES)
    assert kind_of("facilitair.step.completed.v1") == "step.completed"
    assert kind_of("facilitair.token.v1") == "token"
    kinds = {kind_of(name) for name in TYPES}
    assert kinds >= TERMINAL_KINDS


def test_a_token_costs_about_a_microsecond_each_way():
    """A guard against walks over values: 25 times the usual cost fails, a slow machine does not."""
    token = Token(step="coder", attempt=1, agent="coder", index=17, text=" hello world")
    written = encode(token)
    rounds = 5_000
    best = min(
        timeit.repeat(lambda: decode("facilitair.token.v1", encode(token)), number=rounds, repeat=5)
    )
    assert decode("facilitair.token.v1", written) == token
    assert best / rounds < 25e-6
