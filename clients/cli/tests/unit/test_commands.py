import json
import subprocess
import sys

import pytest

from clients.cli.tests.scripted_server import ID, Script, run_of, serving
from facilitair_cli.app import run_command
from facilitair_cli.exits import ExitCode


@pytest.fixture
def script(monkeypatch, tmp_path):
    found = Script()
    with serving(found) as url:
        monkeypatch.setenv("FACILITAIR_URL", url)
        monkeypatch.setenv("FACILITAIR_HOME", str(tmp_path / "home"))
        yield found


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("completed", ExitCode.DONE),
        ("failed", ExitCode.FAILED),
        ("expired", ExitCode.FAILED),
        ("cancelled", ExitCode.FAILED),
        ("refused", ExitCode.REFUSED),
    ],
)
def test_the_exit_code_is_how_it_ended(script, end, code):
    fault = {"code": "timeout", "message": "no answer"}
    script.parts = run_of(end=end, fault=fault, faults=[fault])
    assert run_command(["run", "--json", "do it"]) == code
    assert run_command(["watch", "--json", ID]) == code


def test_a_refused_request_says_everything_that_is_wrong(script, capsys):
    errors = [{"message": "one is wrong"}, {"message": "two is wrong"}]
    script.problem = {"status": 422, "code": "invalid", "detail": "one; two", "errors": errors}
    assert run_command(["run", "do it"]) == ExitCode.REFUSED
    told = capsys.readouterr()
    assert told.out == ""
    assert "one is wrong" in told.err
    assert "two is wrong" in told.err


def test_a_conflict_is_a_refusal(script, capsys):
    script.problem = {"status": 409, "code": "ended", "detail": "it has ended"}
    assert run_command(["cancel", ID]) == ExitCode.REFUSED
    assert "it has ended" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["show", ID], ["watch", ID], ["show", ID, "--step", "x"]])
def test_an_unknown_id_fails(script, capsys, command):
    script.known = False
    assert run_command(command) == ExitCode.FAILED
    assert capsys.readouterr().err == "facilitair: there is none\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", " "],
        ["run", "a", "b"],
        ["run", "--input", "novalue", "do"],
        ["run", "--input", "=x", "do"],
        ["run", "--input", "a=1", "--input", "a=2", "do"],
        ["run", "--model", "coder", "do"],
        ["run", "--nonsense", "do"],
        ["run", "bad \udcff text"],
        ["nonsense"],
        ["watch"],
    ],
)
def test_a_wrong_command_line_is_usage_and_asks_nobody(script, arguments):
    assert run_command(arguments) == ExitCode.USAGE
    assert script.requests == []


def test_a_full_folder_is_usage_and_asks_nobody(script, tmp_path):
    (tmp_path / "mine").write_text("x")
    assert run_command(["run", "--out", str(tmp_path), "do"]) == ExitCode.USAGE
    assert script.requests == []


@pytest.mark.parametrize("task", ["--help", "-x", "--", "it's $HOME `x`\nsecond line"])
def test_a_task_may_be_anything_after_two_dashes(script, capsys, task):
    assert run_command(["run", "--workflow", "answer", "--json", "--", task]) == ExitCode.DONE
    assert script.bodies[0] == {"task": task, "workflow": "answer"}


def test_inputs_and_models_are_sent(script, capsys):
    arguments = ["--input", "a=1=2", "--input", "b=", "--model", "coder=openai/gpt-4.1"]
    assert run_command(["run", *arguments, "do"]) == ExitCode.DONE
    assert script.bodies[0]["inputs"] == {"a": "1=2", "b": ""}
    assert script.bodies[0]["models"] == {"coder": "openai/gpt-4.1"}


def test_a_task_comes_from_stdin(script, capsys, monkeypatch):
    import io  # noqa: PLC0415 - for this one

    monkeypatch.setattr(sys, "stdin", io.StringIO("from a pipe\n"))
    assert run_command(["run", "-"]) == ExitCode.DONE
    assert script.bodies[0]["task"] == "from a pipe\n"


def test_json_lines_are_all_that_is_on_stdout(script, capsys):
    assert run_command(["run", "--json", "do"]) == ExitCode.DONE
    kinds = [line["kind"] for line in lines(capsys)]
    assert kinds[0] == "submitted"
    assert kinds[-2:] == ["collaboration.completed", "summary"]


def test_detach_does_not_wait_and_says_the_id(script, capsys):
    assert run_command(["run", "--detach", "do"]) == ExitCode.DONE
    told = capsys.readouterr()
    assert told.out == f"{ID}\n"
    assert f"facilitair watch {ID}" in told.err
    assert run_command(["run", "--detach", "--json", "do"]) == ExitCode.DONE
    (document,) = lines(capsys)
    assert document["id"] == ID
    assert not any(request.endswith("/stream") for request in script.requests)


