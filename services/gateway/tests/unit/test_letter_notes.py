"""The fold of notes: the first action counts, and nothing else closes a letter."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_events import codec
from facilitair_events.errors import EventsError
from facilitair_events.letters import LetterDiscarded, LetterReplayed
from facilitair_gateway.letters.letter import Place, letter_of, parse_place
from facilitair_gateway.letters.notes import Notes
from facilitair_messaging.ports import Record

DLQ = "agent-tasks-dlq"
AT = datetime(2026, 1, 1, tzinfo=UTC)


def record(offset, value=b"{", headers=(), *, topic=DLQ):
    return Record(topic, 0, offset, 1_000 + offset, b"local:c1:a", value, tuple(headers))


def letter(offset, *, dlq_id=None, parent=None):
    headers = [("dlq_id", (dlq_id or f"id-{offset}").encode())]
    headers += [("dlq-letter", parent.encode())] if parent else []
    return record(offset, headers=headers)


def note(offset, data):
    return record(offset, codec.encode(data), [("ce_type", codec.type_name(data).encode())])


def discarded(place, *, by="me", dlq_id=None):
    return LetterDiscarded(letter=place, by=by, at=AT, reason="r", dlq_id=dlq_id)


def replayed(place, *, by="me", replay=1):
    return LetterReplayed(letter=place, by=by, at=AT, topic="agent-tasks", partition=1,
                          replay=replay)  # fmt: skip


def folded(*records):
    notes = Notes()
    for one in records:
        notes.apply(one)
    return notes


def state(notes, one):
    return notes.standing(letter_of(one)).state


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=8))
def test_the_first_action_decides(actions):
    letters = [letter(offset) for offset in range(4)]
    notes = [
        note(4 + number, (replayed if again else discarded)(f"{DLQ}:0:{target}"))
        for number, (target, again) in enumerate(actions)
    ]
    found = folded(*letters, *notes)
    for number, one in enumerate(letters):
        mine = ["replayed" if again else "discarded" for to, again in actions if to == number]
        standing = found.standing(letter_of(one))
        assert standing.state == (mine or ["open"])[0]
        assert [action.did for action in standing.actions] == mine
        assert standing.replays == mine.count("replayed")


def test_a_note_closes_every_letter_of_the_same_record_and_group():
    first, again, other = letter(0, dlq_id="x"), letter(1, dlq_id="x"), letter(2, dlq_id="y")
    found = folded(first, again, other, note(3, discarded(f"{DLQ}:0:0", dlq_id="x")))
    assert [state(found, one) for one in (first, again, other)] == [
        "discarded", "discarded", "open",
    ]  # fmt: skip


@pytest.mark.parametrize("place", ["other-dlq:0:0", f"{DLQ}:1:0", f"{DLQ}:0:9", "nonsense"])
def test_a_note_of_another_place_or_of_later_letters_closes_nothing(place):
    one = letter(0)
    assert state(folded(one, note(1, discarded(place))), one) == "open"


def test_a_note_that_cannot_be_read_is_told_and_changes_nothing():
    one = letter(0)
    found = folded(one)
    broken = record(1, b"{", [("ce_type", b"facilitair.letter.discarded.v1")])
    with pytest.raises(EventsError):
        found.apply(broken)
    assert state(found, one) == "open"


def test_a_letter_whose_record_pretends_to_be_a_note_is_a_letter():
    one = letter(0)
    value = codec.encode(discarded(f"{DLQ}:0:0"))
    headers = [("dlq_id", b"mine"), ("ce_type", b"facilitair.letter.discarded.v1")]
    assert state(folded(one, record(1, value, headers)), one) == "open"


def test_letters_of_a_second_failure_are_known_by_the_first():
    first = f"{DLQ}:0:0"
    found = folded(letter(0), letter(1, parent=first), letter(2, parent=f"{DLQ}:0:9"))
    assert found.children(first) == (f"{DLQ}:0:1",)
    assert found.children(f"{DLQ}:0:9") == ()


def test_what_left_the_log_is_forgotten():
    first = f"{DLQ}:0:0"
    one = letter(0)
    found = folded(one, letter(1, parent=first), note(2, discarded(first)))
    found.forget_before(2)
    assert (state(found, one), found.children(first)) == ("discarded", ())
    found.forget_before(3)
    assert state(found, one) == "open"


@given(st.from_regex(r"[a-z][a-z0-9-]{0,20}-dlq", fullmatch=True), st.integers(0, 999_999_999),
       st.integers(0, 10**18 - 1))  # fmt: skip
def test_an_id_names_its_place(topic, partition, offset):
    place = Place(topic, partition, offset)
    assert parse_place(str(place)) == place


@given(st.text(), st.binary())
def test_no_text_and_no_headers_break_the_reading_of_a_letter(text, value):
    parse_place(text)
    names = (
        "dlq_id",
        "dlq_offset",
        "dlq_attempts",
        "dlq-replay",
        "dlq-letter",
        "tenant",
        "ce_type",
    )
    one = record(0, headers=[(name, value) for name in names])
    found = letter_of(one)
    assert found.record is one
    folded(one)
