"""Every case of the models has tests of the real code, or says what it waits for."""

import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TABLE = tomllib.loads((ROOT / "tests/models/cases.toml").read_text())
NAMES = {
    (model, name)
    for line in (ROOT / "tests/models/names.txt").read_text().splitlines()
    for model, name in [line.split(" ", 1)]
}
FIELDS = {"holds", "breaks", "waits_for", "note"}


def entries(table: Mapping[str, Any]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """The cases of a table by model and name."""
    return {
        (model, name): entry
        for model, cases in table.items()
        if model != "waits_for"
        for name, entry in cases.items()
    }


def faults(
    table: Mapping[str, Any], *, names: set[tuple[str, str]], collected: set[str]
) -> Iterator[str]:
    """What is wrong with a table."""
    found = entries(table)
    yield from (f"{' '.join(case)} is not in the table" for case in names - found.keys())
    yield from (f"{' '.join(case)} is no case" for case in found.keys() - names)
    for (model, name), entry in found.items():
        case = f"{model} {name}"
        yield from (f"{case}: no field {field}" for field in entry.keys() - FIELDS)
        if "waits_for" in entry:
            if entry["waits_for"] not in table["waits_for"]:
                yield f"{case} waits for what nobody knows"
            continue
        wanted = ["holds"] if name.startswith("rules") else ["holds", "breaks"]
        yield from (
            f"{case} has no test that it {field}" for field in wanted if not entry.get(field)
        )
        for test in (*entry.get("holds", ()), *entry.get("breaks", ())):
            if test not in collected:
                yield f"{case}: {test} is not collected"


@pytest.fixture(scope="module")
def collected() -> set[str]:
    """The ids of all tests in the files that the table names."""
    tests = [
        test
        for entry in entries(TABLE).values()
        for test in (*entry.get("holds", ()), *entry.get("breaks", ()))
    ]
    files = sorted({test.split("::")[0] for test in tests})
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return set(done.stdout.splitlines())


@pytest.mark.timeout(400)
def test_every_case_has_its_tests_or_says_what_it_waits_for(collected: set[str]) -> None:
    assert list(faults(TABLE, names=NAMES, collected=collected)) == []


GOOD = {
    "waits_for": {"later": "something"},
    "m": {
        "rules": {"holds": ["t::a"]},
        "gap-x": {"holds": ["t::a"], "breaks": ["t::b"]},
        "mutant-y": {"waits_for": "later"},
    },
}
CASES = {("m", "rules"), ("m", "gap-x"), ("m", "mutant-y")}


@pytest.mark.parametrize(
    ("name", "entry", "fault"),
    [
        ("rules", None, "m rules is not in the table"),
        ("gap-z", {"holds": ["t::a"], "breaks": ["t::b"]}, "m gap-z is no case"),
        ("rules", {}, "m rules has no test that it holds"),
        ("gap-x", {"holds": ["t::a"]}, "m gap-x has no test that it breaks"),
        ("gap-x", {"holds": ["t::c"], "breaks": ["t::b"]}, "m gap-x: t::c is not collected"),
        ("mutant-y", {"waits_for": "never"}, "m mutant-y waits for what nobody knows"),
        ("rules", {"holds": ["t::a"], "hold": []}, "m rules: no field hold"),
    ],
)
def test_a_table_that_hides_a_case_is_refused(name: str, entry: Any, fault: str) -> None:
    cases = dict(GOOD["m"]) | {name: entry}
    table = GOOD | {"m": {name: entry for name, entry in cases.items() if entry is not None}}
    assert list(faults(table, names=CASES, collected={"t::a", "t::b"})) == [fault]


def test_a_table_without_faults_is_taken() -> None:
    assert list(faults(GOOD, names=CASES, collected={"t::a", "t::b"})) == []
