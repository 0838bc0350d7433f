"""The tables of docs/how-to/run-your-own-kafka.md, generated from schemas/topics."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from facilitair_events.registry import Registry, TopicSpec

PAGE = Path("docs") / "how-to" / "run-your-own-kafka.md"
BEGIN = "<!-- tables: generated from schemas/topics by `make schemas` -->\n"
END = "<!-- end of tables -->\n"

_DAY_MS = 24 * 3600 * 1000
_HOUR_MS = 3600 * 1000
_KIB = 1024


def tables(specs: Iterable[TopicSpec]) -> str:
    """What each service may do, and what each topic is, as Markdown."""
    topics = sorted(specs, key=lambda spec: spec.name)
    return f"{_permissions(topics)}\n{_topics(topics)}"


def with_tables(page: str, text: str) -> str:
    """The page with the tables between its markers; raises ValueError where they are missing."""
    before, _, rest = page.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(BEGIN + END)
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def _permissions(topics: Sequence[TopicSpec]) -> str:
    services = sorted({name for spec in topics for name in (*spec.producers, *spec.consumers)})
    lines = ["| service | `READ` topics | `WRITE` topics | `READ` group |", "|---|---|---|---|"]
    for service in services:
        reads = [spec for spec in topics if service in spec.consumers]
        writes = [spec for spec in topics if service in spec.producers]
        # What may be dead-lettered is read as a group; everything else without one.
        group = f"`{service}`" if any(spec.dead_letters for spec in reads) else "none"
        lines.append(f"| `{service}` | {_named(reads)} | {_named(writes)} | {group} |")
    return "\n".join(lines) + "\n"


def _topics(topics: Sequence[TopicSpec]) -> str:
    lines = ["| topic | partitions | cleanup | kept | largest record |", "|---|---|---|---|---|"]
    for spec in topics:
        cleanup = ", ".join(spec.cleanup) or "none"
        size = f"{spec.max_record_bytes // _KIB} KiB"
        lines.append(f"| `{spec.name}` | {spec.partitions} | {cleanup} | {_kept(spec)} | {size} |")
    return "\n".join(lines) + "\n"


def _named(specs: Sequence[TopicSpec]) -> str:
    return ", ".join(f"`{spec.name}`" for spec in specs) or "none"


def _kept(spec: TopicSpec) -> str:
    if "delete" not in spec.cleanup or spec.retention_ms is None:
        return "last of each key" if "compact" in spec.cleanup else "for ever"
    if spec.retention_ms < _DAY_MS:
        return f"{spec.retention_ms // _HOUR_MS} h"
    return f"{spec.retention_ms // _DAY_MS} d"


def main(argv: Sequence[str]) -> int:
    """Write the tables, or with --check say whether they are current."""
    parser = argparse.ArgumentParser(description=f"Generate the tables of {PAGE}.")
    parser.add_argument("--check", action="store_true", help="fail instead of writing")
    arguments = parser.parse_args(argv)
    root = Path(__file__).resolve().parent.parent
    page = root / PAGE
    before = page.read_text(encoding="utf-8")
    specs = Registry.load(root / "schemas" / "topics").topics.values()
    after = with_tables(before, tables(specs))
    if before == after:
        return 0
    if arguments.check:
        print(f"{PAGE}: the tables are stale: make schemas", file=sys.stderr)
        return 1
    page.write_text(after, encoding="utf-8")
    print(f"{PAGE}: wrote the tables")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
