"""The history checker: reads what a run left behind and judges it by the rules of the protocol.

``read_history`` takes every topic from its start, the provider's journal and that of the clients;
``judge`` names each rule that is broken, where, and by which records. It is written from the rules,
not from the services, but for the reducer: that is replayed, byte for byte.
``hold`` raises what ``judge`` finds, as a verdict that no test is asked for twice.

A history does not show everything. Not judged, because it leaves no trace or no sure one:

- the order of two acks in different topics with equal append times (R7), and that a read came
  before the request that it allowed (R19): what is known is that the claim was there;
- R1-R6, R9, R10: settings, assignment and code versions are not records; that deciding is pure
  follows from the replay, for the one version at hand;
- which process sent a request (R19): only how many there were, and who spoke of the call then;
- that a stop was noticed within one chunk (R23): only how late it was, see ``Terms``;
- what R15 answered to a request once ``query-replies`` has dropped it, after an hour;
- whether a stale snapshot will be repaired (R8): only whether it was, see ``Terms``;
- texts and definitions that are artifacts, where their folder is not given;
- anything that retention or compaction has removed: a history has to reach back to its beginning;
- how long anything took (the second half of I13), but for ends after their deadline (I3) where it
  is known when the last fault was over, see ``Terms``: faults take the time they take;
- whether a call that broke off was counted rightly, see ``money``; what was set aside for it has to
  cover what its provider bills, see ``entries_of_calls``;
- whether all calls of a tenant are in its books where requests of its account were dead-lettered:
  what was in them is for an operator to say again.

A repeat of equal bytes is legal everywhere: delivery is at least once (docs/decisions/0002). That
holds for a dead letter with the same ``dlq_id`` too.
"""

from facilitair_testing.history.judging import hold, judge
from facilitair_testing.history.reading import read_history
from facilitair_testing.history.types import (
    ClientLine,
    Frame,
    History,
    ProviderLine,
    Terms,
    Violation,
)

__all__ = [
    "ClientLine",
    "Frame",
    "History",
    "ProviderLine",
    "Terms",
    "Violation",
    "hold",
    "judge",
    "read_history",
]
