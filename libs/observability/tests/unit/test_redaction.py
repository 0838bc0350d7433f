"""Redaction finds credentials by name and by shape, and leaves the rest alone."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_observability import redaction
from facilitair_observability.redaction import REDACTED, redacted, without_secrets


@pytest.mark.parametrize(
    "name",
    [
        "api_key",
        "openai_api_key",
        "X-Api-Key",
        "Authorization",
        "password",
        "passwd",
        "secret",
        "client_secret",
        "refresh_token",
        "token",
        "Set-Cookie",
        "private_key",
        "master_key",
        "admin_key",
        "key_pepper",
        "credentials",
    ],
)
def test_a_secret_name_hides_its_value(name):
    assert redacted({name: "anything"}, payloads=True) == {name: REDACTED}
    assert redacted({"nested": [{name: ["a", "b"]}]}, payloads=True) == {
        "nested": [{name: REDACTED}]
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tokens", 12),
        ("input_tokens", 12),
        ("api_key", None),
        ("key", "local:c-1"),
        ("keys", 3),
        ("token_count", 4),
        ("has_password", True),
        ("topic", "agent-tasks"),
    ],
)
def test_what_is_no_secret_stays(name, value):
    assert redacted({name: value}, payloads=False) == {name: value}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("key sk-proj-abcdefghijklmnop was refused", "key [redacted] was refused"),
        ("Authorization: Bearer abc.def-123456", "Authorization: Bearer [redacted]"),
        ("{'Authorization': 'abcdef'}", "{'Authorization': '[redacted]'}"),
        ("x-api-key: abcdef", "x-api-key: [redacted]"),
        ("{'X-Api-Key': 'abcdef'}", "{'X-Api-Key': '[redacted]'}"),
        ('{"api_key": "abcdef"}', '{"api_key": "[redacted]"}'),
        ("sent bearer abcdef123456789", "sent bearer [redacted]"),
        ("gsk_0123456789abcdefghij", "[redacted]"),
        ("eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl", "[redacted]"),
        ("postgres://me:pass@host/db", "postgres://[redacted]@host/db"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE\n", "[redacted]"),
        ("ghp_0123456789abcdefghijABCDEFGHIJ", "[redacted]"),
        ("https://example.org/a?b=c", "https://example.org/a?b=c"),
        ("the task asks for a risk-assessment-document", None),
        ("a basic function", None),
    ],
)
def test_a_secret_shape_is_cut_out_of_text(text, expected):
    assert without_secrets(text) == (text if expected is None else expected)


PIECES = ["sk-", "gsk_", "AIza", "ghp_", "AKIA", "eyJ", "://", "u:p@", "bearer ", "Basic ", "fac-"]
PIECES += ["authorization: ", "-----BEGIN RSA PRIVATE KEY-----", "0123456789abcdefABCDEF", ".", " "]


@given(st.lists(st.sampled_from(PIECES) | st.sampled_from([p.upper() for p in PIECES])))
def test_the_quick_look_misses_no_secret(pieces):
    text = "".join(pieces)
    found = without_secrets(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redaction, "_HINT", re.compile(""))
        assert without_secrets(text) == found


def test_depth_and_bytes_are_bounded():
    deep = value = {}
    for _ in range(1_000):
        value["inner"] = value = {}

    assert "[too deep]" in str(redacted({"deep": deep, "raw": b"123"}, payloads=True))
    assert redacted({"raw": b"123"}, payloads=True) == {"raw": "[3 bytes not shown]"}


FIELDS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), FIELDS), st.booleans())
def test_any_fields_can_be_redacted_and_the_original_stays(event, payloads):
    before = repr(event)

    assert redacted(event, payloads=payloads).keys() == event.keys()
    assert repr(event) == before
