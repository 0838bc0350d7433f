"""What an operator may ask about topics: how they are, and to have those that are missing."""

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from facilitair_events.registry import TopicSpec
from facilitair_gateway.asking import answered
from facilitair_messaging.lag import TopicStatus, missing_topics, topic_statuses
from facilitair_messaging.ports import Admin

STATUSES_S: Final = 10.0
"""Longest wait for all answers about all topics and groups, which are many."""

APPLY_S: Final = 60.0
"""Longest wait until new topics take writes."""


class AppliedTopics(Struct, frozen=True, kw_only=True):
    """What applying the declarations did. ``drift`` has the settings that differ, by topic."""

    created: Sequence[str]
    drift: dict[str, tuple[str, ...]]


class TopicAdmin:
    """Topics as declared against topics as they are."""

    def __init__(self, admin: Admin, specs: Iterable[TopicSpec], *, groups: Iterable[str]) -> None:
        self._admin: Final = admin
        self._specs: Final = tuple(specs)
        self._groups: Final = tuple(sorted(groups))

    async def statuses(self) -> list[TopicStatus]:
        """Every declared topic, in the order of their names. Raises LogSilentError."""
        found = await answered(
            topic_statuses(self._admin, self._specs, groups=self._groups), timeout_s=STATUSES_S
        )
        return sorted(found, key=lambda status: status.name)

    async def apply(self) -> AppliedTopics:
        """Create what is missing and change nothing else.

        Raises TopicDriftError and TopicConfigError for topics that cannot be used as they are;
        then nothing is created. Raises LogSilentError.
        """
        return await answered(self._apply(), timeout_s=APPLY_S)

    async def _apply(self) -> AppliedTopics:
        missing = await missing_topics(self._admin, self._specs)
        await self._admin.ensure_topics(self._specs)
        drift = await self._admin.config_drift(self._specs)
        return AppliedTopics(created=missing, drift=drift)
