from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
ROOT = Path(__file__).resolve().parents[2]

TESTS = """
import pytest

def test_runs():
    pass

def test_needs_a_broker():
    pytest.skip("no Kafka here")

@pytest.mark.xfail(strict=True, reason="known")
def test_known_fault():
    assert False
"""


@pytest.fixture
def rules(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest((ROOT / "conftest.py").read_text(encoding="utf-8"))
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makepyfile(test_some=TESTS)
    return pytester


def test_a_skip_is_announced_with_its_reason(rules, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    result = rules.runpytest_inprocess()
    result.assert_outcomes(passed=1, skipped=1, xfailed=1)
    result.stdout.fnmatch_lines(["*1 DID NOT RUN*", "*test_needs_a_broker*no Kafka here*"])


def test_a_skip_fails_on_ci_and_an_expected_failure_does_not(rules, monkeypatch):
    monkeypatch.setenv("CI", "true")
    result = rules.runpytest_inprocess()
    result.assert_outcomes(passed=1, failed=1, xfailed=1)
    result.stdout.fnmatch_lines(["*did not run, which CI=true does not allow*no Kafka here*"])


def test_a_module_that_skips_itself_fails_on_ci(rules, monkeypatch):
    rules.makepyfile(test_other='import pytest\npytest.importorskip("nowhere_to_be_found")')
    monkeypatch.setenv("CI", "true")
    result = rules.runpytest_inprocess("test_other.py")
    assert result.ret != pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*did not run*nowhere_to_be_found*"])


def test_nothing_is_announced_when_all_ran(rules, monkeypatch):
    monkeypatch.setenv("CI", "true")
    result = rules.runpytest_inprocess("-k", "test_runs")
    result.assert_outcomes(passed=1, deselected=2)
    assert "DID NOT RUN" not in result.stdout.str()
