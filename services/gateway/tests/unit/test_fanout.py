import re
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from facilitair_gateway.errors import MalformedCursorError
from facilitair_gateway.fanout import (
    Cursor,
    Entry,
    Progress,
    Verdict,
    entry_of,
    frame,
    gap_frame,
    parse_cursor,
)
from facilitair_messaging.ports import Record


def record(*headers: tuple[str, bytes], value: bytes | None = b"{}", offset: int = 7) -> Record:
    return Record("collaboration-stream", 3, offset, 0, b"local:c", value, headers)


def event(offset: int, seq: int, kind: bytes = b"step.completed") -> Entry:
    return Entry(offset, kind, b'{"seq":%d}' % seq, seq)


def chunk(offset: int, index: int, *, attempt: int = 1, step: bytes = b"coder") -> Entry:
    value = b'{"step":"%b","attempt":%d,"index":%d}' % (step, attempt, index)
    return Entry(offset, b"token", value, None, step, attempt, index)


def announced(offset: int, attempt: int, step: bytes = b"coder") -> Entry:
    kind = b"attempt.started" if attempt == 1 else b"attempt.reset"
    return Entry(offset, kind, b'{"attempt":%d}' % attempt, None, step, attempt)


# --- cursors


@given(st.integers(0, 99_999), st.integers(0, 10**18 - 1), st.integers(0, 10**18 - 1))
def test_a_cursor_is_read_as_it_was_written(partition: int, offset: int, seq: int) -> None:
    cursor = Cursor(partition, offset, seq)
    assert parse_cursor(str(cursor)) == cursor


@given(st.text(max_size=40))
def test_any_other_text_is_malformed_and_never_another_error(text: str) -> None:
    try:
        cursor = parse_cursor(text)
    except MalformedCursorError as error:
        assert "3-1204-17" in str(error)  # noqa: PT017 - both outcomes are legal here
    else:
        assert str(cursor) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "start",
        "1-2",
        "1-2-3-4",
        "-1-2-3",
        "1--2-3",
        "01-2-3",
        "1-2-3\n",
        "٣-1-1",
        "1-2-" + "9" * 19,
    ],
)
def test_malformed_cursors_are_refused(text: str) -> None:
    with pytest.raises(MalformedCursorError):
        parse_cursor(text)


# --- records


def test_r31_an_event_copy_is_known_by_its_headers_and_its_value_is_untouched() -> None:
    value = b'{"collaboration":"c","seq":4,"weird":"\xc3\xa9"}'
    entry = entry_of(
        record(("ce_type", b"facilitair.step.completed.v1"), ("seq", b"4"), value=value)
    )
    assert entry == Entry(7, b"step.completed", value, 4)
    assert frame(entry, partition=3, seq=4) == (
        b"id: 3-8-4\nevent: step.completed\ndata: " + value + b"\n\n"
    )


def test_r31_a_token_is_known_by_four_headers() -> None:
    entry = entry_of(
        record(
            ("ce_type", b"facilitair.token.v1"),
            ("step", b"coder"),
            ("attempt", b"2"),
            ("index", b"5"),
        )
    )
    assert entry == Entry(7, b"token", b"{}", None, b"coder", 2, 5)
    assert frame(entry, partition=3, seq=9).startswith(b"id: 3-8-9\nevent: token\n")


@pytest.mark.parametrize(
    "broken",
    [
        record(("ce_type", b"facilitair.token.v1"), value=None),
        record(),
        record(("ce_type", b"elsewhere.token.v1")),
        record(("ce_type", b"facilitair.v1")),
        record(("ce_type", b"facilitair.x\nid: 9-9-9.v1")),
        record(("ce_type", b"facilitair.step.started.v1"), ("seq", b"one")),
        record(("ce_type", b"facilitair.step.started.v1"), ("seq", b"9" * 19)),
        record(("ce_type", b"facilitair.token.v1"), ("index", b"-1")),
        record(("ce_type", b"facilitair.token.v1"), value=b'{"a":1,\n"b":2}'),
        record(("ce_type", b"facilitair.token.v1"), value=b"{}\revent: forged"),
        record(("ce_type", b"facilitair.token.v1"), value=b'{"a":1'),
        record(("ce_type", b"facilitair.token.v1"), value=b'{},"event":"forged"'),
        record(("ce_type", b"facilitair.token.v1"), value=b'{"a":"\xff"}'),
        record(("ce_type", b"facilitair.token.v1"), value=b"[" * 20_000),
        record(("ce_type", b"facilitair.token.v1"), ("tenant", b"evil")),
        record(("ce_type", b"facilitair.token.v1"), ("tenant", b"loc")),
        structs.replace(record(("ce_type", b"facilitair.token.v1")), key=None),
    ],
)
def test_r32_a_record_that_would_break_the_frames_or_is_not_ours_is_no_entry(
    broken: Record,
) -> None:
    assert entry_of(broken) is None


def test_only_the_five_ends_are_terminal() -> None:
    ends = [b"refused", b"completed", b"failed", b"cancelled", b"expired"]
    assert all(event(1, 1, b"collaboration." + end).terminal for end in ends)
    others = (b"collaboration.accepted", b"step.completed", b"attempt.failed", b"token")
    assert not any(event(1, 1, kind).terminal for kind in others)


def test_a_gap_frame_carries_the_cursor_to_read_on_from() -> None:
    text = gap_frame(Cursor(3, 18, 4), reason="slow", message="read on").decode()
    assert text.startswith("id: 3-18-4\nevent: gap\ndata: ")
    data = msgspec.json.decode(text.split("data: ")[1])
    assert data == {"cursor": "3-18-4", "reason": "slow", "message": "read on"}


# --- what is sent


