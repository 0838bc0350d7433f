"""Frames of a stream, and what of them a user is shown."""

from facilitair_testing.chaos.frames import Frames, Shown
from facilitair_testing.history.types import Frame

WIRE = (
    b": still here\n\nretry: 1000\n\n"
    b'id: 3-7-1\nevent: collaboration.accepted\ndata: {"seq": 1}\n\n'
    b'id: 3-9-1\nevent: token\ndata: {"step": "coder", "attempt": 1, "index": 0}\n\n'
)


def token(index, *, attempt=1):
    return Frame(id="1", event="token", step="coder", attempt=attempt, index=index)


def test_frames_do_not_depend_on_how_their_bytes_are_cut():
    whole = Frames().feed(WIRE)
    parser = Frames()
    pieces = [frame for byte in WIRE for frame in parser.feed(bytes([byte]))]
    assert pieces == whole
    assert [frame.event for frame in whole] == ["collaboration.accepted", "token"]
    assert (whole[0].id, whole[0].seq) == ("3-7-1", 1)
    assert (whole[1].step, whole[1].attempt, whole[1].index) == ("coder", 1, 0)


def test_a_frame_that_was_cut_is_not_given_out():
    assert Frames().feed(WIRE[:-1])[-1].event == "collaboration.accepted"


def test_r31_repeated_numbers_and_chunks_are_not_shown_again():
    shown = Shown()
    public = [Frame(id="1", event="step.started", seq=seq) for seq in (1, 2, 2, 1, 3)]
    assert [shown.admit(frame) for frame in public] == [True, True, False, False, True]
    chunks = [token(0), token(1), token(1), token(0), token(2)]
    assert [shown.admit(frame) for frame in chunks] == [True, True, False, False, True]


def test_a_number_that_was_left_out_is_shown_so_that_the_history_tells():
    shown = Shown()
    assert shown.admit(Frame(id="1", event="step.started", seq=1))
    assert shown.admit(Frame(id="1", event="step.started", seq=5))


def test_chunks_of_an_older_attempt_are_not_shown():
    shown = Shown()
    reset = Frame(id="1", event="attempt.reset", step="coder", attempt=2)
    given = [token(0), reset, token(1), token(0, attempt=2), reset]
    assert [shown.admit(frame) for frame in given] == [True, True, False, True, False]
