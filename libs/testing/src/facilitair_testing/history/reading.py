"""Reading what a run left behind: every topic from its start, and the journals."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from facilitair_events.registry import Registry
from facilitair_events.topics import (
    ACCOUNT_REQUESTS,
    AGENT_TASKS,
    AGENT_TASKS_BATCH,
    COLLABORATION_INBOX,
)
from facilitair_messaging.ports import Log, Record, TopicPartition
from facilitair_testing.history.types import NOTHING, ClientLine, History, ProviderLine

_GROUPS: Final = {
    "orchestrator": {COLLABORATION_INBOX},
    "agent-worker": {AGENT_TASKS, AGENT_TASKS_BATCH},
    "accounts": {ACCOUNT_REQUESTS},
}
_AT_ONCE: Final = 2_000
_WAIT_S: Final = 1.0
_SILENCE: Final = 20
"""Polls in a row that may bring nothing: the last offsets of a compacted partition may be gone."""


class HistoryUnreadableError(Exception):
    """A log or a journal cannot be read to its end."""

    def __init__(self, *, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}")


async def read_history(
    log: Log,
    *,
    registry: Registry,
    provider_journal: Path | None = None,
    client_journal: Path | None = None,
    artifacts: Path | None = None,
) -> History:
    """Read every topic of ``registry`` from its start to the end it has now, and the journals.

    Topics are read one after the other: judge a log when nothing is under way in it.
    ``artifacts`` is the folder of the blobs, where there is one. A journal that does not exist is
    empty. Raises HistoryUnreadableError for a line that is no line of a journal, except for a last
    one that was cut off; and what the log raises.
    """
    # What was promised is read before what has to keep it.
    client = tuple(read_client_journal(client_journal)) if client_journal else ()
    provider = tuple(read_provider_journal(provider_journal)) if provider_journal else ()
    committed: dict[TopicPartition, int] = {}
    for group, topics in _GROUPS.items():
        offsets = await log.admin().committed(group)
        committed |= {tp: at for tp, at in offsets.items() if tp.topic in topics}
    return History(
        records=tuple(await _records(log, registry=registry)),
        provider=provider,
        client=client,
        committed=committed,
        limits={name: spec.max_record_bytes for name, spec in registry.topics.items()},
        blobs=_blobs(artifacts) if artifacts else NOTHING,
    )


async def _records(log: Log, *, registry: Registry) -> list[Record]:
    admin = log.admin()
    tps = [
        TopicPartition(topic, number)
        for topic in registry.names
        for number in range(await admin.partitions(topic))
    ]
    ends = await admin.end_offsets(tps)
    found: list[Record] = []
    async with log.reader() as reader:
        wanted = await admin.beginning_offsets(tps)
        reader.assign({tp: at for tp, at in wanted.items() if at < ends[tp]})
        silence = 0
        while behind := [tp for tp, at in reader.positions().items() if at < ends[tp]]:
            polled = await reader.poll(max_records=_AT_ONCE, wait_s=_WAIT_S)
            silence = 0 if polled else silence + 1
            if silence > _SILENCE:
                raise HistoryUnreadableError(where=str(behind[0]), reason="its end never came")
            found += [record for record in polled if record.offset < ends[record.tp]]
    order = {topic: number for number, topic in enumerate(registry.names)}
    found.sort(key=lambda record: (order[record.topic], record.partition, record.offset))
    return found


def read_provider_journal(path: Path) -> Iterator[ProviderLine]:
    """The lines of a simulator's journal. Raises HistoryUnreadableError."""
    for where, line in _lines(path):
        try:
            data: dict[str, Any] = msgspec.json.decode(line)
            at_ms = datetime.fromisoformat(data.pop("at")).timestamp() * 1000
            yield msgspec.convert({**data, "at_ms": at_ms}, ProviderLine)
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
            raise HistoryUnreadableError(where=where, reason=str(error)) from error


def read_client_journal(path: Path) -> Iterator[ClientLine]:
    """The lines that a ``ClientJournal`` wrote. Raises HistoryUnreadableError."""
    for where, line in _lines(path):
        try:
            yield msgspec.json.decode(line, type=ClientLine)
        except msgspec.MsgspecError as error:
            raise HistoryUnreadableError(where=where, reason=str(error)) from error


def _lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """Whole lines only: who wrote the last one may have been killed."""
    if not path.exists():
        return
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True), 1):
        if line.endswith(b"\n"):
            yield f"{path}:{number}", line


def _blobs(folder: Path) -> dict[str, bytes]:
    """Artifacts lie under ``tenant/collaboration/sha256``."""
    return {path.name: path.read_bytes() for path in folder.glob("*/*/*") if path.is_file()}
