"""``facilitair run`` without ``up``: one command from the task to the result."""

import ast
import json
import os
import re
import signal

import pytest

from clients.cli.tests.integration.conftest import (
    HELD,
    HELD_AT_FIRST,
    rest_of,
    transcript_of,
    until,
    until_held,
)

pytestmark = pytest.mark.integration

TASK = "Write a function that checks whether a number is even, with tests"


async def test_a_task_becomes_a_result_and_no_process_is_left(machine):
    done = machine.run("run", "--workflow", "code", "--", TASK)
    assert done.returncode == 0, done.stderr
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", done.stdout)
    headings = re.findall(
        r"^--- (\w+) \((?:[\w.]+, )?attempt 1, simulated\) ---$", done.stdout, re.MULTILINE
    )
    assert headings[:2] == ["architect", "coder"]
    assert set(headings) == {"architect", "coder", "reviewer", "documenter"}
    end = done.stdout.partition("=== end ===\n")[2]
    assert re.match(
        r"completed in \d+\.\d s: \d calls, [\d,]+ tokens in, [\d,]+ out, \$0\.\d+ \(sim", end
    )
    assert re.search(r"^id: [0-9a-f-]{36}$", end, re.MULTILINE)
    assert machine.pids() == {}


async def test_every_token_of_the_final_attempt_comes_once_in_order_and_equals_the_result(machine):
    done = machine.run("run", "--json", TASK)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert (lines[0]["kind"], lines[-1]["kind"]) == ("submitted", "summary")
    seqs = [line["data"]["seq"] for line in lines[1:-1] if "seq" in line["data"]]
    assert seqs == list(range(1, len(seqs) + 1))
    transcript = transcript_of(lines)
    assert transcript.status == "completed"
    written = [step for step in transcript.steps.values() if step.output is not None]
    assert len(written) >= 5
    for step in written:
        assert "".join(step.written) == step.output.inline
    assert lines[-1]["data"]["result"] == transcript.result
    assert lines[-1]["data"]["simulated"] is True


async def test_the_files_that_were_named_are_written_and_parse(machine, tmp_path):
    out = tmp_path / "result"
    done = machine.run("run", "--out", str(out), TASK)
    assert done.returncode == 0, done.stderr
    names = {path.name for path in out.iterdir()}
    assert {"architect.md", "coder.md", "reviewer.md", "documenter.md"} <= names
    programs = [path for path in out.iterdir() if path.suffix == ".py"]
    assert any(path.name.startswith("test_") for path in programs)
    for path in programs:
        ast.parse(path.read_text())
    again = machine.run("run", "--out", str(out), TASK)
    assert again.returncode == 2
    assert "--force" in again.stderr


async def test_two_at_the_same_time_share_one_solo(machine):
    first = machine.start("run", "--json", TASK)
    second = machine.start("run", "--json", "--workflow", "answer", "What is a log?")
    for process in (first, second):
        out, err = rest_of(process)
        assert process.returncode == 0, err
        assert json.loads(out.splitlines()[-1])["data"]["status"] == "completed"
    await machine.nothing_left()


async def test_an_unknown_workflow_is_refused_and_leaves_nothing(machine):
    done = machine.run("run", "--workflow", "nonsense", "do")
    assert done.returncode == 3
    assert "nonsense" in done.stderr
    assert done.stdout == ""
    assert machine.pids() == {}


async def test_faulty_settings_are_one_message_and_leave_nothing(machine):
    faulty = {"FACILITAIR_GATEWAY_HOTS": "x", "FACILITAIR_SIMULATOR_TTFT_MS": "soon"}
    done = machine.run("run", "do", env=faulty)
    assert done.returncode == 1
    assert "FACILITAIR_GATEWAY_HOTS" in done.stderr
    assert "did you mean FACILITAIR_GATEWAY_HOST" in done.stderr
    assert "FACILITAIR_SIMULATOR_TTFT_MS" in done.stderr
    assert "Traceback" not in done.stderr
    assert machine.pids() == {}


async def test_newer_state_is_refused(machine):
    machine.home.mkdir()
    (machine.home / "state-version").write_text("999\n")
    done = machine.run("run", "do")
    assert done.returncode == 1
    assert "newer Facilitair" in done.stderr


async def test_an_interrupt_without_a_terminal_leaves_and_watch_goes_on(machine):
    machine.pace(ttft_ms=0, tokens_per_s=2)
    process = machine.start("run", "--json", "--workflow", "answer", "What is a log?")
    lines = until(process, "token")
    process.send_signal(signal.SIGINT)
    _, err = rest_of(process)
    assert process.returncode == 130
    ident = lines[0]["data"]["id"]
    assert f"facilitair watch {ident}" in err
    await machine.nothing_left()
    machine.pace(ttft_ms=0, tokens_per_s=0)
    done = machine.run("watch", ident, "--json")
    assert done.returncode == 0, done.stderr
    transcript = transcript_of([json.loads(line) for line in done.stdout.splitlines()])
    step = transcript.steps["assistant"]
    assert "".join(step.written) == step.output.inline


async def test_a_killed_command_takes_its_solo_and_simulator_along(machine):
    process = machine.start("run", "--json", f"{TASK} {HELD}")
    until(process, "token")
    assert len(machine.pids()) == 3
    process.kill()
    rest_of(process)
    await machine.nothing_left()


async def test_a_killed_solo_is_replaced_and_the_viewer_sees_everything_once(machine):
    process = machine.start("run", "--json", f"{TASK} {HELD_AT_FIRST}")
    lines = await until_held(machine, process)
    os.kill(machine.announced("solo")["pid"], signal.SIGKILL)
    out, err = rest_of(process)
    assert process.returncode == 0, err
    assert "looking for another" in err
    lines += [json.loads(line) for line in out.splitlines()]
    assert [line["kind"] for line in lines].count("submitted") == 1
    seqs = [line["data"]["seq"] for line in lines if "seq" in line["data"]]
    assert seqs == list(range(1, len(seqs) + 1))
    for step in transcript_of(lines).steps.values():
        if step.output is not None:
            assert "".join(step.written) == step.output.inline
    await machine.nothing_left()
