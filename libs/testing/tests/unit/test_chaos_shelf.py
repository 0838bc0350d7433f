"""Results of many runs, kept so that they can be resumed."""

import os
import subprocess
import sys

from msgspec.structs import replace

from facilitair_testing.chaos import __main__ as program
from facilitair_testing.chaos.results import Result
from facilitair_testing.chaos.shelf import Shelf

RESULT = Result(
    seed=7, system="solo", load="L0", planned=0, faults=(), submitted=40, accepted=40, terminal=40,
    finished=1.0, violations=(), waits=(), unanswered=0, duration_s=1.0, ends={},
)  # fmt: skip


def test_a_result_is_found_again_and_its_run_is_kept_unless_it_passed(tmp_path):
    shelf = Shelf(tmp_path)
    folder = shelf.prepare("a")
    folder.mkdir()
    assert shelf.result("a") is None
    shelf.keep("a", RESULT)
    assert shelf.result("a") == RESULT
    assert not RESULT.passed
    assert folder.exists()


def test_what_a_killed_run_left_is_gone_before_the_next_begins(tmp_path):
    shelf = Shelf(tmp_path)
    home = shelf.prepare("a") / "home"
    home.mkdir(parents=True)
    left = subprocess.Popen(
        [sys.executable, "-c", "input()"],
        env={**os.environ, "FACILITAIR_HOME": str(home)},
        stdin=subprocess.PIPE,
    )
    other = subprocess.Popen(
        [sys.executable, "-c", "input()"],
        env={**os.environ, "FACILITAIR_HOME": f"{home}-other"},
        stdin=subprocess.PIPE,
    )
    shelf.prepare("a")
    assert left.wait(60) == -9
    assert not home.exists()
    assert other.poll() is None
    other.communicate(b"\n", timeout=60)
    left.stdin.close()


def test_an_interrupted_row_of_seeds_goes_on_where_it_was(tmp_path, monkeypatch, capsys):
    ran = []

    async def run(order, *, tell):
        if order.seed == 3 and len(ran) == 2:
            raise KeyboardInterrupt
        ran.append(order.seed)
        return replace(RESULT, seed=order.seed)

    monkeypatch.setattr(program, "run", run)
    arguments = ["--seeds", "1-4", "--system", "solo", "--results", str(tmp_path)]
    assert program.main(arguments) == 1
    assert "goes on from here" in capsys.readouterr().err
    ran.append(0)
    assert program.main(arguments) == 1
    assert ran == [1, 2, 0, 3, 4]
    told = capsys.readouterr()
    assert "seed 2: void, from before" in told.err
    assert told.out.count("\n") == 7
    assert (tmp_path / "report.md").read_text() == told.out


def test_a_run_that_breaks_fails_and_the_other_seeds_still_run(tmp_path, monkeypatch, capsys):
    async def run(order, *, tell):
        if order.seed == 1:
            raise TimeoutError
        return replace(RESULT, seed=order.seed)

    monkeypatch.setattr(program, "run", run)
    arguments = ["--seeds", "1-2", "--system", "solo", "--results", str(tmp_path)]
    assert program.main(arguments) == 1
    assert "TimeoutError" in capsys.readouterr().err
    assert Shelf(tmp_path).result("solo-L0-1") is None
    assert Shelf(tmp_path).result("solo-L0-2") is not None


def test_again_runs_what_has_a_result_and_json_prints_it(tmp_path, monkeypatch, capsys):
    ran = []

    async def run(order, *, tell):
        ran.append(order.seed)
        return replace(RESULT, seed=order.seed)

    monkeypatch.setattr(program, "run", run)
    arguments = ["--seeds", "5", "--system", "solo", "--results", str(tmp_path), "--json"]
    program.main(arguments)
    program.main([*arguments, "--again"])
    assert ran == [5, 5]
    assert capsys.readouterr().out.startswith('[{"seed":5,')


def test_a_plan_is_shown_and_nothing_runs(tmp_path, capsys):
    assert program.main(["--seeds", "1,3-4", "--plan", "--results", str(tmp_path / "none")]) == 0
    told = capsys.readouterr().out
    assert [line for line in told.splitlines() if line.startswith("seed")] == [
        f"seed {seed} on kafka:" for seed in (1, 3, 4)
    ]
    assert not (tmp_path / "none").exists()
