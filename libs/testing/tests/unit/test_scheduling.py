import json
from types import SimpleNamespace

import pytest

from facilitair_events.layout import checkout_root
from facilitair_testing import scheduling
from facilitair_testing.scheduling import (
    UNKNOWN_S,
    WEIGHTS,
    read_weights,
    scope_of,
    weighed,
    weight_of,
)

pytest_plugins = ["pytester"]
PLUGIN = ("-p", "facilitair_testing.scheduling")


def test_files_that_share_a_server_stay_together_and_others_alone():
    assert scope_of("tests/e2e/test_fleet.py::test_a") == scope_of("tests/e2e/test_kill.py::test_b")
    assert scope_of("libs/llm/tests/unit/test_a.py::Test::test_b[x::y]") == (
        "libs/llm/tests/unit/test_a.py"
    )


def test_what_needs_no_fleet_runs_elsewhere():
    assert scope_of("tests/e2e/test_kill.py::test_a[solo-x]") != scope_of(
        "tests/e2e/test_kill.py::test_a[fleet-x]"
    )
    assert scope_of("tests/e2e/test_own_cluster.py::test_a") == "tests/e2e/test_own_cluster.py"


def test_what_was_never_weighed_is_early_when_it_may_start_processes():
    assert weight_of("a.py", {"a.py": 3.5}) == 3.5
    assert weight_of("libs/x/tests/integration/test_a.py", {}) == UNKNOWN_S
    assert weight_of("tests/crash/test_a.py", {}) == UNKNOWN_S
    assert weight_of("libs/x/tests/unit/test_a.py", {}) == 0


def test_weights_are_sums_of_a_scope_without_what_is_quick():
    reports = [
        SimpleNamespace(nodeid=nodeid, duration=duration)
        for nodeid, duration in [("a.py::t", 2.0), ("b.py::t", 9.0), ("a.py::u", 2.04), ("c.py", 1)]
    ]
    assert list(weighed(reports).items()) == [("b.py", 9.0), ("a.py", 4.0)]


def test_the_weights_of_this_repository_are_of_scopes_that_exist():
    root = checkout_root()
    files = {str(path.relative_to(root)) for path in root.glob("**/tests/**/test_*.py")}
    scopes = {scope_of(f"{file}::t{kind}") for file in files for kind in ("", "[solo]")}
    assert read_weights(root).keys() <= scopes


@pytest.fixture
def two_files(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makepyfile(test_quick="def test_q(): pass", test_slow="def test_s(): pass")
    (pytester.path / WEIGHTS).parent.mkdir()
    return pytester


@pytest.mark.integration
def test_the_longest_begins_first(two_files):
    (two_files.path / WEIGHTS).write_text(json.dumps({"test_slow.py": 9}))
    ran = two_files.runpytest_subprocess(*PLUGIN, "-n", "1", "-v", "--dist", "loadfile")
    ran.assert_outcomes(passed=2)
    ran.stdout.fnmatch_lines(["*PASSED test_slow*", "*PASSED test_quick*"])


def test_a_run_can_be_weighed(two_files, monkeypatch):
    monkeypatch.setattr(scheduling, "WORTH_KEEPING_S", 0)
    two_files.runpytest_inprocess(*PLUGIN, "--weigh").assert_outcomes(passed=2)
    kept = json.loads((two_files.path / WEIGHTS).read_bytes())
    assert kept.keys() == {"test_quick.py", "test_slow.py"}


def test_what_is_long_and_not_weighed_is_named(two_files, monkeypatch):
    monkeypatch.setattr(scheduling, "WORTH_KEEPING_S", 0)
    monkeypatch.setattr(scheduling, "UNKNOWN_S", -1)
    ran = two_files.runpytest_inprocess(*PLUGIN)
    ran.stdout.fnmatch_lines(
        ["test_slow.py took * s, which * does not know: make test WEIGH=--weigh"]
    )
