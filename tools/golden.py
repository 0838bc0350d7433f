"""Write golden inboxes for shapes that have none (`python -m tools.golden`).

What `decide` made of an inbox is kept for ever: a file that lies there already is never touched.
When a test says that an answer changed, guard the change by `state.logic` instead.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from facilitair_money import decide as accounts
from facilitair_testing.golden.accounts import ACCOUNT_SHAPES, account_story
from facilitair_testing.golden.files import ACCOUNTS, GOLDEN, folder, written
from facilitair_testing.golden.shapes import SHAPES, shapes_of, story_of
from facilitair_workflows.decide import KNOWN_LOGIC
from tools.git_files import at_ref


class GoldenExistsError(Exception):
    """An inbox of that name is kept already."""

    def __init__(self, *, path: Path) -> None:
        super().__init__(
            f"{path} is kept for ever and is not written again; guard what changed in decide by"
            " state.logic, or add another shape"
        )


def rewritten(root: Path, ref: str) -> list[str]:
    """The golden inboxes of a commit that are other bytes now, or gone. Raises GitError."""
    kept = {**at_ref(root, ref, GOLDEN), **at_ref(root, ref, ACCOUNTS)}
    return [
        name
        for name, content in sorted(kept.items())
        if not (root / name).exists() or (root / name).read_bytes() != content
    ]


def collaboration(shape: Any, logic: int) -> bytes:
    """The file of a collaboration."""
    return written(story_of(shape, logic=logic).records)


def account(shape: Any, _logic: int) -> bytes:
    """The file of an account: there is one version of it."""
    return written(account_story(shape).records, by=accounts.decide)


Told = Callable[[Any, int], bytes]


def write_missing(
    into: Path, shapes: Mapping[str, Any], *, logic: int, told: Told = collaboration
) -> list[str]:
    """Write every shape that has no file there; returns their names."""
    missing = [name for name in sorted(shapes) if not _file(into, name).exists()]
    for name in missing:
        write(into, name, shapes[name], logic=logic, told=told)
    return missing


def write(  # noqa: PLR0917 - where, what
    into: Path, name: str, shape: Any, *, logic: int, told: Told = collaboration
) -> None:
    """Write one shape. Raises GoldenExistsError for one that is there."""
    into.mkdir(parents=True, exist_ok=True)
    content = told(shape, logic)
    try:
        with _file(into, name).open("xb") as file:
            file.write(content)
    except FileExistsError:
        raise GoldenExistsError(path=_file(into, name)) from None


def main(argv: Sequence[str]) -> int:
    """Write what is missing, or the shapes that are named; exit code 1 when one is there.

    Shapes of accounts are written when no names are given.
    """
    parser = argparse.ArgumentParser(prog="python -m tools.golden", description=__doc__)
    parser.add_argument("shape", nargs="*", choices=[[], *sorted(SHAPES)], help="All by default.")
    parser.add_argument("--logic", type=int, default=KNOWN_LOGIC, help="The version they keep.")
    arguments = parser.parse_args(argv)
    into = folder(arguments.logic)
    try:
        for name in arguments.shape:
            write(into, name, SHAPES[name], logic=arguments.logic)
    except GoldenExistsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    shapes = shapes_of(arguments.logic)
    names = arguments.shape or write_missing(into, shapes, logic=arguments.logic)
    sys.stdout.write(f"{len(names)} written, {len(shapes) - len(names)} kept as they are\n")
    if not arguments.shape:
        books = folder(accounts.KNOWN_LOGIC, of=ACCOUNTS)
        new = write_missing(books, ACCOUNT_SHAPES, logic=accounts.KNOWN_LOGIC, told=account)
        kept = len(ACCOUNT_SHAPES) - len(new)
        sys.stdout.write(f"of accounts {len(new)} written, {kept} kept as they are\n")
    return 0


def _file(into: Path, name: str) -> Path:
    return into / f"{name}.jsonl"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
