"""``dlq`` against a gateway that answers as it is told."""

import json
import sys

import pytest

from facilitair_cli.app import run_command
from facilitair_cli.exits import ExitCode
from facilitair_cli.letters import value_bytes
from facilitair_testing.answering import answering

PLACE = "agent-tasks-dlq:0:7"
ROW = {
    "id": PLACE, "state": "open", "topic": "agent-tasks", "partition": 3, "offset": 5,
    "dead_at": "2026-01-01T00:00:00.000Z", "key": "local:c1:a", "tenant": "local",
    "group": "agent-worker", "error": "UnreadableRecordError",
    "reason": "cannot be read [red]\x1b[2J", "size": 9, "replay": 0,
}  # fmt: skip
HEADERS = [{"name": "tenant", "value": "local"}, {"name": "dlq_id", "value": "i"}]
SHOWN = ROW | {
    "headers": HEADERS, "value": {"size": 9, "json": {"attempt": "x\x1b[2J"}}, "actions": [],
    "lineage": [{"id": PLACE, "state": "open"}], "editor": None, "appended_at": None,
}  # fmt: skip
PLANNED = {
    "id": PLACE, "dry_run": True, "state": "open", "replay": 1, "warnings": ["it has ended"],
    "result": {"topic": "agent-tasks", "partition": 3, "offset": None}, "note": "all read it",
}  # fmt: skip
DONE = PLANNED | {
    "dry_run": False, "state": "replayed",
    "result": {"topic": "agent-tasks", "partition": 3, "offset": 8},
}  # fmt: skip
MENDED = {"headers": HEADERS, "value": {"size": 9, "json": {"attempt": 1}}}
CLOSED = (409, {"status": 409, "code": "letter_closed", "detail": "it was discarded by me"})


@pytest.fixture
def ask(monkeypatch, tmp_path, capsys):
    """Run a command against a gateway with these answers; what was asked, the code, the output."""

    def run(arguments, *answers):
        with answering(*answers) as server:
            monkeypatch.setenv("FACILITAIR_URL", server.url)
            monkeypatch.setenv("FACILITAIR_HOME", str(tmp_path / "home"))
            code = run_command(["dlq", *arguments])
        asked = [(a.method, a.path.rpartition("/v1/admin/dlq")[2], a.body) for a in server.asked]
        return asked, code, capsys.readouterr()

    return run


def page(*rows):
    return 200, {"data": rows, "has_more": False, "next_cursor": None}


def test_the_list_asks_with_every_option_and_steers_no_terminal(ask):
    options = {"topic": "agent-tasks", "group": "g", "reason": "r", "tenant": "t"}
    given = [word for name, value in options.items() for word in (f"--{name}", value)]
    since = "2026-01-01T00:00:00+01:00"
    asked, code, told = ask(["ls", *given, "--since", since, "--limit", "5"], page(ROW))
    assert code == ExitCode.DONE
    (_, path, _) = asked[0]
    assert "topic=agent-tasks&group=g&reason=r&tenant=t&state=open" in path
    assert "since=2026-01-01T00%3A00%3A00%2B01%3A00&limit=6" in path
    assert PLACE in told.out
    assert "cannot be read [red][2J" in told.out
    assert "\x1b" not in told.out


def test_the_list_says_that_there_is_more_and_json_is_json(ask):
    _, code, told = ask(["ls", "--limit", "1", "--state", "all", "--json"], page(ROW, ROW))
    assert code == ExitCode.DONE
    assert [row["id"] for row in json.loads(told.out)] == [PLACE]
    assert "more than 1" in told.err
    asked, _, told = ask(["ls", "--state", "all", "--since", "2h"], page())
    assert "state" not in asked[0][1]
    assert "since=20" in asked[0][1]
    assert (told.out, told.err) == ("", "no dead letters\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["ls", "--state", "lost"], "--state"),
        (["ls", "--since", "soon"], "--since"),
        (["ls", "--since", "2026-01-01"], "zone"),
        (["replay"], "--topic"),
        (["replay", PLACE, "--topic", "x"], "not both"),
        (["replay", "--topic", "x", "--again"], "--again"),
        (["edit", PLACE, "--value", "x", "--set", "a=1"], "not both"),
        (["edit", PLACE, "--header", "tenant"], "name=text"),
        (["discard", PLACE], "--reason"),
    ],
)
def test_a_wrong_command_line_asks_nothing(ask, arguments, told):
    asked, code, output = ask(arguments)
    assert (asked, code) == ([], ExitCode.USAGE)
    assert told in output.err


