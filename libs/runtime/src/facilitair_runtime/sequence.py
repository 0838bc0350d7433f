"""Reading events once and in order: the rule for every reader of a dense ``seq`` (R12)."""

from facilitair_runtime.errors import SequenceGapError


def follows(*, key: str, last: int, seq: int) -> bool:
    """Whether the event ``seq`` is the next one to apply after ``last``; False for a repeated one.

    ``last`` is 0 before the first event. The first event of a fork is its reader's to know (R28):
    it passes the cut as ``last``.
    Raises SequenceGapError when events are missing: the reader has to stop and alarm.
    """
    if seq > last + 1:
        raise SequenceGapError(key=key, last=last, seq=seq)
    return seq == last + 1
