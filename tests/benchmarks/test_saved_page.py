"""The page of numbers as it is in the repository."""

import re
from pathlib import Path

from benchmarks.groups import BENCHMARKS
from benchmarks.page import BEGIN, sections

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "performance.md").read_text()
SAVED = sections(PAGE)
PROSE = PAGE.partition(BEGIN)[0]
EXPLAINED = set(re.findall(r"^### (\S+)$", PROSE, re.MULTILINE))
NAMES = [benchmark.name for benchmark in BENCHMARKS]


def test_missed_goals_are_explained():
    missed = {name for name, text in SAVED.items() if "**no**" in text}
    assert missed <= EXPLAINED


def test_what_is_saved_and_explained_are_benchmarks():
    assert list(SAVED) == [name for name in NAMES if name in SAVED]
    assert set(NAMES) >= EXPLAINED


def test_names_are_unique():
    assert len(set(NAMES)) == len(NAMES)


def test_each_section_says_where_it_comes_from():
    source = re.compile(r"by `python -m benchmarks[^`]*` at commit \S+ on \d{4}-\d\d-\d\d")
    for name, text in SAVED.items():
        assert text.startswith(f"### {name}\n")
        assert source.search(text), name
        assert "Load average of a minute before:" in text, name
        assert "| what | goal | median | range | met |" in text, name
