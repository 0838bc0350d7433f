"""The books of all tenants, put in order for the rules: requests, events, entries, snapshots."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Final

from msgspec import Struct

from facilitair_events.accounts import CallCharged, FundsRequested, FundsReturned
from facilitair_events.balances import AccountSnapshot
from facilitair_events.books import AccountEvent, CallReconciled, CallSettled
from facilitair_events.topics import ACCOUNT_EVENTS, ACCOUNT_REQUESTS, ACCOUNT_STATE
from facilitair_testing.history.account_replaying import replay_account
from facilitair_testing.history.entries import Entry, grouped
from facilitair_testing.history.replaying import Replay

NUMBERED: Final = (FundsRequested, CallCharged, FundsReturned)
"""Requests of a collaboration, which numbers them (R25)."""

CHARGES: Final = (CallSettled, CallReconciled)
"""Events that change what a call is charged: the entries of the books."""


class Books:
    """Everything about money, by tenant. Lists are in log order per partition.

    ``events`` are with their repeats, ``first`` without, by seq.
    ``entries`` are those of each call, in the order of their tenant's seq, over all tenants.
    """

    def __init__(
        self, topics: Mapping[str, list[Entry]], *, limits: Mapping[str, int] | None
    ) -> None:
        self._limits = limits
        self.requests: Final = grouped((e.key, e) for e in topics.get(ACCOUNT_REQUESTS, ()))
        self.events: Final = grouped(
            (e.key, e) for e in topics.get(ACCOUNT_EVENTS, ()) if isinstance(e.data, AccountEvent)
        )
        self.first: Final = {key: _by_seq(found) for key, found in self.events.items()}
        self.state: Final = grouped(
            (e.key, e) for e in topics.get(ACCOUNT_STATE, ()) if isinstance(e.data, AccountSnapshot)
        )
        self.entries: Final = grouped(
            (e.data.call_id, e)
            for events in self.first.values()
            for e in events.values()
            if isinstance(e.data, CHARGES)
        )
        self.numbered: Final = grouped(self._numbered())

    @cached_property
    def replays(self) -> dict[str, Replay]:
        """What the requests of each tenant lead to."""
        return {
            tenant: replay_account(entries, tenant=tenant, limits=self._limits)
            for tenant, entries in self.requests.items()
        }

    def keeps(self, key: str) -> bool:
        """Whether a collaboration has an account: it asked for money or charged some."""
        return key in self.numbered

    def spoilt(self, key: str) -> bool:
        """Whether the account of a collaboration was asked something that cannot be read."""
        tenant = key.partition(":")[0]
        return any(entry.data is None for entry in self.requests.get(tenant, ()))

    def charged(self, call_id: str) -> Struct | None:
        """The last entry of a call that a collaboration made itself, and nobody by hand."""
        found = [e.data for e in self.entries.get(call_id, ()) if isinstance(e.data, CallSettled)]
        return found[-1] if found else None

    def _numbered(self) -> Iterator[tuple[str, Entry]]:
        for tenant, entries in self.requests.items():
            for entry in entries:
                if isinstance(entry.data, NUMBERED):
                    yield f"{tenant}:{entry.data.collaboration}", entry


def _by_seq(entries: list[Entry]) -> dict[int, Entry]:
    found: dict[int, Entry] = {}
    for entry in entries:
        found.setdefault(entry.data.seq, entry)
    return dict(sorted(found.items()))
