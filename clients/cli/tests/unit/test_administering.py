"""``tenants`` and ``keys`` against a gateway that answers as it is told."""

import json

import pytest

from facilitair_cli.app import run_command
from facilitair_cli.errors import OptionError
from facilitair_cli.exits import ExitCode
from facilitair_cli.keys import duration_s
from facilitair_testing.answering import answering

SECRET = "fac_local_00ff_secret"
KEY = {
    "id": "00ff", "tenant": "acme", "status": "active", "label": "for CI\x1b[2J",
    "scopes": ["write"], "created_at": "2026-01-01T00:00:00Z",
    "expires_at": "2026-02-01T00:00:00Z",
}  # fmt: skip
TENANT = {"tenant": "acme", "name": "Acme Ltd", "status": "active"}


@pytest.fixture
def ask(monkeypatch, tmp_path, capsys):
    """Run a command against a gateway with these answers; what was asked, the code, the output."""

    def run(arguments, *answers):
        with answering(*answers) as server:
            monkeypatch.setenv("FACILITAIR_URL", server.url)
            monkeypatch.setenv("FACILITAIR_HOME", str(tmp_path / "home"))
            monkeypatch.setenv("FACILITAIR_API_KEY", " my-key ")
            code = run_command(arguments)
        return server.asked, code, capsys.readouterr()

    return run


def test_a_new_key_is_alone_on_stdout_and_the_warning_beside_it(ask):
    asked, code, told = ask(["keys", "create", "--tenant", "acme"], (201, KEY | {"key": SECRET}))
    assert code == ExitCode.DONE
    assert told.out == f"{SECRET}\n"
    assert "this once" in told.err
    assert "FACILITAIR_API_KEY" in told.err
    assert SECRET not in told.err
    body = {"tenant": "acme", "label": "", "scopes": ["write"]}
    assert asked == [("POST", "/v1/admin/keys", body, "Bearer my-key")]


def test_every_option_of_a_key_is_sent(ask):
    options = ["--scope", "read", "--scope", "admin", "--label", "ci", "--project", "p"]
    answer = (201, KEY | {"key": SECRET})
    asked, _, told = ask(["keys", "create", *options, "--expires", "30d", "--json"], answer)
    assert asked[0][2] == {
        "tenant": "local", "label": "ci", "scopes": ["read", "admin"], "project": "p",
        "expires_in_s": 30 * 86_400,
    }  # fmt: skip
    assert json.loads(told.out)["key"] == SECRET


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("12h", 43_200), ("30d", 2_592_000)]
)
def test_durations(text, seconds):
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "d", "0d", "-1d", "1w", "1.5h", "1d ", "9999999s"])
def test_what_is_no_duration_is_usage_and_asks_nobody(ask, text):
    with pytest.raises(OptionError):
        duration_s(text)
    asked, code, _ = ask(["keys", "create", "--expires", text])
    assert (asked, code) == ([], ExitCode.USAGE)


def test_keys_are_listed_and_cannot_steer_the_terminal(ask):
    asked, _, told = ask(["keys", "ls", "--tenant", "acme"], (200, {"data": [KEY]}))
    assert asked[0][1] == "/v1/admin/keys?tenant=acme"
    assert told.out.startswith("00ff acme")
    assert "active" in told.out
    assert "until 2026-02-01 00:00" in told.out
    assert "\x1b" not in told.out
    _, _, told = ask(["keys", "ls", "--json"], (200, {"data": [KEY]}))
    assert [row["id"] for row in json.loads(told.out)] == ["00ff"]


def test_a_key_is_revoked_by_its_id(ask):
    revoked = KEY | {"status": "revoked"}
    asked, code, told = ask(["keys", "revoke", "00ff"], (200, revoked))
    assert asked[0][:2] == ("DELETE", "/v1/admin/keys/00ff")
    assert code == ExitCode.DONE
    assert "revoked" in told.out
    _, _, told = ask(["keys", "revoke", "00ff", "--json"], (200, revoked))
    assert json.loads(told.out)["status"] == "revoked"


def test_tenants_are_created_listed_and_closed(ask):
    asked, _, told = ask(["tenants", "create", "acme", "--name", "Acme Ltd"], (201, TENANT))
    assert asked[0][:3] == ("POST", "/v1/admin/tenants", {"tenant": "acme", "name": "Acme Ltd"})
    assert told.out.split() == ["acme", "active", "Acme", "Ltd"]
    _, _, told = ask(["tenants", "ls", "--json"], (200, {"data": [TENANT]}))
    assert json.loads(told.out)[0]["name"] == "Acme Ltd"
    asked, _, told = ask(["tenants", "revoke", "acme"], (200, TENANT | {"status": "closed"}))
    assert asked[0][:2] == ("DELETE", "/v1/admin/tenants/acme")
    assert "closed" in told.out
    assert "kept" in told.err


@pytest.mark.parametrize(
    ("status", "code"), [(401, ExitCode.REFUSED), (403, ExitCode.REFUSED), (404, ExitCode.FAILED)]
)
def test_a_gateway_that_does_not_want_it_is_told(ask, status, code):
    problem = {"status": status, "code": "no", "detail": "that is not for you"}
    _, found, told = ask(["keys", "revoke", "00ff"], (status, problem))
    assert found == code
    assert "that is not for you" in told.err
    assert ("FACILITAIR_API_KEY" in told.err) == (status == 401)


def test_a_creation_whose_answer_says_not_now_is_not_repeated(ask):
    problem = {"status": 503, "code": "not_confirmed", "detail": "perhaps"}
    asked, code, _ = ask(["keys", "create"], (503, problem), (201, KEY | {"key": SECRET}))
    assert (len(asked), code) == (1, ExitCode.FAILED)


def test_the_version_of_the_reducer_is_shown_and_activated(ask):
    asked, code, told = ask(["logic", "show"], (200, {"active": 1, "known": 2}))
    assert (asked[0][:2], code) == (("GET", "/v1/admin/logic"), ExitCode.DONE)
    advice = "facilitair logic activate 2"
    assert told.out == f"logic 1 is active; the gateway knows up to 2: {advice}\n"
    asked, _, told = ask(["logic", "activate", "2"], (200, {"active": 2, "known": 2}))
    assert asked[0][:3] == ("PUT", "/v1/admin/logic", {"version": 2})
    assert told.out == "logic 2 is active\n"
    _, _, told = ask(["logic", "show", "--json"], (200, {"active": 2, "known": 2}))
    assert json.loads(told.out) == {"active": 2, "known": 2}


def test_a_version_that_cannot_be_activated_is_told(ask):
    problem = {"status": 409, "code": "logic_lowered", "detail": "logic 2 is never lowered"}
    _, code, told = ask(["logic", "activate", "1"], (409, problem))
    assert code != ExitCode.DONE
    assert "never lowered" in told.err
    asked, code, _ = ask(["logic", "activate", "0"])
    assert (asked, code) == ([], ExitCode.USAGE)


def test_the_help_says_when_a_version_may_be_activated(ask):
    _, code, told = ask(["logic", "activate", "--help"])
    assert code == ExitCode.DONE
    assert "Only when every orchestrator runs it" in " ".join(told.out.split())
