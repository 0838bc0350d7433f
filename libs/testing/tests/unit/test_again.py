import pytest

pytest_plugins = ["pytester"]
PLUGIN = ("-p", "facilitair_testing.again")

ONCE = """
import pathlib, pytest
tried = pathlib.Path("tried")

@pytest.fixture
def trial():
    before = tried.read_text() if tried.exists() else ""
    tried.write_text(before + "x")
    return tried.read_text()
"""
SLOW = "\n@pytest.mark.integration\ndef test_slow(trial): assert trial != 'x', 'too slow'\n"
QUICK = "\ndef test_quick(trial): assert trial != 'x'\n"
WRONG = "\n@pytest.mark.integration\ndef test_wrong(trial): assert trial == ''\n"


@pytest.fixture
def tests(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeini(
        "[pytest]\nasyncio_default_fixture_loop_scope = function\nmarkers = integration"
    )
    return pytester


def test_what_fails_once_passes_and_is_told(tests: pytest.Pytester) -> None:
    tests.makepyfile(ONCE + SLOW)
    ran = tests.runpytest_inprocess(*PLUGIN, "--again")
    ran.assert_outcomes(passed=1)
    ran.stdout.fnmatch_lines(["*1 RAN AGAIN*", "*::test_slow failed at first:", "*too slow*"])


def test_what_fails_twice_fails(tests: pytest.Pytester) -> None:
    tests.makepyfile(ONCE + WRONG)
    tests.runpytest_inprocess(*PLUGIN, "--again").assert_outcomes(failed=1)
    assert (tests.path / "tried").read_text() == "xx"


def test_what_starts_no_process_has_one_chance(tests: pytest.Pytester) -> None:
    tests.makepyfile(ONCE + QUICK)
    tests.runpytest_inprocess(*PLUGIN, "--again").assert_outcomes(failed=1)


def test_nobody_has_two_who_did_not_ask(tests: pytest.Pytester) -> None:
    tests.makepyfile(ONCE + SLOW)
    ran = tests.runpytest_inprocess(*PLUGIN)
    ran.assert_outcomes(failed=1)
    assert "RAN AGAIN" not in ran.stdout.str()


def test_who_judges_histories_has_one_chance(tests: pytest.Pytester) -> None:
    folder = tests.path / "tests" / "crash"
    folder.mkdir(parents=True)
    (folder / "test_cells.py").write_text(ONCE + SLOW)
    tests.runpytest_inprocess(*PLUGIN, "--again").assert_outcomes(failed=1)
