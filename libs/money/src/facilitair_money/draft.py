"""The draft of one decision about an account: working copies, and what will be written."""

from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from facilitair_events.accounts import FundsAnswered
from facilitair_events.balances import AccountState
from facilitair_events.books import AccountEvent
from facilitair_events.budgets import Budget, LimitWindow
from facilitair_events.decision import Command, Decision, Received, Reply
from facilitair_events.envelope import instant
from facilitair_events.keys import collaboration_key
from facilitair_events.topics import COLLABORATION_INBOX
from facilitair_money.copied import Copied
from facilitair_money.shards import Shards
from facilitair_money.windows import Span, window_at


class Draft:
    """Collects one decision about one account.

    It lives inside one call of ``decide``; nothing outside ever sees it, so ``decide`` stays pure.
    """

    def __init__(self, state: AccountState, received: Received) -> None:
        self._before = state
        self._seq = state.seq
        self._listed = 0
        self._spans: dict[LimitWindow, Span] = {}
        self._events: list[Struct] = []
        self._commands: list[Command] = []
        self._replies: list[Reply] = []
        self.received = received
        self.now_ms = max(state.now_ms, received.at_ms)
        self.budget = state.budget
        self.open = state.open
        self.closed = state.closed
        self.forgotten_ms = state.forgotten_ms
        self.clients = state.clients
        self.waiting = dict(state.waiting)
        self.taken = dict(state.taken)
        self.envelopes = Shards(state.envelopes)
        self.counters = Copied(state.counters)
        self.reserved = Copied(state.reserved)
        self.unknown = Copied(state.unknown)
        self.reconciled = Copied(state.reconciled)
        self.cells = Copied(state.cells)

    @property
    def tenant(self) -> str:
        """Whose account it is."""
        return self._before.tenant

    @property
    def weight(self) -> int:
        """What the entries of the state take in a snapshot, as it would be now."""
        copies = (self.counters, self.reserved, self.unknown, self.reconciled, self.cells)
        grown = sum(copied.weight for copied in copies) + self.envelopes.weight
        return max(0, self._before.weight + grown + self._listed)

    def span(self, window: LimitWindow) -> Span:
        """The window of the tenant that it is now."""
        if window not in self._spans:
            self._spans[window] = window_at(self.now_ms, window=window, offsets=self.budget.offsets)
        return self._spans[window]

    def set_budget(self, budget: Budget) -> None:
        """From here on limits, slots and windows are those of ``budget``."""
        self.budget = budget
        self._spans.clear()

    def listed(self, name: str) -> None:
        """A name was added to one of the lists of the state."""
        self._listed += _listed_bytes(name)

    def unlisted(self, name: str) -> None:
        """A name was taken from one of them."""
        self._listed -= _listed_bytes(name)

    def emit(self, event: type[AccountEvent], **fields: Any) -> None:
        """Append an event with the next seq (R12)."""
        self._seq += 1
        self._events.append(event(seq=self._seq, at=self.at(self.now_ms), **fields))

    def answer(self, collaboration: str, data: FundsAnswered) -> None:
        """Tell a collaboration, in its inbox."""
        self._commands.append(
            Command(
                topic=COLLABORATION_INBOX,
                key=collaboration_key(self.tenant, collaboration),
                subject=collaboration,
                data=data,
            )
        )

    def reply(self, reply: Reply) -> None:
        """Answer somebody who waits for it."""
        self._replies.append(reply)

    @staticmethod
    def at(ms: int) -> datetime:
        """Log time as events carry it."""
        return instant(ms)

    def state(self) -> AccountState:
        """The account as it would be now."""
        return replace(
            self._before,
            seq=self._seq,
            now_ms=self.now_ms,
            budget=self.budget,
            envelopes=self.envelopes.map,
            open=self.open,
            closed=self.closed,
            forgotten_ms=self.forgotten_ms,
            counters=self.counters.map,
            reserved=self.reserved.map,
            waiting=self.waiting,
            taken=self.taken,
            unknown=self.unknown.map,
            reconciled=self.reconciled.map,
            cells=self.cells.map,
            clients=self.clients,
            weight=self.weight,
        )

    def decision(self) -> Decision[AccountState]:
        """What was collected. What changes nothing leaves the very state, so no snapshot."""
        state = self.state()
        if not self._events and not self._commands:
            quiet = replace(state, now_ms=self._before.now_ms)
            state = self._before if quiet == self._before else state
        return Decision(
            state=state,
            events=tuple(self._events),
            commands=tuple(self._commands),
            replies=tuple(self._replies),
        )


def _listed_bytes(name: str) -> int:
    return len(msgspec.json.encode(name)) + 1
