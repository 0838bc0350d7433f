import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.integration

RECORDER = """#!/usr/bin/env python3
import pathlib, sys
pathlib.Path("arguments").write_bytes(b"\\0".join(a.encode() for a in sys.argv[1:]))
"""


@pytest.fixture
def checkout(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    program = tmp_path / ".venv" / "bin" / "facilitair"
    program.parent.mkdir(parents=True)
    program.write_text(RECORDER)
    program.chmod(0o755)
    return tmp_path


def make(checkout, *arguments, **variables):
    env = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run(
        ["make", "PYTHON=true", *arguments],
        cwd=checkout,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def passed_on(checkout):
    return (checkout / "arguments").read_bytes().decode().split("\0")


NASTY = [
    "plain words",
    "$(shell touch $(CURDIR)/broken)",
    "$(touch broken) `touch broken` ${HOME} $HOME $$ $5",
    'it\'s "quoted"; touch broken # not a comment',
    "first line\nsecond line\n\ttabbed",
    "--help",
    "back\\slash \\n %s * ? [a] é 字",
    "trailing \\",
]


@pytest.mark.parametrize("task", NASTY)
@pytest.mark.parametrize("way", ["argument", "environment"])
def test_a_task_reaches_the_program_byte_for_byte(checkout, task, way):
    given = (
        make(checkout, "run", f"TASK={task}")
        if way == "argument"
        else make(checkout, "run", TASK=task)
    )
    assert given.returncode == 0, given.stderr
    assert passed_on(checkout) == ["run", "--workflow", "code", "--", task]
    assert not (checkout / "broken").exists()
    assert not given.stderr


def test_the_workflow_is_the_users_choice_and_as_safe(checkout):
    given = make(checkout, "run", "WORKFLOW=$(shell touch broken)x")
    assert given.returncode == 0, given.stderr
    assert passed_on(checkout)[2] == "$(shell touch broken)x"
    assert not (checkout / "broken").exists()


def test_run_without_a_task_has_one(checkout):
    assert make(checkout, "run").returncode == 0
    assert "prime" in passed_on(checkout)[-1]


@pytest.mark.parametrize("target", ["up", "down"])
def test_up_and_down_are_the_commands_of_that_name(checkout, target):
    assert make(checkout, target).returncode == 0
    assert passed_on(checkout) == [target]


def test_fleet_passes_its_stores_and_scale_on(checkout):
    assert make(checkout, "fleet").returncode == 0
    assert passed_on(checkout) == ["up", "--fleet", "--stores", "kafka"]
    given = make(checkout, "fleet", "STORES=kafka,neo4j", "SCALE=agent-worker=3 gateway=2")
    assert given.returncode == 0
    assert not given.stderr
    scale = ["--scale", "agent-worker=3", "--scale", "gateway=2"]
    assert passed_on(checkout) == ["up", "--fleet", "--stores", "kafka,neo4j", *scale]


def test_fleet_down_is_down(checkout):
    assert make(checkout, "fleet-down").returncode == 0
    assert passed_on(checkout) == ["down"]


@pytest.fixture
def recorded(checkout):
    """Programs of the environment that write down how they were called; one of them may fail."""

    def programs(*, failing=""):
        for name in ("pytest", "python", "ruff", "mypy", "lint-imports"):
            program = checkout / ".venv" / "bin" / name
            lines = [
                "#!/bin/sh",
                f'echo "{name} $*" >> calls',
                f'case "$*" in *"{failing or "no such"}"*) exit 1;; esac',
            ]
            program.write_text("\n".join(lines) + "\n")
            program.chmod(0o755)

    return programs


def test_chaos_runs_the_crash_table_then_both_systems_then_writes_the_page(checkout, recorded):
    recorded()
    assert make(checkout, "chaos", "SEEDS=3-5").returncode == 0
    crash, marked, search, *money, solo, kafka, page = calls(checkout)
    assert crash.startswith("pytest tests/crash tests/chaos --crash-table .facilitair/chaos/")
    assert marked == "pytest -m chaos tests/e2e tests/money tests/poison libs/messaging"
    assert search == "pytest -m not integration --hypothesis-profile search"
    for system, line in zip(("solo", "kafka"), money, strict=True):
        assert line.endswith(f"chaos --system {system} --load LM --seeds 1")
    assert solo.endswith("chaos --system solo --load L0 --seeds 3-5")
    assert kafka.endswith("chaos --system kafka --load L1 --seeds 3-5")
    assert page == "python -m tools.reliability"


@pytest.mark.parametrize(
    "failing", ["pytest", "-m chaos", "search", "--system solo", "--system kafka", "tools"]
)
def test_chaos_goes_on_after_a_failure_and_fails(checkout, recorded, failing):
    recorded(failing="tests/crash" if failing == "pytest" else failing)
    assert make(checkout, "chaos").returncode != 0
    assert len(calls(checkout)) == 8


def calls(checkout) -> list[str]:
    return (checkout / "calls").read_text().splitlines()


CHECKS = {"mypy", "lint-imports", "python -m tools.schemas --check", "pytest"}


def test_the_types_are_checked_beside_the_tests(checkout, recorded):
    recorded()
    given = make(checkout, "test")
    assert given.returncode == 0, given.stderr
    calls = (checkout / "calls").read_text().splitlines()
    assert [call.split()[1] for call in calls[:2]] == ["check", "format"]
    assert all(any(call.startswith(check) for call in calls[2:]) for check in CHECKS)


@pytest.mark.parametrize("failing", ["pytest", "mypy", "lint-imports", "tools.schemas --check"])
def test_whatever_fails_beside_the_tests_fails_them(checkout, recorded, failing):
    recorded(failing=failing)
    program = checkout / ".venv" / "bin" / failing.split()[0]
    if program.exists():
        program.write_text(f"#!/bin/sh\necho {failing} is not content; exit 1\n")
    given = make(checkout, "test")
    assert given.returncode != 0
    if program.exists():
        assert f"{failing} is not content" in given.stdout


@pytest.mark.parametrize("failing", ["check", "format"])
def test_what_is_quick_fails_before_any_test(checkout, recorded, failing):
    recorded(failing=f"{failing} --")
    assert make(checkout, "test").returncode != 0
    assert "pytest" not in (checkout / "calls").read_text()


def test_a_failing_program_fails_the_target(checkout):
    (checkout / ".venv/bin/facilitair").write_text("#!/bin/sh\nexit 3\n")
    assert make(checkout, "run").returncode != 0


def test_a_failing_set_up_stops_before_the_program(checkout):
    assert make(checkout, "PYTHON=false", "run").returncode != 0
    assert not (checkout / "arguments").exists()


def test_help_is_the_default_and_lists_every_documented_target(checkout):
    given = make(checkout)
    listed = {line.split()[0] for line in given.stdout.splitlines() if line.startswith("  ")}
    named = "help init run up down fleet fleet-down test test-unit lint schemas schemas-check bench"
    named += " chaos clean lock"
    assert listed == set(named.split())
    assert not given.stderr


def test_clean_keeps_collaborations(checkout):
    (checkout / ".facilitair").mkdir()
    (checkout / ".mypy_cache").mkdir()
    assert make(checkout, "clean").returncode == 0
    assert not (checkout / ".venv").exists()
    assert not (checkout / ".mypy_cache").exists()
    assert (checkout / ".facilitair").exists()


def test_ci_runs_make_test_and_nothing_else(checkout):
    shutil.copytree(ROOT / ".ci", checkout / ".ci")
    (checkout / "Makefile").write_text("test:\n\t@echo tested CI=$(CI)\n")
    given = subprocess.run(
        [checkout / ".ci" / "run"], capture_output=True, text=True, check=False, timeout=120
    )
    assert given.stdout == "tested CI=true\n"
