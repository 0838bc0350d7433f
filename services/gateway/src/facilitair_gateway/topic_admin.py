"""What an operator may ask about topics: how they are, and to have those that are missing."""

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from facilitair_events.registry import TopicSpec
from facilitair_messaging.lag import TopicStatus, missing_topics, topic_statuses
from facilitair_messaging.ports import Admin


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
        """Every declared topic, in the order of their names."""
        found = await topic_statuses(self._admin, self._specs, groups=self._groups)
        return sorted(found, key=lambda status: status.name)

    async def apply(self) -> AppliedTopics:
        """Create what is missing and change nothing else.

        Raises TopicDriftError and TopicConfigError for topics that cannot be used as they are;
        then nothing is created.
        """
        missing = await missing_topics(self._admin, self._specs)
        await self._admin.ensure_topics(self._specs)
        drift = await self._admin.config_drift(self._specs)
        return AppliedTopics(created=missing, drift=drift)
