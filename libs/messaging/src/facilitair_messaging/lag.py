"""How far groups are behind, seen from outside: through an admin, not through their consumers."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from facilitair_events.registry import TopicSpec
from facilitair_messaging.errors import UnknownTopicError
from facilitair_messaging.ports import Admin, TopicPartition


class TopicStatus(Struct, frozen=True, kw_only=True):
    """One topic. ``partitions`` is None for a topic that is declared and not there.

    ``records`` is the sum of the end offsets: what was ever appended.
    ``lag`` has the groups that ever committed here: records between their commits and the ends; a
    partition that a group never committed counts from its beginning.
    """

    name: str
    partitions: int | None
    records: int
    lag: Mapping[str, int]


async def topic_statuses(
    admin: Admin, specs: Iterable[TopicSpec], *, groups: Iterable[str]
) -> list[TopicStatus]:
    """The state of topics, in their order. Raises what the admin does."""
    commits = {group: await admin.committed(group) for group in groups}
    return [await _status(admin, spec, commits=commits) for spec in specs]


async def missing_topics(admin: Admin, specs: Iterable[TopicSpec]) -> list[str]:
    """The declared topics that are not there."""
    missing = []
    for spec in specs:
        try:
            await admin.partitions(spec.name)
        except UnknownTopicError:
            missing.append(spec.name)
    return missing


async def _status(
    admin: Admin, spec: TopicSpec, *, commits: Mapping[str, Mapping[TopicPartition, int]]
) -> TopicStatus:
    try:
        count = await admin.partitions(spec.name)
    except UnknownTopicError:
        return TopicStatus(name=spec.name, partitions=None, records=0, lag={})
    tps = [TopicPartition(spec.name, number) for number in range(count)]
    ends = await admin.end_offsets(tps)
    lag = {}
    for group, committed in commits.items():
        if any(tp in committed for tp in tps):
            beginnings = await admin.beginning_offsets(tp for tp in tps if tp not in committed)
            lag[group] = sum(
                max(ends[tp] - committed.get(tp, beginnings.get(tp, 0)), 0) for tp in tps
            )
    return TopicStatus(name=spec.name, partitions=count, records=sum(ends.values()), lag=lag)
