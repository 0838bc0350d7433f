"""``providers`` against a gateway that answers as it is told; where a key comes from, and goes."""

import io
import json
import sys

import pytest

from facilitair_cli import provider_keys
from facilitair_cli.app import run_command
from facilitair_cli.exits import ExitCode
from facilitair_testing.answering import answering

SECRET = "sk-CANARY0123456789"
KEY = {
    "provider": "openai", "last_four": "6789", "set_at": "2026-01-01T00:00:00Z",
    "set_by": "key-1\x1b[2J", "opens": True,
}  # fmt: skip


@pytest.fixture
def ask(monkeypatch, tmp_path, capsys):
    """Run a command with this on stdin; what was asked, the code, the output."""

    def run(arguments, *answers, stdin=""):
        with answering(*answers) as server:
            monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
            monkeypatch.setenv("FACILITAIR_URL", server.url)
            monkeypatch.setenv("FACILITAIR_HOME", str(tmp_path / "home"))
            code = run_command(arguments)
        asked = [(a.method, a.path, a.body) for a in server.asked]
        return asked, code, capsys.readouterr()

    return run


def sent(asked):
    return asked == [("PUT", "/v1/providers/openai/key", {"key": SECRET})]


def test_a_key_comes_from_stdin_and_is_shown_nowhere(ask):
    asked, code, told = ask(["providers", "set-key", "openai"], (200, KEY), stdin=f"{SECRET}\n")
    assert sent(asked)
    assert code == ExitCode.DONE
    assert "your key …6789, set 2026-01-01 00:00 UTC by key-1" in told.out
    assert SECRET not in told.out + told.err
    assert "\x1b" not in told.out


def test_a_key_comes_from_a_file(ask, tmp_path):
    (tmp_path / "key").write_text(f" {SECRET}\r\n")
    arguments = ["providers", "set-key", "openai", "--file", str(tmp_path / "key"), "--json"]
    asked, code, told = ask(arguments, (200, KEY), stdin="something else")
    assert (sent(asked), code) == (True, ExitCode.DONE)
    assert json.loads(told.out)["last_four"] == "6789"


def test_at_a_terminal_a_key_is_asked_for_without_an_echo(ask, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(provider_keys, "getpass", lambda _prompt: SECRET)
    monkeypatch.setattr(io, "StringIO", Terminal)
    asked, code, _ = ask(["providers", "set-key", "openai"], (200, KEY))
    assert (sent(asked), code) == (True, ExitCode.DONE)


def test_a_key_cannot_be_an_argument(ask):
    asked, code, _ = ask(["providers", "set-key", "openai", SECRET])
    assert (asked, code) == ([], ExitCode.USAGE)


@pytest.mark.parametrize("content", ["", "\n", "x" * 9000, b"\xff\xfe"])
def test_what_holds_no_key_is_usage_and_asks_nobody(ask, tmp_path, content):
    file = tmp_path / "key"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    asked, code, told = ask(["providers", "set-key", "openai", "--file", str(file)])
    assert (asked, code) == ([], ExitCode.USAGE)
    assert "--file" in told.err
    if isinstance(content, str):
        asked, code, told = ask(["providers", "set-key", "openai"], stdin=content)
        assert (asked, code, "stdin" in told.err) == ([], ExitCode.USAGE, True)
    asked, code, told = ask(["providers", "set-key", "openai", "--file", str(tmp_path / "none")])
    assert (asked, code, "FileNotFoundError" in told.err) == ([], ExitCode.USAGE, True)


def test_providers_are_listed(ask):
    rows = [
        {"provider": "ollama", "key": None},
        {"provider": "openai", "key": KEY | {"opens": False, "last_four": ""}},
    ]
    _, code, told = ask(["providers", "ls"], (200, {"data": rows}))
    assert code == ExitCode.DONE
    first, second = told.out.splitlines()
    assert first.split() == ["ollama", "no", "key", "of", "your", "own"]
    assert "your key, set" in second
    assert second.endswith("the master key that opens it is not set: set it again")
    _, _, told = ask(["providers", "ls", "--json"], (200, {"data": rows}))
    assert [row["provider"] for row in json.loads(told.out)] == ["ollama", "openai"]


def test_a_key_is_removed(ask):
    asked, code, told = ask(["providers", "remove-key", "openai"], (200, {"provider": "openai"}))
    assert asked == [("DELETE", "/v1/providers/openai/key", None)]
    assert (code, told.out.split()[0]) == (ExitCode.DONE, "openai")


@pytest.mark.parametrize("status", [403, 409, 422])
def test_a_refusal_is_told_without_the_key(ask, status):
    problem = {"status": status, "code": "no", "detail": "set FACILITAIR_MASTER_KEY first"}
    _, code, told = ask(["providers", "set-key", "openai"], (status, problem), stdin=SECRET)
    assert code != ExitCode.DONE
    assert "set FACILITAIR_MASTER_KEY first" in told.err
    assert SECRET not in told.out + told.err