def test_show_tells_all(ask):
    lineage = [{"id": "agent-tasks-dlq:0:1", "state": "replayed"}, SHOWN["lineage"][0]]
    action = {"did": "discarded", "by": "me", "at": "now", "reason": "no use"}
    _, code, told = ask(["show", PLACE], (200, SHOWN | {"lineage": lineage, "actions": [action]}))
    assert code == ExitCode.DONE
    assert "from agent-tasks[3]@5" in told.out
    assert '"attempt": "x' in told.out
    assert "* agent-tasks-dlq:0:7 open" in told.out
    assert "discarded by me: no use" in told.out
    assert "\x1b" not in told.out


@pytest.mark.parametrize(
    ("value", "raw"),
    [
        ({"json": {}, "base64": "IHt9"}, b" {}"),
        ({"base64": "/w=="}, b"\xff"),
        ({"null": True}, b""),
    ],
)
def test_the_value_alone_is_all_its_bytes(value, raw):
    assert value_bytes({"value": value}) == raw


def test_an_unknown_letter_says_what_to_do(ask):
    gone = (404, {"status": 404, "code": "letter_not_found", "detail": "none; see dlq ls"})
    _, code, told = ask(["show", "x"], gone)
    assert (code, told.out) == (ExitCode.FAILED, "")
    assert "see dlq ls" in told.err


def test_one_letter_is_put_back_once(ask):
    asked, code, told = ask(["replay", PLACE, "--again"], (200, DONE))
    assert code == ExitCode.DONE
    assert asked[0][1:] == (f"/{PLACE.replace(':', '%3A')}/replay",
                            {"again": True, "dry_run": False})  # fmt: skip
    assert "put back as agent-tasks[3]@8, time 1" in told.out
    assert "warning: it has ended" in told.err
    _, code, told = ask(["replay", PLACE], CLOSED)
    assert (code, told.out) == (ExitCode.REFUSED, "")
    assert "discarded by me" in told.err


def test_many_are_listed_first_and_put_back_with_yes(ask):
    asked, code, told = ask(
        ["replay", "--topic", "agent-tasks"], page(ROW, ROW), *[(200, PLANNED)] * 2
    )
    assert code == ExitCode.DONE
    assert [body["dry_run"] for _, _, body in asked[1:]] == [True, True]
    assert "[2/2] agent-tasks-dlq:0:7: would be put back" in told.out
    assert "add --yes to put 2 back" in told.err

    arguments = ["replay", "--topic", "agent-tasks", "--yes"]
    asked, code, told = ask(arguments, page(ROW, ROW), (200, DONE), CLOSED)
    assert code == ExitCode.FAILED
    assert [body["dry_run"] for _, _, body in asked[1:]] == [False, False]
    assert "1 of 2 put back" in told.err
    assert "discarded by me" in told.err

    _, code, told = ask([*arguments, "--json"], page(ROW), (200, DONE))
    assert (code, json.loads(told.out)) == (ExitCode.DONE, [DONE])
    _, code, told = ask([*arguments, "--dry-run"], page(ROW), (200, PLANNED))
    assert "nothing was done" in told.err


def test_an_edit_shows_the_difference_and_waits_for_yes(ask):
    planned = (200, PLANNED | MENDED)
    asked, code, told = ask(["edit", PLACE, "--set", "attempt=1"], (200, SHOWN), planned)
    assert code == ExitCode.DONE
    assert asked[1][2] == {"value": {"attempt": 1}, "headers": {}, "again": False, "dry_run": True}
    assert '-  "attempt": "x' in told.out
    assert '+  "attempt": 1' in told.out
    assert "add --yes" in told.err

    arguments = ["edit", PLACE, "--set", "attempt=1", "--header", "tenant=acme", "--header", "x=",
                 "--yes"]  # fmt: skip
    asked, code, told = ask(arguments, (200, SHOWN), planned, (200, DONE | MENDED))
    assert [body["dry_run"] for _, _, body in asked[1:]] == [True, False]
    assert asked[2][2]["headers"] == {"tenant": "acme", "x": None}
    assert "put back as agent-tasks[3]@8" in told.out


