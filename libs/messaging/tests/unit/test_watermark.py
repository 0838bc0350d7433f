"""The watermark never passes an unfinished record, whatever order records finish in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_messaging.errors import ReadOrderError
from facilitair_messaging.watermark import Watermark

OFFSETS = st.lists(st.integers(min_value=0, max_value=60), min_size=1, unique=True).map(sorted)


@given(offsets=OFFSETS, data=st.data())
def test_it_never_passes_an_unfinished_record(offsets, data):
    order = data.draw(st.permutations(offsets))
    watermark = Watermark()
    taken, finished = [], set()
    remaining = list(offsets)
    last = -1
    while order:
        may_finish = [offset for offset in order if offset in taken]
        if remaining and (not may_finish or data.draw(st.booleans())):
            offset = remaining.pop(0)
            watermark.take(offset)
            taken.append(offset)
        else:
            offset = may_finish[0]
            order.remove(offset)
            watermark.finish(offset)
            finished.add(offset)
        unfinished = [offset for offset in taken if offset not in finished]
        done_before = [offset for offset in taken if not unfinished or offset < unfinished[0]]
        assert watermark.committable == (done_before[-1] + 1 if done_before else None)
        assert watermark.pending == len(taken) - len(done_before)
        assert (watermark.committable or -1) >= last
        last = watermark.committable or -1
    assert watermark.committable == offsets[-1] + 1
    assert watermark.pending == 0


def test_nothing_may_be_committed_before_the_first_record_is_finished():
    watermark = Watermark()
    watermark.take(5)
    watermark.take(6)
    watermark.finish(6)

    assert watermark.committable is None
    assert watermark.pending == 2


@pytest.mark.parametrize("offset", [4, 5])
def test_a_partition_read_out_of_order_is_refused(offset):
    watermark = Watermark()
    watermark.take(5)

    with pytest.raises(ReadOrderError, match=f"offset {offset} was taken after 5"):
        watermark.take(offset)


def test_a_record_is_finished_once():
    watermark = Watermark()
    watermark.take(5)
    watermark.take(6)
    watermark.finish(6)

    for offset in (6, 7):
        with pytest.raises(ReadOrderError, match=f"offset {offset} is not open"):
            watermark.finish(offset)
