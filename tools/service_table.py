"""The table of services in README.md, generated from schemas/topics."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

BEGIN = "<!-- services: generated from schemas/topics by `make schemas` -->\n"
END = "<!-- end of services -->\n"


def service_table(root: Path) -> str:
    """Markdown table of what each service reads and writes; a service without topics is listed."""
    reads: dict[str, list[str]] = {folder.name: [] for folder in (root / "services").glob("*/")}
    writes: dict[str, list[str]] = {name: [] for name in reads}
    for path in sorted((root / "schemas" / "topics").glob("*.yaml")):
        topic = yaml.safe_load(path.read_text(encoding="utf-8"))
        for role, table in (("consumers", reads), ("producers", writes)):
            for service in topic[role]:
                if service in table:
                    table[service].append(f"`{path.stem}`")
    rows = [
        f"| [`{name}`](services/{name}) | {', '.join(reads[name])} | {', '.join(writes[name])} |"
        for name in sorted(reads)
    ]
    return "\n".join(["| service | consumes | produces |", "|---|---|---|", *rows]) + "\n"


def with_table(readme: str, table: str) -> str:
    """README with the table between its markers; raises ValueError where they are missing."""
    before, _, rest = readme.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(BEGIN + END)
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def main(argv: Sequence[str]) -> int:
    """Write the table, or with --check say whether it is current."""
    parser = argparse.ArgumentParser(description="Generate the service table of README.md.")
    parser.add_argument("--check", action="store_true", help="fail instead of writing")
    arguments = parser.parse_args(argv)
    root = Path(__file__).resolve().parent.parent
    readme = root / "README.md"
    before = readme.read_text(encoding="utf-8")
    after = with_table(before, service_table(root))
    if before == after:
        return 0
    if arguments.check:
        print("README.md: the table of services is stale: make schemas", file=sys.stderr)
        return 1
    readme.write_text(after, encoding="utf-8")
    print("README.md: wrote the table of services")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
