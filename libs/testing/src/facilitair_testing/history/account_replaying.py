"""What the requests of a tenant's account lead to: folded again by the chassis's own code."""

from collections.abc import Iterable, Mapping
from typing import Final

from facilitair_events import topics
from facilitair_events.balances import AccountSnapshot, AccountState
from facilitair_events.keys import checked_name
from facilitair_money.bounds import STATE_LIMIT_BYTES
from facilitair_money.decide import KNOWN_LOGIC, decide, logic_of, size_of, timers
from facilitair_runtime.keyed_reducer import Reducer
from facilitair_testing.history.entries import Entry
from facilitair_testing.history.replaying import Replay, replay

ACCOUNTS: Final[Reducer[AccountState]] = Reducer(
    service="accounts",
    inbox=topics.ACCOUNT_REQUESTS,
    state_topic=topics.ACCOUNT_STATE,
    events_topic=topics.ACCOUNT_EVENTS,
    stream_topic=None,
    decide=decide,
    snapshot_type=AccountSnapshot,
    timers=timers,
    known_logic=KNOWN_LOGIC,
    logic_of=logic_of,
    logic_of_state=lambda state: state.logic,
    key_of=lambda received: received.tenant,
    owner_of=lambda key: (checked_name("tenant", key),) * 2,
    state_limit_bytes=STATE_LIMIT_BYTES,
    keeps_offsets=False,
    skips_poison=True,
    size_of=size_of,
)
"""The reducer as ``accounts`` composes it; a test compares the two."""


def replay_account(
    entries: Iterable[Entry], *, tenant: str, limits: Mapping[str, int] | None
) -> Replay:
    """Fold the requests of one tenant, in the order of its partition."""
    return replay(entries, key=tenant, blobs={}, limits=limits, reducer=ACCOUNTS)
