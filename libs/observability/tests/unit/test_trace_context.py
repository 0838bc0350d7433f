"""W3C trace context: what is valid, what starts a new trace, and that children stay in theirs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_observability.trace_context import TraceContext, child, parse, render

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


def hex_ids(digits):
    return st.integers(min_value=1, max_value=16**digits - 1).map(lambda n: f"{n:0{digits}x}")


CONTEXTS = st.builds(TraceContext, trace_id=hex_ids(32), span_id=hex_ids(16), sampled=st.booleans())


@given(CONTEXTS)
def test_what_is_rendered_is_parsed(context):
    assert parse(render(context)) == context


@given(CONTEXTS, hex_ids(16))
def test_a_child_stays_in_the_trace(parent, span_id):
    below = child(parent, span_id=span_id)

    assert (below.trace_id, below.sampled) == (parent.trace_id, parent.sampled)
    assert below.span_id == span_id


@pytest.mark.parametrize(
    "invalid",
    [
        None,
        "",
        f"00-{TRACE}-{SPAN}",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-0x",
        f"00-{TRACE}-{SPAN}-01\n",
    ],
)
def test_an_invalid_header_starts_a_new_trace(invalid):
    assert parse(invalid) is None


def test_a_later_version_is_read_by_its_first_fields():
    assert parse(f"01-{TRACE}-{SPAN}-03-new") == TraceContext(
        trace_id=TRACE, span_id=SPAN, sampled=True
    )


def test_only_the_sampled_flag_counts():
    context = parse(f"00-{TRACE}-{SPAN}-02")

    assert context is not None
    assert not context.sampled


@given(st.text())
def test_any_text_is_parsed_or_ignored(text):
    assert parse(text) is None or render(parse(text))
