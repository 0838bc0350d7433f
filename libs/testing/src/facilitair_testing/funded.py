"""A collaboration with an account in tests: priced models, and an account that answers by hand."""

from decimal import Decimal
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from facilitair_events.accounts import (
    CallCharged,
    FundsAnswered,
    FundsRequested,
    FundsReturned,
    Refusal,
)
from facilitair_events.decision import Decision
from facilitair_events.definitions import Definition, Model, Prices
from facilitair_events.requests import ReplyTo, ResumeRequested
from facilitair_events.state import CollaborationState, FundsState
from facilitair_events.topics import ACCOUNT_REQUESTS
from facilitair_testing.inbox import Inbox, requested

REQUIRED: Final = {"reserve": "required"}


def model(name: str = "m", usd: str = "1", *, tokens: int = 1_000_000) -> Model:
    """A model whose longest answer costs ``usd`` and whose input costs nothing."""
    prices = Prices(input=Decimal(0), output=Decimal(usd) * 10**6 / tokens, version="2026-01")
    return Model(name=name, provider="p", max_output_tokens=tokens, prices=prices)


def priced(wanted: Definition, *models: Model, **more: Any) -> Definition:
    """The workflow with agents on these models, each call at most a dollar by default."""
    chosen = models or (model(),)
    agents = {name: replace(agent, models=chosen) for name, agent in wanted.agents.items()}
    return replace(wanted, agents=agents, **more)


class FundedInbox(Inbox):
    """An inbox whose collaboration asks an account first; ``grants`` answers every ask at once."""

    def __init__(self, *, grants: bool = True) -> None:
        super().__init__()
        self.grants = grants

    def feed(self, data: Struct, *, after_ms: int = 1) -> Decision[CollaborationState]:
        decision = super().feed(data, after_ms=after_ms)
        if self.grants:
            for command in decision.commands:
                if isinstance(command.data, FundsRequested):
                    self.grant()
        return decision

    def request(self, wanted: Definition, **more: Any) -> Decision[CollaborationState]:
        return self.feed(requested(wanted, **({"policy": REQUIRED} | more)))

    @property
    def money(self) -> list[Any]:
        """Everything that the account was told."""
        return [c.data for c in self.commands if c.topic == ACCOUNT_REQUESTS]

    @property
    def asks(self) -> list[FundsRequested]:
        return [told for told in self.money if isinstance(told, FundsRequested)]

    @property
    def charges(self) -> list[CallCharged]:
        return [told for told in self.money if isinstance(told, CallCharged)]

    @property
    def returns(self) -> list[FundsReturned]:
        return [told for told in self.money if isinstance(told, FundsReturned)]

    @property
    def funds(self) -> FundsState:
        assert self.state is not None
        assert self.state.funds is not None
        return self.state.funds

    def grant(
        self, parts: int | None = None, *, slots: int | None = None
    ) -> Decision[CollaborationState]:
        """Grant so many parts of the last ask; all of them by default, and its slots."""
        ask = self.asks[-1]
        answer = FundsAnswered(
            n=ask.n,
            outcome="granted",
            parts=ask.parts[:parts],
            slots=ask.slots if slots is None else slots,
        )
        return self.feed(answer)

    def refuse(
        self, code: str = "limit_reached", *, left_usd: Decimal | None = None
    ) -> Decision[CollaborationState]:
        """Refuse the last ask."""
        refusal = Refusal(code=code, message="nothing is left", left_usd=left_usd, scope="tenant")
        return self.feed(FundsAnswered(n=self.asks[-1].n, outcome="refused", refusal=refusal))

    def resume(self, client_id: str = "r1", **more: Any) -> Decision[CollaborationState]:
        """Somebody asks to go on."""
        reply_to = ReplyTo(topic="query-replies", correlation="r4")
        return self.feed(
            ResumeRequested(client_id=client_id, actor="me", reply_to=reply_to, **more)
        )
