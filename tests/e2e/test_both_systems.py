"""What holds for solo holds for a fleet: the same tests run on both."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent

pytestmark = pytest.mark.integration

# Two processes on one state folder; of the fleet: test_a_second_one_is_refused_with_the_pid.
OF_SOLO = {
    "test_canaries.py::test_i18_no_secret_is_in_anything_that_a_run_leaves_behind",
    "test_kill.py::test_a_second_solo_on_the_same_home_is_refused",
    # Its log is read once it is stopped; histories of fleets are judged by tests/chaos.
    "test_histories.py::test_a_solo_that_was_killed_leaves_a_legal_history",
    # About the wire to the provider, which is the same code wherever the log is.
    "test_providers.py::test_a_key_of_anthropic_is_all_that_a_run_needs",
}
# What only several processes on a broker can show.
OF_FLEETS = {
    "test_fleet.py",
    "test_fleet_outages.py",
    "test_idempotency.py",
    "test_own_cluster.py",
    "test_refused_records.py",
    "test_slow_rebuild.py",
    "test_stale_snapshot.py",
    "test_two_of_each.py",
    "test_both_systems.py",
}


def ids(*, of: str, among: list[str]) -> set[str]:
    """The tests that run on one system, without its name."""
    named = re.compile(rf"(?<=[\[-]){of}(?=[\]-])")
    return {named.sub("SYSTEM", test) for test in among if named.search(test)}


def collected() -> list[str]:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "", FOLDER]
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=150)
    return [line.removeprefix("tests/e2e/") for line in found.stdout.splitlines() if "::" in line]


def test_the_tests_of_both_systems_are_equal() -> None:
    tests = collected()
    solo, fleet = ids(of="solo", among=tests), ids(of="fleet", among=tests)
    assert len(solo) > 30
    assert solo == fleet
    rest = {test for test in tests if not ids(of="solo|fleet", among=[test])}
    assert {t for t in rest if t.split("::")[0] not in OF_FLEETS} == OF_SOLO


def test_a_test_of_one_system_only_is_found() -> None:
    tests = ["a.py::test_x[solo-1]", "a.py::test_x[fleet-1]", "a.py::test_y[solo]", "a.py::test_z"]
    assert ids(of="solo", among=tests) - ids(of="fleet", among=tests) == {"a.py::test_y[SYSTEM]"}
