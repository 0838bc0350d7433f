import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks.bench import Benchmark
from benchmarks.page import BEGIN, END, sections
from benchmarks.readings import Reading

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def taken():
    return []


@pytest.fixture(autouse=True)
def page(monkeypatch, tmp_path, taken):
    """Benchmarks that take no time, and a page of their own."""

    def benchmark(name, value, **more):
        def measure(bench):
            taken.append((name, bench.quick))
            return [Reading(f"{name} row", value, "ms", 5)]

        return Benchmark(name, f"About {name}.", measure, takes_s=60, **more)

    made = tmp_path / "page.md"
    made.write_text(f"{BEGIN}\n{END}")
    monkeypatch.setattr(command, "PAGE", made)
    monkeypatch.setattr(
        command,
        "BENCHMARKS",
        (
            benchmark("good", 1),
            benchmark("bad", 9),
            benchmark("once", 1, once=True),
            benchmark("tests", 1, asked="--with-tests"),
            benchmark("hours", 1, asked="--long"),
        ),
    )
    return made


def names(taken):
    return [name for name, _ in taken]


def test_without_names_everything_is_measured_that_need_not_be_asked_for(taken):
    assert command.main(["--rounds", "2"]) == 1
    assert names(taken) == ["good", "bad", "once", "good", "bad"]


def test_three_rounds_are_the_default(taken):
    command.main(["good"])
    assert names(taken) == ["good"] * 3


@pytest.mark.parametrize(("flag", "added"), [("--with-tests", "tests"), ("--long", "hours")])
def test_what_takes_long_has_to_be_asked_for(taken, flag, added):
    command.main(["--rounds", "1", flag])
    assert names(taken) == ["good", "bad", "once", added]


def test_a_name_is_enough_to_ask_for_it(taken):
    command.main(["--rounds", "1", "hours"])
    assert names(taken) == ["hours"]


@pytest.mark.parametrize(("name", "code"), [("good", 0), ("bad", 1)])
def test_a_missed_goal_is_in_the_exit_code(name, code):
    assert command.main([name, "--rounds", "1"]) == code


def test_quick_reaches_the_benchmark(taken):
    command.main(["good", "--rounds", "1", "--quick"])
    command.main(["good", "--rounds", "1"])
    assert taken == [("good", True), ("good", False)]


def test_list_measures_nothing_and_says_how_long_it_would_take(taken, capsys):
    assert command.main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert taken == []
    assert [line.split()[:2] for line in lines[:3]] == [
        ["good", "180"],
        ["bad", "180"],
        ["once", "60"],
    ]
    assert lines[3].endswith("Only with --with-tests or by its name.")
    assert lines[-1] == "about 7 minutes without those to be asked for"


def test_json_has_every_value_with_its_median_and_verdict(capsys):
    command.main(["bad", "once", "--rounds", "2", "--json"])
    told = json.loads(capsys.readouterr().out)
    bad, once = told["groups"]
    assert bad["rows"][0]["values"] == [9, 9]
    assert bad["rows"][0]["verdict"] == "**no**, 1.8x above"
    assert len(bad["loads"]) == 2
    assert once["rows"][0]["values"] == [1]
    assert "python" in told["machine"]


def test_progress_goes_to_stderr(capsys):
    command.main(["good", "--rounds", "2"])
    told = capsys.readouterr()
    assert "round 2 of 2: good" in told.err
    assert "round" not in told.out.partition("###")[0]


def test_save_keeps_what_was_not_measured_now(page, capsys):
    command.main(["good", "once", "--rounds", "1", "--save"])
    before = sections(page.read_text())
    command.main(["bad", "--rounds", "2", "--save"])
    after = sections(page.read_text())
    assert list(after) == ["good", "bad", "once"]
    assert {name: after[name] for name in before} == before
    assert "`python -m benchmarks bad --rounds 2 --save`" in after["bad"]
    assert after["bad"] in capsys.readouterr().out


def test_without_save_the_page_stays(page):
    before = page.read_text()
    command.main(["good", "--rounds", "1"])
    assert page.read_text() == before


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["nothing"], "no benchmark named nothing; there are good, bad"),
        (["good", "--save", "--quick"], "mean nothing"),
        (["--rounds", "0"], "at least 1"),
    ],
)
def test_a_wrong_command_is_refused_before_anything_is_measured(taken, capsys, arguments, fault):
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    assert fault in capsys.readouterr().err
    assert taken == []


@pytest.mark.integration
def test_it_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "lines", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    (group,) = json.loads(done.stdout)["groups"]
    assert done.returncode == 0
    assert "lines of `libs/events`" in [row["what"] for row in group["rows"]]