def verdicts(progress: Progress, *entries: Entry) -> list[Verdict]:
    return [progress.admit(entry) for entry in entries]


def test_r31_copies_up_to_the_cursors_seq_are_dropped() -> None:
    progress = Progress(2)
    assert verdicts(progress, event(1, 1), event(2, 2), event(3, 3), event(4, 3)) == [
        Verdict.DROP,
        Verdict.DROP,
        Verdict.SEND,
        Verdict.DROP,
    ]


def test_r12_a_gap_stops_the_viewer() -> None:
    progress = Progress()
    assert verdicts(progress, event(1, 1), event(2, 3)) == [Verdict.SEND, Verdict.MISSING]
    assert progress.seq == 1


def test_r28_the_first_event_of_a_viewer_may_have_any_seq() -> None:
    assert verdicts(Progress(), event(1, 8), event(2, 9)) == [Verdict.SEND, Verdict.SEND]


def test_r31_repeated_chunks_are_dropped_by_index() -> None:
    progress = Progress()
    entries = (chunk(1, 0), chunk(2, 1), chunk(3, 0), chunk(4, 1), chunk(5, 2))
    assert [verdict is Verdict.SEND for verdict in verdicts(progress, *entries)] == [
        True, True, False, False, True,
    ]  # fmt: skip


def test_chunks_of_another_step_count_for_themselves() -> None:
    progress = Progress()
    entries = (chunk(1, 0), chunk(2, 0, step=b"tester"), chunk(3, 0, step=b"tester"))
    assert verdicts(progress, *entries) == [Verdict.SEND, Verdict.SEND, Verdict.DROP]


def test_chunks_of_an_attempt_older_than_the_last_reset_are_dropped() -> None:
    progress = Progress()
    entries = (announced(1, 1), chunk(2, 0), announced(3, 2), chunk(4, 1), chunk(5, 0, attempt=2))
    assert verdicts(progress, *entries)[2:] == [Verdict.SEND, Verdict.DROP, Verdict.SEND]


def test_a_repeated_announcement_is_dropped() -> None:
    progress = Progress()
    entries = (announced(1, 1), chunk(2, 0), announced(3, 1), chunk(4, 1))
    assert verdicts(progress, *entries) == [
        Verdict.SEND, Verdict.SEND, Verdict.DROP, Verdict.SEND,
    ]  # fmt: skip


# --- resuming


@st.composite
def streams(draw: st.DrawFn) -> list[Entry]:
    """A stream as one partition may hold it: dense events, attempts, and repeats of a suffix."""
    facts: list[Entry] = []
    seq = 0
    for step in draw(st.lists(st.sampled_from([b"architect", b"coder"]), max_size=4, unique=True)):
        for attempt in range(1, draw(st.integers(1, 3)) + 1):
            seq += 1
            facts.append(event(0, seq, b"step.scheduled"))
            facts.append(announced(0, attempt, step))
            chunks = draw(st.integers(0, 4))
            facts.extend(chunk(0, i, attempt=attempt, step=step) for i in range(chunks))
    facts.append(event(0, seq + 1, b"collaboration.completed"))
    for _ in range(draw(st.integers(0, 2))):
        # After an ambiguous send the writer repeats what it may have written already (R4).
        first = draw(st.integers(0, len(facts) - 1))
        last = draw(st.integers(first, len(facts) - 1))
        facts[last:last] = [fact for fact in facts[first:last] if fact.seq is None]
    gaps = draw(st.lists(st.integers(1, 3), min_size=len(facts), max_size=len(facts)))
    offset, placed = draw(st.integers(0, 50)), []
    for fact, gap in zip(facts, gaps, strict=True):
        offset += gap
        placed.append(msgspec.structs.replace(fact, offset=offset))
    return placed


def view(entries: Sequence[Entry], cursor: Cursor) -> list[tuple[Cursor, bytes]]:
    """What a gateway sends from a cursor on: each frame's id, and the frame."""
    progress, sent = Progress(cursor.seq), []
    for entry in entries:
        if entry.offset < cursor.offset:
            continue
        if progress.admit(entry) is Verdict.SEND:
            shown = frame(entry, partition=3, seq=progress.seq)
            found = re.match(rb"id: (\S+)\n", shown)
            assert found is not None
            sent.append((parse_cursor(found[1].decode()), shown))
        if entry.terminal:
            break
    return sent


def client_side(frames: Sequence[bytes]) -> list[bytes]:
    """A client's duty across connections: drop repeats by (step, attempt, index)."""
    kept, latest, last = [], {}, {}
    for shown in frames:
        data = msgspec.json.decode(shown.split(b"data: ")[1])
        if b"event: token\n" in shown:
            step, attempt, index = data["step"], data["attempt"], data["index"]
            if attempt < latest.get(step, 0) or index <= last.get((step, attempt), -1):
                continue
            last[step, attempt] = index
            latest[step] = attempt
        kept.append(shown)
    return kept


@given(streams())
def test_r31_a_resume_at_every_frame_boundary_gives_what_an_uninterrupted_read_gives(
    entries: list[Entry],
) -> None:
    whole = view(entries, Cursor(3, 0, 0))
    tokens = [shown for _, shown in whole]
    assert client_side(tokens) == tokens
    for boundary, (cursor, _) in enumerate(whole, start=1):
        rest = [shown for _, shown in view(entries, cursor)]
        resumed = client_side([*tokens[:boundary], *rest])
        assert [s for s in resumed if b"event: attempt." not in s] == [
            s for s in tokens if b"event: attempt." not in s
        ]


@given(streams())
def test_two_viewers_and_a_late_one_are_sent_the_same(entries: list[Entry]) -> None:
    start = Cursor(3, entries[0].offset, 0)
    assert view(entries, start) == view(entries, start) == view(entries, Cursor(3, 0, 0))
