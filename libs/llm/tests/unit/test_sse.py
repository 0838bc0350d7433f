from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_llm.framing import Event, EventTooLargeError
from facilitair_llm.sse import SseParser

PIECES = st.sampled_from(
    [
        b"data:",
        b"data: ",
        b"data",
        b"event: error",
        b"event: ",
        b"event: a\ndata: b\n\n",
        b": comment",
        b"id: 7",
        b"retry: 1",
        b"\n",
        b"\n\n",
        b"\r",
        b"\r\n",
        b"\r\n\r\n",
        "{“grüß”: 🙂}".encode(),
        b"\x00",
        b"\xff",
        b"\xef\xbb\xbf",
        b"x" * 30,
        b"[DONE]",
    ]
)
STREAMS = st.lists(PIECES | st.binary(max_size=8), max_size=40).map(b"".join)


def parse(parts: list[bytes], *, limit: int = 64) -> tuple[list[Event], bool]:
    """Return the events, and whether the parser refused the stream."""
    parser, events = SseParser(max_event_bytes=limit), []
    for part in [*parts, b""]:
        try:
            events += parser.feed(part)
        except EventTooLargeError:
            return events, True
    return events, False


@given(stream=STREAMS, cuts=st.lists(st.integers(0, 400), max_size=20))
def test_any_split_of_the_bytes_gives_the_same_events_and_the_same_error(stream, cuts):
    edges = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    parts = [stream[a:b] for a, b in pairwise(edges)]
    whole = parse([stream])
    assert parse(parts) == whole
    assert parse([stream[i : i + 1] for i in range(len(stream))]) == whole


@given(
    texts=st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=20), max_size=8
    ),
    ending=st.sampled_from([b"\n", b"\r", b"\r\n"]),
    gap=st.sampled_from([b"", b" "]),
)
def test_every_event_written_is_read(texts, ending, gap):
    # A leading space is the one that the format swallows.
    stream = b"".join(b"data:" + gap + t.encode() + ending + ending for t in texts)
    expected = [(t if gap else t.removeprefix(" ")).encode() for t in texts]
    assert [event.data for event in parse([stream], limit=1000)[0]] == expected


def test_data_lines_of_one_event_are_joined_by_a_newline():
    assert parse([b"data: a\ndata:b\r\ndata:\rdata:  c\n\n"])[0] == [Event(data=b"a\nb\n\n c")]


def test_comments_ids_and_unknown_fields_are_not_events():
    assert parse([b": ping\n\nid: 4\nretry: 9\nnonsense\n\n"])[0] == []


def test_an_event_has_its_name_and_the_next_one_does_not_inherit_it():
    events, _ = parse([b"event: error\ndata: x\n\ndata: y\n\n"])
    assert events == [Event(data=b"x", name="error"), Event(data=b"y")]


@pytest.mark.parametrize("whole", [b"event: a\ndata: b\n\n", b"event: \ndata: b\n\n"])
def test_the_short_way_for_plain_events_reads_names_as_the_long_one_does(whole):
    assert parse([whole]) == parse([whole[:9], whole[9:]])
    assert parse([whole], limit=len(whole) - 4)[1] is True
    assert parse([whole], limit=len(whole) - 3)[1] is False


def test_a_byte_order_mark_is_dropped_at_the_start_only():
    events, _ = parse([b"\xef\xbb", b"\xbfdata: a\n\ndata: \xef\xbb\xbf\n\n"])
    assert [event.data for event in events] == [b"a", b"\xef\xbb\xbf"]


def test_an_event_without_its_blank_line_is_not_given_out():
    assert parse([b"data: whole\n\ndata: half\n"])[0] == [Event(data=b"whole")]


@pytest.mark.parametrize(
    "flood",
    [b"data: " + b"x" * 80, b"data: x\n" * 20, b": ping\n" * 20, b"y" * 80],
    ids=["giant line", "many lines", "comments", "no field"],
)
def test_an_event_above_the_limit_is_refused_and_what_came_before_is_kept(flood):
    assert parse([b"data: ok\n\n" + flood]) == ([Event(data=b"ok")], True)


def test_comments_with_blank_lines_between_never_reach_the_limit():
    assert parse([b": ping\n\n" * 100 + b"data: x\n\n"]) == ([Event(data=b"x")], False)


def test_a_refused_stream_stays_refused():
    parser = SseParser(max_event_bytes=10)
    for part in (b"data: " + b"x" * 20 + b"\n\n", b"data: ok\n\n"):
        with pytest.raises(EventTooLargeError, match="more than 10 bytes"):
            parser.feed(part)
