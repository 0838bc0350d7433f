"""Lines of code, by member."""

from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.processes import ROOT
from benchmarks.readings import Reading
from tools.members import member_folders


def measure(_bench: Bench) -> list[Reading]:
    """Lines that are not blank: the sources of each member, and all tests together."""
    sources = [
        Reading(f"lines of `{folder.relative_to(ROOT)}`", code_lines(folder / "src"), "lines")
        for folder in member_folders(ROOT)
    ]
    tests = sum(code_lines(folder / "tests") for folder in [ROOT, *member_folders(ROOT)])
    return [*sources, Reading("lines of all tests", tests, "lines")]


def code_lines(folder: Path) -> int:
    """Lines of Python that are not blank."""
    files = folder.rglob("*.py")
    return sum(1 for file in files for line in file.read_text().splitlines() if line.strip())
