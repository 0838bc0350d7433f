"""Generate schemas/events from the Structs, and refuse changes that a running version cannot read.

`make schemas` writes the files, `make schemas-check` runs the gate:
generated and committed schemas are equal, every change since a git ref is compatible in both
directions, and golden examples only ever come.
Without git history the schemas in the folder are what a change is compared with.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from facilitair_events.compatibility import breaking_set_changes, breaking_topic_changes
from facilitair_events.errors import YamlError
from facilitair_events.schemas import Schema, schema_file, schema_of
from facilitair_events.types import TYPES
from facilitair_events.yaml_lines import parse
from tools.git_files import GitError, at_ref, has_ref

ROOT: Final = Path(__file__).resolve().parent.parent
REFS: Final = ("origin/main", "HEAD")
"""What a change is compared with where it exists: what others have, and what was committed."""

EVENTS: Final = "schemas/events"
TOPICS: Final = "schemas/topics"
EXAMPLES: Final = "schemas/examples"

Files = Mapping[str, bytes]


class SchemasError(Exception):
    """A file that a change should be compared with cannot be read."""

    def __init__(self, *, name: str, reason: str) -> None:
        super().__init__(f"{name} cannot be read: {reason}")


def generated() -> dict[str, bytes]:
    """Every schema file by its path in the checkout."""
    return {
        f"{EVENTS}/{schema_file(name)}": (
            json.dumps(schema_of(name), indent=2, ensure_ascii=False) + "\n"
        ).encode()
        for name in TYPES
    }


def on_disk(root: Path, folder: str) -> dict[str, bytes]:
    """The files under a folder of the checkout by their path."""
    files = sorted(path for path in (root / folder).rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def stale(files: Files, committed: Files) -> list[str]:
    """Schema files that are not what the Structs say."""
    lines = [f"{name}: is no schema of any event type" for name in set(committed) - set(files)]
    lines += [f"{name}: is missing" for name in set(files) - set(committed)]
    both = set(files) & set(committed)
    lines += [f"{name}: is stale" for name in both if files[name] != committed[name]]
    return sorted(lines)


def changed_examples(old: Files, new: Files) -> list[str]:
    """Golden bytes that are no longer there as they were; they are kept for ever."""
    lines = [f"{name}: a golden example was removed" for name in old if name not in new]
    lines += [
        f"{name}: a golden example was changed; add another file instead"
        for name in old
        if name in new and old[name] != new[name]
    ]
    return sorted(lines)


def breaking(root: Path, read_old: Callable[[str], Files]) -> list[str]:
    """What is in the folder now and breaks what ``read_old`` gives for a folder's name."""
    lines = breaking_set_changes(_by_type(read_old(EVENTS)), _by_type(generated()))
    lines += breaking_topic_changes(_by_topic(read_old(TOPICS)), _by_topic(on_disk(root, TOPICS)))
    return lines + changed_examples(read_old(EXAMPLES), on_disk(root, EXAMPLES))


def check(root: Path, refs: tuple[str, ...]) -> list[str]:
    """Everything that is wrong; empty when all is well. Raises GitError for an unknown ref."""
    lines = [f"{line}: run `make schemas`" for line in stale(generated(), on_disk(root, EVENTS))]
    lines += breaking(root, partial(on_disk, root))
    for ref in refs:
        found = breaking(root, partial(at_ref, root, ref))
        lines += [f"{line} (since {ref})" for line in found]
    return list(dict.fromkeys(lines))


def write(root: Path) -> list[str]:
    """Write what is stale and remove what is no schema; returns the paths that changed."""
    files = generated()
    committed = on_disk(root, EVENTS)
    for name in set(committed) - set(files):
        (root / name).unlink()
    for name, content in files.items():
        if committed.get(name) != content:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
    return sorted(name for name in {*files, *committed} if files.get(name) != committed.get(name))


def main(arguments: list[str] | None = None, *, root: Path = ROOT) -> int:
    """Exit code 0, 1 for faults, 2 for wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m tools.schemas", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, tell what is wrong")
    parser.add_argument(
        "--against", metavar="REF", action="append", help="with --check: compare with this commit"
    )
    options = parser.parse_args(arguments)
    if options.against and not options.check:
        parser.error("--against needs --check")
    try:
        if not options.check:
            return _told(write(root), code=0)
        refs = options.against or [ref for ref in REFS if has_ref(root, ref)]
        if not refs:
            print("no git history here: compared with the files in schemas/ only")
        faults = check(root, tuple(refs))
    except (SchemasError, GitError) as error:
        print(error, file=sys.stderr)
        return 2
    if faults:
        faults.append(
            "A change that breaks is a new type, `….v2`, beside the old one: schemas/README.md"
        )
    return _told(faults, code=1 if faults else 0)


def _told(lines: list[str], *, code: int) -> int:
    for line in lines:
        print(line, file=sys.stderr if code else sys.stdout)
    return code


def _by_type(files: Files) -> dict[str, Schema]:
    schemas: dict[str, Schema] = {}
    for name, content in files.items():
        try:
            schema = json.loads(content)
            schemas[schema["$id"].rpartition(":")[2]] = schema
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise SchemasError(name=name, reason=repr(error)) from error
    return schemas


def _by_topic(files: Files) -> dict[str, dict[str, Any]]:
    topics = {}
    for name, content in files.items():
        try:
            topics[Path(name).stem] = dict(parse(content.decode()).value)
        except (YamlError, ValueError, TypeError) as error:
            raise SchemasError(name=name, reason=repr(error)) from error
    return topics


if __name__ == "__main__":
    sys.exit(main())
