from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_llm.framing import Event, EventTooLargeError
from facilitair_llm.json_lines import LineParser

PIECES = st.sampled_from([b"{}", b"\n", b"\r\n", b"\n\n", b" ", b"x" * 30, b"\xff", b"\x00"])


def parse(parts, *, limit=64):
    """Return the events, and whether the parser refused the stream."""
    parser, events = LineParser(max_event_bytes=limit), []
    for part in [*parts, b""]:
        try:
            events += parser.feed(part)
        except EventTooLargeError:
            return events, True
    return events, False


@given(pieces=st.lists(PIECES, max_size=30), cuts=st.lists(st.integers(0, 300), max_size=20))
def test_any_split_of_the_bytes_gives_the_same_events_and_the_same_error(pieces, cuts):
    stream = b"".join(pieces)
    edges = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    whole = parse([stream])
    assert parse([stream[a:b] for a, b in pairwise(edges)]) == whole
    assert parse([stream[i : i + 1] for i in range(len(stream))]) == whole


def test_each_line_is_an_event_and_blank_lines_are_none():
    assert parse([b'{"a":1}\n\n \r\n{"b":2}\n'])[0] == [Event(b'{"a":1}'), Event(b'{"b":2}')]


def test_a_line_without_its_end_is_not_given_out():
    assert parse([b"whole\nhalf"]) == ([Event(b"whole")], False)


@pytest.mark.parametrize("flood", [b"y" * 65, b"y" * 65 + b"\n"])
def test_a_line_above_the_limit_is_refused_and_what_came_before_is_kept(flood):
    assert parse([b"ok\n" + flood + b"\nlater\n"]) == ([Event(b"ok")], True)
    assert parse([b"y" * 64 + b"\n"])[1] is False


def test_a_refused_stream_stays_refused():
    parser = LineParser(max_event_bytes=10)
    for part in (b"x" * 20 + b"\n", b"ok\n"):
        with pytest.raises(EventTooLargeError, match="more than 10 bytes"):
            parser.feed(part)
