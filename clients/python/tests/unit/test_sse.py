import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_client.errors import ProtocolError
from facilitair_client.sse import Frame, SseParser

TEXT = st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=["Cs"]), max_size=20)
IDS = st.from_regex(r"[0-9]{1,3}-[0-9]{1,5}-[0-9]{1,3}", fullmatch=True)
FRAMES = st.lists(st.tuples(st.sampled_from(["token", "gap", "step.completed"]), TEXT, IDS))
ENDINGS = st.sampled_from(["\n", "\r\n", "\r"])


def encoded(frames, ending):
    lines = []
    for event, data, ident in frames:
        lines += [f"id: {ident}", f"event: {event}", ": a comment", f"data: {data}", ""]
    return "".join(line + ending for line in lines).encode()


def cut(content, places):
    edges = sorted({0, len(content), *(place % (len(content) + 1) for place in places)})
    return [content[a:b] for a, b in itertools.pairwise(edges)]


@given(FRAMES, ENDINGS, st.lists(st.integers(min_value=0, max_value=10_000)))
def test_how_bytes_are_cut_changes_nothing(frames, ending, places):
    parser = SseParser()
    found = [frame for part in cut(encoded(frames, ending), places) for frame in parser.feed(part)]
    assert found == [Frame(event=event, data=data, id=ident) for event, data, ident in frames]


@given(FRAMES, st.integers(min_value=0, max_value=200))
def test_a_cut_frame_is_never_given_out(frames, missing):
    content = encoded([*frames, ("token", "last", "0-1-1")], "\n")
    whole = len(encoded(frames, "\n"))
    found = SseParser().feed(content[: max(whole, len(content) - 1 - missing)])
    assert len(found) == len(frames)


def one(content, **more):
    return SseParser(**more).feed(content)


def test_several_data_lines_are_one_text():
    assert one(b"data: a\ndata:b\ndata\n\n") == [Frame("message", "a\nb\n")]


def test_an_id_holds_until_the_next_one():
    frames = one(b"id: 1-2-3\ndata: a\n\ndata: b\n\nid: 4-5-6\ndata: c\n\n")
    assert [frame.id for frame in frames] == ["1-2-3", "1-2-3", "4-5-6"]


def test_an_id_with_a_null_is_ignored():
    assert one(b"id: 1-2-3\n\nid: 9\0\ndata: a\n\n")[0].id == "1-2-3"


def test_a_frame_without_data_is_no_event_but_its_id_counts():
    assert one(b"id: 7-7-7\nevent: token\n\ndata: x\n\n") == [Frame("message", "x", "7-7-7")]


def test_a_byte_order_mark_is_no_part_of_the_first_line():
    assert one(b"\xef\xbb\xbfdata: a\n\n") == [Frame("message", "a")]


def test_retry_is_told_and_nonsense_is_not():
    parser = SseParser()
    parser.feed(b"retry: 1500\n\n")
    assert parser.retry_ms == 1500
    parser.feed(b"retry: soon\nretry: \xd9\xa1\n\n")
    assert parser.retry_ms == 1500


def test_an_endless_line_is_refused():
    parser = SseParser(max_frame_bytes=100)
    for _ in range(10):
        parser.feed(b"data: xxxx")
    with pytest.raises(ProtocolError, match="100 bytes"):
        parser.feed(b"x")


def test_an_endless_frame_is_refused():
    with pytest.raises(ProtocolError, match="larger"):
        one(b"data: xxxxxxxxxx\n" * 20, max_frame_bytes=100)


def test_the_limit_is_for_one_frame_not_for_the_stream():
    assert len(one(b"data: xxxxxxxxxx\n\n" * 50, max_frame_bytes=100)) == 50
