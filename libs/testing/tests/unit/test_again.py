import pytest

from facilitair_testing.again import MOST, is_verdict
from facilitair_testing.eventually import ConditionNotMetError
from facilitair_testing.promises import BrokenPromiseError

pytest_plugins = ["pytester"]
PLUGIN = ("-p", "facilitair_testing.again")
ONCE = """
import pathlib, pytest
from facilitair_testing.promises import promised
tried = pathlib.Path("tried")
pytestmark = pytest.mark.integration

@pytest.fixture
def trial():
    before = tried.read_text() if tried.exists() else ""
    tried.write_text(before + "x")
    return tried.read_text()
"""
SLOW = "\ndef test_slow(trial): assert trial != 'x', 'too slow'\n"
QUICK = "\npytestmark = []\ndef test_quick(trial): assert trial != 'x'\n"
WRONG = "\ndef test_wrong(trial): assert trial == ''\n"
BROKEN = """
def test_broken(trial):
    with promised("paid once"):
        assert trial != "x", "it was paid twice"
"""
GROUPED = """
import asyncio

async def pay(trial):
    with promised("paid once"):
        assert trial != "x"

async def pay_all(trial):
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(pay(trial))

def test_grouped(trial): asyncio.run(pay_all(trial))
"""
SHARED = """
@pytest.fixture(scope="{scope}")
def world():
    worlds = pathlib.Path("worlds")
    worlds.write_text((worlds.read_text() if worlds.exists() else "") + "w")
    yield {{"alive": True, "number": len(worlds.read_text())}}
    worlds.with_name("ended").write_text(worlds.read_text())

def test_before(world): assert world["alive"]

def test_kills(world, trial):
    if trial == "x":
        world["alive"] = False
        assert pathlib.Path("ended").exists(), "it died"
    assert world == {{"alive": True, "number": 2}}

def test_after(world): assert world == {{"alive": True, "number": 2}}
"""
UNSTARTED = """
@pytest.fixture(scope="module")
def world(request):
    before = tried.exists()
    tried.write_text("x")
    assert before, "it did not start in time"

def test_uses_it(world): pass
"""
UNENDED = """
@pytest.fixture(scope="module")
def world():
    yield
    assert tried.read_text() != "x", "something is left of it"

def test_leaves_it(world, trial): assert trial != "x", "too slow"
"""
MANY = "\n@pytest.mark.parametrize('n', range({number}))\ndef test_many(n): assert False\n"
HANGS = """
import time
pytestmark = [pytest.mark.integration, pytest.mark.timeout(0.3)]
def test_hangs(trial):
    while True: time.sleep(0.01)
"""
ROWS = """
def test_tells(trial, record_property):
    record_property("row", trial)
    assert trial != "x"
"""


@pytest.fixture
def tests(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeini(
        "[pytest]\nasyncio_default_fixture_loop_scope = function\nmarkers = integration"
    )
    return pytester


def tried(tests: pytest.Pytester) -> str:
    return (tests.path / "tried").read_text()


def test_what_fails_once_passes_and_is_told(tests: pytest.Pytester) -> None:
    tests.makepyfile(ONCE + SLOW)
    ran = tests.runpytest_inprocess(*PLUGIN, "--again")
    ran.assert_outcomes(passed=1)
    ran.stdout.fnmatch_lines(["*1 RAN AGAIN*", "*::test_slow failed at first:", "*too slow*"])


def test_what_fails_twice_fails(tests: pytest.Pytester) -> None:
    tests.makepyfile(ONCE + WRONG)
    tests.runpytest_inprocess(*PLUGIN, "--again").assert_outcomes(failed=1)
    assert tried(tests) == "xx"


def test_what_starts_no_process_has_one_chance(tests: pytest.Pytester) -> None:
    tests.makepyfile(ONCE + QUICK)
    tests.runpytest_inprocess(*PLUGIN, "--again").assert_outcomes(failed=1)


def test_nobody_has_two_who_did_not_ask(tests: pytest.Pytester) -> None:
    tests.makepyfile(ONCE + SLOW)
    ran = tests.runpytest_inprocess(*PLUGIN)
    ran.assert_outcomes(failed=1)
    assert "RAN AGAIN" not in ran.stdout.str()


@pytest.mark.parametrize("verdict", [BROKEN, GROUPED])
def test_a_broken_promise_is_never_asked_twice(tests: pytest.Pytester, verdict: str) -> None:
    tests.makepyfile(ONCE + verdict)
    ran = tests.runpytest_inprocess(*PLUGIN, "--again")
    ran.assert_outcomes(failed=1)
    assert tried(tests) == "x"
    assert "RAN AGAIN" not in ran.stdout.str()
    ran.stdout.fnmatch_lines(["*BrokenPromiseError: paid once*"])


def test_what_did_not_come_in_time_is_no_verdict() -> None:
    late = ConditionNotMetError(what="its end", timeout_s=1, last=None)
    broken = BrokenPromiseError(promise="paid once", seen=2)
    assert not is_verdict(late)
    assert not is_verdict(ExceptionGroup("tasks", [late, TimeoutError()]))
    assert is_verdict(ExceptionGroup("tasks", [late, ExceptionGroup("inner", [broken])]))


@pytest.mark.parametrize("scope", ["module", "session"])
def test_what_was_shared_is_ended_and_begins_anew(tests: pytest.Pytester, scope: str) -> None:
    tests.makepyfile(ONCE + SHARED.format(scope=scope))
    ran = tests.runpytest_inprocess(*PLUGIN, "--again")
    ran.assert_outcomes(passed=3)
    ran.stdout.fnmatch_lines(["*::test_kills failed at first:", "*it died*"])
    assert (tests.path / "ended").read_text() == "ww"


def test_a_shared_world_that_did_not_start_is_started_again(tests: pytest.Pytester) -> None:
    tests.makepyfile(ONCE + UNSTARTED)
    ran = tests.runpytest_inprocess(*PLUGIN, "--again")
    ran.assert_outcomes(passed=1)
    ran.stdout.fnmatch_lines(["*::test_uses_it failed at first:", "*did not start in time*"])


def test_a_shared_world_that_does_not_end_well_is_told_and_left(tests: pytest.Pytester) -> None:
    tests.makepyfile(ONCE + UNENDED + "\ndef test_next(world): pass\n")
    ran = tests.runpytest_inprocess(*PLUGIN, "--again")
    ran.assert_outcomes(passed=2)
    ran.stdout.fnmatch_lines(["*too slow*", "*did not end well*something is left of it*"])


def test_so_many_are_not_late_by_chance(tests: pytest.Pytester) -> None:
    tests.makepyfile(ONCE + MANY.format(number=MOST + 2))
    ran = tests.runpytest_inprocess(*PLUGIN, "--again")
    ran.assert_outcomes(failed=MOST + 2)
    ran.stdout.fnmatch_lines([f"*{MOST} RAN AGAIN*"])


def test_the_second_run_has_a_timeout_too(tests: pytest.Pytester) -> None:
    tests.makepyfile(ONCE + HANGS)
    tests.runpytest_subprocess(*PLUGIN, "--again", timeout=60).assert_outcomes(failed=1)
    assert tried(tests) == "xx"


def test_what_the_first_run_recorded_is_forgotten(tests: pytest.Pytester) -> None:
    tests.makepyfile(ONCE + ROWS)
    recorded = tests.inline_run(*PLUGIN, "--again")
    told = [
        dict(report.user_properties) for report in recorded.getreports("pytest_runtest_logreport")
    ]
    assert [one["row"] for one in told if one.get("row")][-1] == "xx"
    assert "x" not in {one.get("row") for one in told}
