"""The checker as a command: read a stopped solo home or a Kafka cluster, print what is wrong."""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from facilitair_events.errors import EventsError
from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_messaging.errors import MessagingError
from facilitair_messaging.ports import Log
from facilitair_testing.history.judging import judge
from facilitair_testing.history.reading import HistoryUnreadableError, read_history
from facilitair_testing.history.types import History, Violation

LEGAL: Final = 0
ILLEGAL: Final = 1
USAGE: Final = 2
_LEASE_MS: Final = 30_000


class NoLogError(Exception):
    """A folder holds no log."""

    def __init__(self, *, path: Path) -> None:
        super().__init__(f"{path} does not exist: name the home of a solo, or --bootstrap")


def main(arguments: Sequence[str] | None = None) -> int:
    """0 for a legal history, 1 for violations, 2 for one that cannot be read."""
    options = _parser().parse_args(arguments)
    if options.home is None and options.bootstrap is None:
        _parser().error("name the home of a stopped solo, or a cluster with --bootstrap")
    try:
        history = asyncio.run(_read(options))
    except (MessagingError, EventsError, HistoryUnreadableError, NoLogError, OSError) as error:
        sys.stderr.write(f"the history cannot be read: {error}\n")
        return USAGE
    lease_ms = options.lease_ms
    if lease_ms is None:
        lease_ms = 0 if options.bootstrap is None else _LEASE_MS
    found = judge(history, lease_ms=lease_ms, ended=not options.running)
    sys.stdout.write(as_json(found) if options.json else as_table(found, history=history))
    return ILLEGAL if found else LEGAL


def as_json(found: Sequence[Violation]) -> str:
    """One JSON document."""
    return msgspec.json.encode({"violations": found}).decode() + "\n"


def as_table(found: Sequence[Violation], *, history: History) -> str:
    """One line for each violation, and a last one that counts."""
    lines = [
        f"{v.rule:<4} {v.key}  {v.text}" + (f"  [{', '.join(v.records)}]" if v.records else "")
        for v in found
    ]
    lines.append(f"{len(history.records)} records, {len(found)} violations")
    return "\n".join(lines) + "\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m facilitair_testing.history",
        description="Judge what a run left behind by the rules of the protocol.",
        epilog="Exit code 0: no violation, 1: violations, 2: it could not be read.",
    )
    add = parser.add_argument
    add("home", nargs="?", type=Path, help="the home folder of a solo that is stopped")
    add("--bootstrap", help="host:port of a Kafka cluster, instead of the log of a home")
    add("--provider", type=Path, help="journal of the simulator (default: HOME/journal.jsonl)")
    add("--clients", type=Path, help="journal of the clients (default: HOME/client.jsonl)")
    add("--lease-ms", type=int, help="lease of the workers; default 0 (solo) or 30000 (Kafka)")
    add("--running", action="store_true", help="collaborations may be unfinished")
    add("--json", action="store_true", help="print JSON")
    return parser


async def _read(options: argparse.Namespace) -> History:
    registry = Registry.load(topics_dir())
    home: Path | None = options.home
    provider = options.provider or (home / "journal.jsonl" if home else None)
    clients = options.clients or (home / "client.jsonl" if home else None)
    async with _log(options, registry) as log:
        return await read_history(
            log,
            registry=registry,
            provider_journal=provider,
            client_journal=clients,
            artifacts=home / "artifacts" if home else None,
        )


@asynccontextmanager
async def _log(options: argparse.Namespace, registry: Registry) -> AsyncIterator[Log]:
    if options.bootstrap is not None:
        # Who judges a solo never pays for the client library.
        from facilitair_messaging.adapters.kafka import KafkaLog  # noqa: PLC0415

        async with KafkaLog.open(
            options.bootstrap, registry.topics, client_id="history"
        ) as cluster:
            yield cluster
        return
    path = options.home / "log" / "log.db"
    if not path.exists():
        raise NoLogError(path=path)
    async with EmbeddedLog.open(path, registry.topics) as log:
        yield log
