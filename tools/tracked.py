"""Rules about the files git tracks: size, names, and nothing of one machine in them."""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

MODULE_LINES = 300
TEST_LINES = 500
FORBIDDEN_MODULES = {"base", "common", "helper", "helpers", "manager", "misc", "util", "utils"}
FORBIDDEN_FILES = {"uv.lock"}
# Written in pieces, so that this file does not break its own rule.
MACHINE = re.compile(
    rb"(?<![\w.$}*-])/(?:root|work)/|/tmp/"
    rb"brief|(?:pypi\.org|python"
    rb"hosted\.org)[/:]"
    rb"|--(?:extra-)?index-"
    rb"url"
)


def tracked_files(root: Path) -> list[Path]:
    """Files git tracks or would track, as paths relative to the root."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=True,
    )
    names = sorted({Path(name) for name in listing.stdout.decode().split("\0") if name})
    return [name for name in names if (root / name).is_file()]


def size_faults(root: Path, files: Iterable[Path]) -> list[str]:
    """Python files that are too long: modules over 300 lines, tests over 500."""
    faults = []
    for file in files:
        if file.suffix != ".py":
            continue
        limit = TEST_LINES if "tests" in file.parts else MODULE_LINES
        lines = len((root / file).read_bytes().splitlines())
        if lines > limit:
            faults.append(f"{file} has {lines} lines, at most {limit}: split it")
    return faults


def name_faults(files: Iterable[Path]) -> list[str]:
    """Modules and packages named after nothing, and files that must not be tracked."""
    faults = []
    for file in files:
        if file.name in FORBIDDEN_FILES:
            faults.append(f"{file} must not be tracked")
        parts = {*file.parent.parts, file.stem} if file.suffix == ".py" else set()
        faults += [
            f"{file}: name it after a thing or a verb, not {part}"
            for part in sorted(parts & FORBIDDEN_MODULES)
        ]
    return faults


def machine_faults(root: Path, files: Iterable[Path]) -> list[str]:
    """Lines that hold a path of one machine or the address of a package index."""
    faults = []
    for file in files:
        for number, line in enumerate((root / file).read_bytes().splitlines(), start=1):
            found = MACHINE.search(line)
            if found:
                faults.append(f"{file}:{number} holds {found.group().decode()}")
    return faults
