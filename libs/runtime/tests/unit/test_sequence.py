"""Readers apply each event once, in order, and stop at a gap."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_runtime.errors import SequenceGapError
from facilitair_runtime.sequence import follows


def test_r12_the_next_event_is_applied_and_a_repeated_one_dropped():
    assert follows(key="k", last=0, seq=1)
    assert follows(key="k", last=4, seq=5)
    assert not follows(key="k", last=4, seq=4)
    assert not follows(key="k", last=4, seq=1)


def test_r12_a_gap_stops_the_reader():
    with pytest.raises(SequenceGapError, match="after event 4 came 6"):
        follows(key="k", last=4, seq=6)


@given(st.lists(st.integers(1, 6)))
def test_r12_whatever_is_repeated_the_applied_are_dense(seqs):
    last = 0
    for seq in seqs:
        try:
            last += follows(key="k", last=last, seq=seq)
        except SequenceGapError:
            assert seq > last + 1
            return
    assert last <= max(seqs, default=0)