def test_files_are_written_and_named(script, capsys, tmp_path):
    script.parts = run_of("Code:\n```python src/a.py\nx = 1\n```\n```python ../b.py\ny\n```\n")
    out = tmp_path / "out"
    assert run_command(["run", "--out", str(out), "do"]) == ExitCode.FAILED
    told = capsys.readouterr()
    assert (out / "src" / "a.py").read_text() == "x = 1\n"
    assert (out / "assistant.md").read_text().startswith("Code:")
    assert not (tmp_path / "b.py").exists()
    assert "not written: ../b.py of assistant" in told.err
    assert "src/a.py" in told.out


def test_a_step_is_shown_as_it_is(script, capsys):
    script.parts = run_of("the text")
    assert run_command(["show", ID, "--step", "assistant"]) == ExitCode.DONE
    assert capsys.readouterr().out == "the text\n"
    assert run_command(["show", ID, "--step", "assistant", "--json"]) == ExitCode.DONE
    assert lines(capsys)[0]["text"] == "the text"


def test_a_part_is_marked_wherever_it_is_shown(script, capsys):
    script.parts, script.partial = run_of("half of", partial="length"), "length"
    assert run_command(["show", ID]) == ExitCode.DONE
    assert "partial (length)" in capsys.readouterr().out
    assert run_command(["show", ID, "--step", "assistant"]) == ExitCode.DONE
    told = capsys.readouterr()
    assert told.out == "half of\n"
    assert "not whole (length)" in told.err
    assert run_command(["show", ID, "--step", "assistant", "--json"]) == ExitCode.DONE
    assert lines(capsys)[0]["partial"] == "length"


def test_a_step_that_is_not_there_names_those_that_are(script, capsys):
    assert run_command(["show", ID, "--step", "nobody"]) == ExitCode.FAILED
    assert "there are: assistant" in capsys.readouterr().err


def test_show_says_what_it_does(script, capsys):
    assert run_command(["show", ID]) == ExitCode.DONE
    assert f"{ID}: completed, workflow answer" in capsys.readouterr().out
    assert run_command(["show", ID, "--json"]) == ExitCode.DONE
    assert lines(capsys)[0]["status"] == "completed"


def test_watch_begins_where_it_is_told(script, capsys):
    assert run_command(["watch", ID, "--from", "3-12-2", "--json"]) == ExitCode.DONE
    assert lines(capsys)[0]["kind"] != "submitted"


def test_cancel_says_why(script, capsys):
    assert run_command(["cancel", ID, "--reason", "enough"]) == ExitCode.DONE
    assert script.bodies[0]["reason"] == "enough"


def test_a_gateway_that_is_not_there_is_told(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("FACILITAIR_HOME", str(tmp_path))
    assert run_command(["cancel", ID]) == ExitCode.FAILED
    assert "facilitair up" in capsys.readouterr().err


def test_status_of_nothing_fails(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("FACILITAIR_HOME", str(tmp_path))
    assert run_command(["status", "--json"]) == ExitCode.FAILED
    assert lines(capsys)[0]["up"] is False
    assert run_command(["down", "--json"]) == ExitCode.DONE
    assert lines(capsys) == [{"stopped": False, "simulator_stopped": False}]


@pytest.mark.parametrize("command", [["status"], ["run", "x"], ["show", ID], ["down"]])
def test_a_misspelt_variable_is_usage_and_asks_nobody(script, monkeypatch, capsys, command):
    monkeypatch.setenv("FACILITAIR_HOEM", "/elsewhere")
    monkeypatch.setenv("FACILITAIR_GATEWAY_PORT", "8081")
    assert run_command(command) == ExitCode.USAGE
    told = capsys.readouterr().err
    assert "FACILITAIR_HOEM is not a setting, did you mean FACILITAIR_HOME?" in told
    assert "FACILITAIR_GATEWAY_PORT" not in told
    assert script.requests == []


def test_help_needs_nothing(monkeypatch, capsys):
    monkeypatch.delenv("FACILITAIR_HOME", raising=False)
    assert run_command(["--help"]) == ExitCode.DONE
    assert "run" in capsys.readouterr().out


def test_help_loads_no_service_and_no_client():
    program = (
        "import sys\nfrom facilitair_cli.app import run_command\nrun_command(['--help'])\n"
        "heavy = {'httpx', 'fastapi', 'aiohttp', 'pydantic', 'uvloop', 'facilitair_gateway'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_watch_uses_a_websocket_only_when_asked_to(script, capsys):
    assert run_command(["watch", ID, "--json"]) == ExitCode.DONE
    assert not any(request.endswith("/ws") for request in script.requests)
    # This server speaks none, so it fails; but it was asked.
    assert run_command(["watch", ID, "--json", "--ws"]) != ExitCode.DONE
    assert "expected a WebSocket" in capsys.readouterr().err
    assert script.requests[-1] == f"GET /v1/collaborations/{ID}/ws"
