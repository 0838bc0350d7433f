"""Two live processes with one static name in a group: the older one finds out and stops.

A broker gives the partitions of a name to whoever joined with it last. aiokafka then lets the other
one join again, which would put out the newer one, and so on for ever.
"""

import asyncio
from typing import Final

import structlog

from facilitair_messaging.adapters.kafka.cluster import Cluster
from facilitair_messaging.errors import MemberFencedError, MessagingError

_log = structlog.get_logger()

_MARGIN_S: Final = 1.0
_UUID_CHARS: Final = 36


class Name:
    """The static name of one process in its group."""

    def __init__(self, *, cluster: Cluster, group: str, member: str, session_s: float) -> None:
        self._cluster = cluster
        self._group = group
        self._member = member
        self._session_s = session_s

    async def check(self, lost: str) -> MemberFencedError | None:
        """The error that ends this process when another one lives under its name.

        ``lost`` is the member id that the group knows no more. An id that outlives a session has a
        process that keeps it alive; one of our own, from a join whose answer was lost, does not.
        When that cannot be found out this process goes on: it is no worse off than before.
        """
        others = await self._others(lost)
        if not others:
            return None
        _log.warning("another process has this name", group=self._group, member=self._member)
        await asyncio.sleep(self._session_s + _MARGIN_S)
        if others & await self._others(lost):
            return MemberFencedError(group=self._group, member=self._member)
        return None

    async def _others(self, lost: str) -> set[str]:
        """Ids in the group that were made for this name: the broker appends a UUID to it."""
        try:
            ids = await self._cluster.member_ids(self._group)
        except MessagingError as error:
            _log.warning("members not known", group=self._group, reason=str(error))
            return set()
        prefix = f"{self._member}-"
        return {
            one
            for one in ids
            if one != lost and one.startswith(prefix) and len(one) == len(prefix) + _UUID_CHARS
        }