def test_a_value_may_come_from_a_file(ask, tmp_path):
    file = tmp_path / "value.json"
    file.write_text('{"attempt": 1}')
    asked, code, _ = ask(
        ["edit", PLACE, "--value", str(file), "--dry-run"], (200, SHOWN), (200, PLANNED | MENDED)
    )
    assert code == ExitCode.DONE
    assert asked[1][2]["value"] == {"attempt": 1}
    for content in (b"{", b"\xff", b"[NaN]", b'"\\ud800"', b"[" * 100_000):
        file.write_bytes(content)
        asked, code, told = ask(["edit", PLACE, "--value", str(file)], (200, SHOWN))
        assert (len(asked), code) == (1, ExitCode.USAGE)
        assert "--value" in told.err
    _, code, told = ask(["edit", PLACE, "--value", "/nowhere"], (200, SHOWN))
    assert code == ExitCode.USAGE


def test_all_faults_of_an_edit_are_told(ask):
    errors = [{"message": "value.attempt: not a number"}, {"message": "value: 'agent' is missing"}]
    refused = (422, {"status": 422, "code": "request_invalid", "detail": "d", "errors": errors})
    _, code, told = ask(["edit", PLACE, "--set", "attempt=1", "--yes"], (200, SHOWN), refused)
    assert code == ExitCode.REFUSED
    assert all(error["message"] in told.err for error in errors)


@pytest.fixture
def editor(monkeypatch, tmp_path):
    """A terminal, and an editor that writes ``text``."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("VISUAL", raising=False)

    def use(text):
        for stream in (sys.stdin, sys.stdout):
            monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
        program = f"import sys; open(sys.argv[1], 'w').write({text!r})"
        monkeypatch.setenv("EDITOR", f'{sys.executable} -c "{program}"')

    return use


def test_without_a_value_the_editor_is_opened(ask, editor, tmp_path):
    editor("[1]")
    asked, code, _ = ask(
        ["edit", PLACE, "--yes"], (200, SHOWN), (200, PLANNED | MENDED), (200, DONE)
    )
    assert (code, asked[1][2]["value"]) == (ExitCode.DONE, [1])
    assert list(tmp_path.glob("letter-*")) == []


def test_a_text_from_the_editor_that_is_refused_is_kept(ask, editor, tmp_path):
    editor("{")
    _, code, told = ask(["edit", PLACE, "--yes"], (200, SHOWN))
    (kept,) = tmp_path.glob("letter-*")
    assert code == ExitCode.USAGE
    assert f"go on with --value {kept}" in told.err
    assert kept.read_text() == "{"


@pytest.mark.parametrize("program", ["/nowhere", "false", '"'])
def test_an_editor_that_fails_changes_nothing(ask, editor, monkeypatch, tmp_path, program):
    editor("")
    monkeypatch.setenv("EDITOR", program)
    asked, code, told = ask(["edit", PLACE], (200, SHOWN))
    assert (len(asked), code) == (1, ExitCode.FAILED)
    assert "set EDITOR" in told.err
    assert list(tmp_path.glob("letter-*")) == []


def test_without_a_terminal_there_is_no_editor(ask):
    _, code, told = ask(["edit", PLACE], (200, SHOWN))
    assert code == ExitCode.USAGE
    assert "no terminal" in told.err


def test_a_letter_is_discarded_with_its_reason(ask):
    asked, code, told = ask(["discard", PLACE, "--reason", "no use"], (200, {"id": PLACE}))
    assert (code, told.out) == (ExitCode.DONE, f"{PLACE}: discarded\n")
    assert asked[0][2] == {"reason": "no use"}
