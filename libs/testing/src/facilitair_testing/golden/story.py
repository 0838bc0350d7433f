"""A collaboration whose inbox is written by hand."""

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from facilitair_events import codec
from facilitair_events.decision import Decision
from facilitair_events.definitions import Definition, Retry
from facilitair_events.state import CollaborationState
from facilitair_events.text import Artifact, Text, personal
from facilitair_testing.inbox import Inbox, requested

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


class Story(Inbox):
    """An inbox whose collaboration keeps one version of ``decide``."""

    def __init__(self, logic: int) -> None:
        super().__init__()
        self.logic = logic

    def feed(self, data: Struct, *, after_ms: int = 1) -> Decision[CollaborationState]:
        """Append a record, as it is after its way through the log."""
        read = codec.decode(codec.type_name(data), codec.encode(data))
        return super().feed(read, after_ms=after_ms)

    def request(self, wanted: Definition | None, **more: Any) -> Decision[CollaborationState]:
        """Ask for a workflow."""
        return self.feed(requested(wanted, **({"logic": self.logic} | more)))

    def silent(self, outcome: str, **more: Any) -> Decision[CollaborationState]:
        """The call of the last task went silent, or was never made."""
        fields = {"usage": None, "cost_usd": None} | more
        return self.call(self.tasks[-1], outcome=outcome, **fields)

    def overloaded(self, **more: Any) -> Decision[CollaborationState]:
        """The last task failed in a way that may pass."""
        return self.fail(self.tasks[-1], "provider_overloaded", retryable=True, **more)


Shape = Callable[[Story], None]
"""Feeds a story all that happens in it."""
