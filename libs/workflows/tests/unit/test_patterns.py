"""Patterns in the schemas of outputs: linear, or refused when a workflow is applied."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_workflows.errors import PatternError
from facilitair_workflows.patterns import SOURCE_LIMIT, fault, matches
from facilitair_workflows.schema_checks import schema_faults

HARMLESS = ["^[a-z]+(-[a-z]+)*$", "a|b", r"^\d{4}-\d{2}$", "(?i)yes", "x*", "^(ab|cd)+$"]


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|a)*$", "^(a*)*b", "(.*)*x"])
@pytest.mark.timeout(120)
def test_no_text_makes_a_pattern_slow(pattern):
    assert fault(pattern) is None
    assert not matches(pattern, "a" * 100_000 + "!" if "x" not in pattern else "a" * 10_000)


@given(st.sampled_from(HARMLESS), st.text("abcdyesxYES-0123456789", max_size=12))
def test_harmless_patterns_mean_what_they_mean_in_python(pattern, text):
    assert matches(pattern, text) == (re.search(pattern, text) is not None)


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(?=x)y", "(?="),
        (r"(a)\1", "escape"),
        ("(", "missing )"),
        ("a" * (SOURCE_LIMIT + 1), "longer than"),
    ],
)
def test_what_cannot_be_matched_so_is_refused_with_a_reason(pattern, why):
    assert why in (fault(pattern) or "")
    with pytest.raises(PatternError, match="RE2"):
        matches(pattern, "x")


def test_every_pattern_of_a_schema_is_looked_at():
    bad = {"type": "string", "pattern": "(?!x)"}
    schema = {
        "type": "object",
        "properties": {"pattern": {"type": "string"}, "a": bad},
        "allOf": [{"propertyNames": bad}],
        "items": {"enum": [{"pattern": "(?!data)"}]},
        "patternProperties": {"^x": {}},
    }
    found = dict(schema_faults(schema))
    assert set(found) == {
        ("properties", "a", "pattern"),
        ("allOf", 0, "propertyNames", "pattern"),
        ("patternProperties",),
    }
    assert "look-around" in found["properties", "a", "pattern"]
    assert "propertyNames" in found["patternProperties",]


def test_a_schema_without_bad_patterns_has_no_faults():
    schema = {"type": "object", "properties": {"pattern": {"type": "string", "pattern": "^a+$"}}}
    assert list(schema_faults(schema)) == []
