"""A collaboration whose inbox is written by hand."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from facilitair_events import codec
from facilitair_events.decision import Decision
from facilitair_events.definitions import Definition, Prices, Retry
from facilitair_events.state import CollaborationState
from facilitair_events.text import Artifact, Text, personal
from facilitair_testing.funded import REQUIRED, FundedInbox
from facilitair_testing.inbox import requested

_FUNDED_SINCE: Final = 3
QUICK: Final = Retry(max_attempts=2, max_lost=1, backoff_s=2, factor=3, max_backoff_s=5)
NO: Final = ('{"approved": false}', {"approved": False})
LONG: Final = Text(
    size=9_000,
    text=personal("long text" * 1000),
    artifact=Artifact(uri="local/c1/ab12", sha256="ab12", size=9_000, media_type="text/plain"),
)
HUGE: Final = Text(
    size=900_000,
    artifact=Artifact(uri="local/c1/cd34", sha256="cd34", size=900_000, media_type="text/plain"),
)


class Story(FundedInbox):
    """An inbox whose collaboration keeps one version of ``decide``.

    Since logic 3 its models have prices and an account grants what is asked, unless ``grants`` is
    taken away: so every shape is also one of money.
    """

    def __init__(self, logic: int) -> None:
        super().__init__()
        self.logic = logic

    def feed(self, data: Struct, *, after_ms: int = 1) -> Decision[CollaborationState]:
        """Append a record, as it is after its way through the log."""
        read = codec.decode(codec.type_name(data), codec.encode(data))
        return super().feed(read, after_ms=after_ms)

    def request(self, wanted: Definition | None, **more: Any) -> Decision[CollaborationState]:
        """Ask for a workflow."""
        fields: dict[str, Any] = {"logic": self.logic}
        if self.logic >= _FUNDED_SINCE:
            fields["policy"] = REQUIRED
            wanted = None if wanted is None else _with_prices(wanted)
        return self.feed(requested(wanted, **(fields | more)))

    def silent(self, outcome: str, **more: Any) -> Decision[CollaborationState]:
        """The call of the last task went silent, or was never made."""
        fields = {"usage": None, "cost_usd": None} | more
        return self.call(self.tasks[-1], outcome=outcome, **fields)

    def overloaded(self, **more: Any) -> Decision[CollaborationState]:
        """The last task failed in a way that may pass."""
        return self.fail(self.tasks[-1], "provider_overloaded", retryable=True, **more)


def _with_prices(wanted: Definition) -> Definition:
    """Each model without a price gets one, dearer from one to the next."""
    return replace(
        wanted,
        agents={
            name: replace(
                agent,
                models=tuple(
                    replace(model, prices=model.prices or _prices(index))
                    for index, model in enumerate(agent.models)
                ),
            )
            for name, agent in wanted.agents.items()
        },
    )


def _prices(index: int) -> Prices:
    return Prices(input=Decimal("0.5"), output=Decimal(index + 1), version="2026-01")


Shape = Callable[[Story], None]
"""Feeds a story all that happens in it."""
