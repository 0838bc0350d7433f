import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.integration


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_what_is_named_is_measured_in_rounds():
    done = run("append", "lines", "--rounds", "2", "--json")
    told = json.loads(done.stdout)
    found = {row["what"]: row for row in told["rows"]}
    assert len(found["append to reader, p50"]["values"]) == 2
    assert len(found["lines of `libs/events`"]["values"]) == 1
    assert "python" in told["machine"]
    assert done.returncode == (0 if all(row["met"] is not False for row in told["rows"]) else 1)


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [(["nothing"], "no benchmark named"), (["append", "--save"], "whole table"),
     (["--rounds", "0"], "at least 1")],
)  # fmt: skip
def test_a_wrong_command_is_refused_before_anything_is_measured(arguments, fault):
    done = run(*arguments)
    assert done.returncode == 2
    assert fault in done.stderr
