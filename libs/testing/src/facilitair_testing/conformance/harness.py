"""What the suite needs beside the ports: fresh names, time, and what only an operator can do."""

from typing import Literal, Protocol

from facilitair_events.registry import TopicSpec
from facilitair_messaging.ports import Log

Cleanup = tuple[Literal["delete", "compact"], ...]

MAX_RECORD_BYTES = 64 * 1024


class LogHarness(Protocol):
    """One adapter under test. Made anew per test."""

    @property
    def log(self) -> Log:
        """The open log; another object after ``reopen``."""
        ...

    async def topic(
        self,
        *,
        partitions: int = 1,
        partition_by: Literal["key", "prefix"] = "key",
        cleanup: Cleanup = (),
        lag_ms: int | None = None,
    ) -> TopicSpec:
        """Create a topic of a fresh name that takes records of up to ``MAX_RECORD_BYTES``.

        ``lag_ms`` is the compaction lag.
        """
        ...

    def spec(self, *, partitions: int) -> TopicSpec:
        """A topic of a fresh name that is *not* created and that no open log knows."""
        ...

    def group(self) -> str:
        """A group of a fresh name."""
        ...

    async def reopen(self) -> None:
        """Close the log, with everything it handed out closed before, and open it again."""
        ...

    async def elapse(self, ms: int) -> None:
        """Let the log's clock go on by at least ``ms``."""
        ...

    async def compact(self, spec: TopicSpec) -> None:
        """Return when the log has dropped what compaction may drop now.

        It may append records of its own, with keys that begin with ``harness-``.
        """
        ...

    async def expire(self, spec: TopicSpec) -> None:
        """Drop every record that the topic holds, as retention would; its offsets go on."""
        ...

    async def force_rebalance(self, group: str) -> None:
        """Make the group assign its partitions anew; members notice while they poll (R34)."""
        ...
