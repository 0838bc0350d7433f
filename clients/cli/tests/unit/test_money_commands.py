"""The commands about money against a gateway that answers by a script."""

import csv
import io
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from clients.cli.tests.scripted_server import ID, Script, run_of, serving
from facilitair_cli.app import run_command
from facilitair_cli.exits import ExitCode

COLUMNS = ("cursor", "seq", "kind", "call_id", "charged_usd")
BUDGET = {
    "timezone": "UTC", "limits": [], "slots": {"interactive": 32, "batch": 8},
    "unpriced": "refuse",
}  # fmt: skip


def account(budget=BUDGET, **more):
    fields = {"tenant": "local", "budget": budget, "spent_usd": "1", "reserved_usd": "0"}
    return fields | more


class Books:
    """A gateway's budget and entries. ``breaks_at``: its connections break before these rows.

    ``rivals`` change the budget before it can be set, one at a time.
    """

    def __init__(self, *, rows=0):
        self.rows = [self.row(number) for number in range(1, rows + 1)]
        self.breaks_at = []
        self.rivals = []
        self.budget = BUDGET
        self.warnings = []
        self.unknown = [self.unsettled("call-1")]
        self.more_unknown = 0
        self.refused = []
        self.requests = []

    @staticmethod
    def unsettled(call):
        return {
            "call_id": call, "collaboration": ID, "agent": "coder", "charged_usd": "0.05",
            "at": "2026-11-02T12:00:00Z",
        }  # fmt: skip

    @staticmethod
    def row(number, **more):
        fields = {
            "cursor": f"0-{number}-{number}", "seq": number, "kind": "settled",
            "call_id": f"call-{number}", "charged_usd": "0.05", "at": "2026-11-02T12:00:00Z",
            "provider": "openrouter", "model": "openai/gpt", "outcome": "unknown",
        }  # fmt: skip
        return fields | more

    def account(self):
        return account(
            self.budget, warnings=self.warnings, unknown=self.unknown,
            unknown_calls=self.more_unknown + len(self.unknown),
        )  # fmt: skip

    @property
    def etag(self):
        return f'"{len(json.dumps(self.budget))}-{hash(json.dumps(self.budget))}"'


class Handler(BaseHTTPRequestHandler):
    """Serves books."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        books, url = self.server.books, urlsplit(self.path)
        books.requests.append((self.path, None))
        if url.path == "/v1/usage/entries":
            self.entries({name: values[0] for name, values in parse_qs(url.query).items()})
        else:
            self.answer(books.account(), etag=books.etag)

    def do_PUT(self):
        books, body = self.server.books, self.body()
        if books.rivals:
            books.budget = books.rivals.pop(0)
        if self.headers["if-match"] != books.etag:
            problem = {"status": 412, "code": "budget_changed", "detail": "it was changed"}
            self.answer(problem, status=412)
            return
        books.budget = body
        self.answer(books.account(), etag=books.etag)

    def do_POST(self):
        books, body = self.server.books, self.body()
        if books.refused:
            self.answer({"status": 422, "code": "x", "detail": books.refused[0]}, status=422)
            return
        self.answer(account(books.budget) | {"settled": len(body["corrections"])})

    def entries(self, query):
        books, form = self.server.books, query["format"]
        rows = books.rows
        after = int(query["cursor"].split("-")[2]) if "cursor" in query else 0
        lines = [] if "cursor" in query or form == "jsonl" else [",".join(COLUMNS) + "\r\n"]
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for row in rows[after:]:
            if books.breaks_at and row["seq"] == books.breaks_at[0]:
                del books.breaks_at[0]
                lines.append(json.dumps(row)[:9])
                self.chunk("".join(lines))
                self.close_connection = True
                return
            told = json.dumps(row) + "\n"
            if form == "csv":
                out = io.StringIO()
                csv.writer(out).writerow([row[name] for name in COLUMNS])
                told = out.getvalue()
            lines.append(told)
        self.chunk("".join(lines))
        self.wfile.write(b"0\r\n\r\n")

    def chunk(self, text):
        if text:
            self.wfile.write(f"{len(text.encode()):x}\r\n".encode() + text.encode() + b"\r\n")

    def body(self):
        found = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.books.requests.append((self.path, found))
        return found

    def answer(self, body, *, status=200, etag=None):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        if etag is not None:
            self.send_header("etag", etag)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@contextmanager
def keeping(books):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.books = books
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def books(monkeypatch, tmp_path):
    found = Books(rows=9)
    with keeping(found) as url:
        monkeypatch.setenv("FACILITAIR_URL", url)
        monkeypatch.setenv("FACILITAIR_HOME", str(tmp_path / "home"))
        yield found


@pytest.fixture
def script(monkeypatch, tmp_path):
    found = Script()
    with serving(found) as url:
        monkeypatch.setenv("FACILITAIR_URL", url)
        monkeypatch.setenv("FACILITAIR_HOME", str(tmp_path / "home"))
        yield found


def told(capsys):
    return json.loads(capsys.readouterr().out)


def test_what_is_set_is_set_and_told_before_and_after(books, capsys):
    arguments = ["--limit", "tenant/month=100", "--slots", "batch=4", "--json"]
    assert run_command(["budget", "set", *arguments]) == ExitCode.DONE
    document = told(capsys)
    assert [one["what"] for one in document["changed"]] == ["limit tenant/month", "slots batch"]
    assert document["before"]["limits"] == []
    assert books.budget["limits"][0]["usd"] == "100"
    assert books.budget["slots"] == {"interactive": 32, "batch": 4}


def test_whoever_sets_or_reads_a_budget_that_does_not_hold_is_told(books, capsys):
    books.warnings = [{"code": "logic_without_money", "message": "no limit holds; do this"}]
    assert run_command(["budget", "set", "--limit", "tenant/day=1"]) == ExitCode.DONE
    assert "warning: no limit holds; do this" in capsys.readouterr().err
    assert run_command(["budget", "set", "--limit", "tenant/day=2", "--json"]) == ExitCode.DONE
    assert told(capsys)["warnings"] == books.warnings
    assert run_command(["budget", "show"]) == ExitCode.DONE
    assert "warning: no limit holds; do this" in capsys.readouterr().out


def test_a_change_of_somebody_else_is_not_lost(books, capsys):
    books.rivals = [BUDGET | {"timezone": "Asia/Tokyo"}, BUDGET | {"unpriced": "allow"}]
    assert run_command(["budget", "set", "--limit", "tenant/day=1"]) == ExitCode.DONE
    assert books.budget["unpriced"] == "allow"
    assert books.budget["limits"][0]["window"] == "day"


def test_whoever_is_never_fast_enough_is_refused(books, capsys):
    books.rivals = [BUDGET | {"timezone": f"Etc/GMT+{number}"} for number in range(9)]
    assert run_command(["budget", "set", "--limit", "tenant/day=1"]) == ExitCode.REFUSED
    assert "it was changed" in capsys.readouterr().err


def test_a_dry_run_and_nothing_to_change_write_nothing(books, capsys):
    assert run_command(["budget", "set", "--limit", "tenant/day=1", "--dry-run"]) == ExitCode.DONE
    assert run_command(["budget", "set", "--unpriced", "refuse"]) == ExitCode.DONE
    assert {body for _, body in books.requests} == {None}
    assert "it is so already" in capsys.readouterr().out


def test_the_budget_of_another_tenant(books, capsys):
    assert run_command(["budget", "show", "--tenant", "acme", "--json"]) == ExitCode.DONE
    assert run_command(["budget", "set", "--tenant", "acme", "--slots", "batch=1"]) == ExitCode.DONE
    assert {path for path, _ in books.requests} == {"/v1/admin/tenants/acme/budget"}


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_an_export_that_breaks_off_goes_on_and_has_every_line_once(books, capsys, tmp_path, form):
    books.breaks_at = [4, 7]
    out = tmp_path / "deep" / f"entries.{form}"
    command = ["usage", "export", "--format", form, "--out", str(out), "--json"]
    assert run_command(command) == ExitCode.DONE
    assert told(capsys)["entries"] == 9
    lines = out.read_text().splitlines()
    assert [line.count(f"call-{number}") for number, line in enumerate(lines[-9:], 1)] == [1] * 9
    assert len(lines) == 9 + (form == "csv")


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_file_goes_on_behind_its_last_whole_line(books, capsys, tmp_path, form):
    out = tmp_path / "entries"
    command = ["usage", "export", "--format", form, "--out", str(out), "--json"]
    assert run_command(command) == ExitCode.DONE
    whole = out.read_bytes()
    cuts = [place for place, byte in enumerate(whole) if byte == ord("\n")]
    for cut in (0, 3, cuts[0] + 1, cuts[4] + 1, cuts[6] + 5, len(whole)):
        out.write_bytes(whole[:cut])
        if cut == 3:
            assert run_command(command) == ExitCode.USAGE  # nothing in it is a line of ours
            continue
        assert run_command(command) == ExitCode.DONE
        assert out.read_bytes() == whole
    books.rows.append(books.row(10))
    assert run_command(command) == ExitCode.DONE
    assert out.read_bytes()[: len(whole)] == whole
    assert out.read_text().count("call-10") == 1


def test_another_file_is_not_overwritten_without_force(books, capsys, tmp_path):
    out = tmp_path / "notes.txt"
    out.write_text("my notes\n")
    command = ["usage", "export", "--out", str(out)]
    assert run_command(command) == ExitCode.USAGE
    assert out.read_text() == "my notes\n"
    assert run_command([*command, "--force"]) == ExitCode.DONE
    assert out.read_text().count("\n") == 9


EXPORT = """\
generation_id,created_at,cost_total,model_permaslug
gen-1,2026-11-02T11:50:00Z,0.01,openai/gpt
"""


def test_a_bill_is_shown_first_and_settled_when_that_is_asked(books, capsys, tmp_path):
    books.rows = books.rows[:1]
    file = tmp_path / "activity.csv"
    file.write_text(EXPORT)
    command = ["budget", "reconcile", "--export", str(file), "--provider", "openrouter", "--json"]
    assert run_command(command) == ExitCode.DONE
    document = told(capsys)
    assert document["applied"] is False
    assert [(one["call_id"], one["cost_usd"]) for one in document["settled"]] == [
        ("call-1", "0.01")
    ]
    assert [body for _, body in books.requests if body] == []
    assert run_command([*command, "--apply"]) == ExitCode.DONE
    (sent,) = [body for _, body in books.requests if body]
    assert sent["corrections"] == [{"call_id": "call-1", "cost_usd": "0.01"}]
    assert sent["source"] == "export"
    assert "activity.csv" in sent["reason"]


def test_what_does_not_fit_is_told_and_not_settled(books, capsys, tmp_path):
    file = tmp_path / "activity.csv"
    file.write_text(EXPORT)
    command = ["budget", "reconcile", "--export", str(file), "--apply"]
    assert run_command(command) == ExitCode.DONE
    out = capsys.readouterr().out
    assert "0 calls settled" in out
    assert "9 left as they are" in out
    assert [body for _, body in books.requests if body] == []


def by_hand(call="call-1", cost="0"):
    return ["budget", "reconcile", "--call", call, "--cost", cost, "--reason", "not billed"]


def settled(books):
    return [(path, body) for path, body in books.requests if body is not None]


def test_one_call_is_settled_by_hand(books, capsys):
    assert run_command(by_hand()) == ExitCode.DONE
    assert "would be settled at $0.00 instead of $0.05" in capsys.readouterr().out
    assert settled(books) == []
    assert run_command([*by_hand(), "--apply", "--tenant", "acme"]) == ExitCode.DONE
    ((path, sent),) = settled(books)
    assert path == "/v1/admin/tenants/acme/reconciliations"
    assert (sent["reason"], sent["source"]) == ("not billed", "hand")
    books.refused = ["no such call"]
    assert run_command([*by_hand(), "--apply"]) == ExitCode.REFUSED


def test_a_call_that_is_not_unknown_is_told_before_it_is_settled(books, capsys):
    assert run_command(by_hand("call-2")) == ExitCode.FAILED
    assert "no call call-2 is listed as unknown" in capsys.readouterr().err
    books.more_unknown = 1  # and not listed
    assert run_command(by_hand("call-2")) == ExitCode.DONE
    assert settled(books) == []


def test_more_than_is_charged_is_settled_only_by_force(books, capsys):
    assert run_command([*by_hand(cost="0.06"), "--apply"]) == ExitCode.USAGE
    assert "more than the $0.05 that the call is charged" in capsys.readouterr().err
    assert settled(books) == []
    assert run_command([*by_hand(cost="0.06"), "--apply", "--force"]) == ExitCode.DONE
    assert len(settled(books)) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--export", "x", "--call", "y"],
        ["--call", "y", "--cost", "1"],
        ["--call", "y", "--reason", "r"],
        ["--call", "y", "--cost", "x", "--reason", "r"],
        ["--export", "missing.csv"],
        ["--export", "missing.csv", "--cost", "1"],
        ["--export", "missing.csv", "--tenant", "acme"],
    ],
)
def test_a_wrong_reconciliation_is_usage_and_asks_nobody(books, arguments):
    assert run_command(["budget", "reconcile", *arguments]) == ExitCode.USAGE
    assert books.requests == []


def test_a_budget_goes_with_the_task(script, capsys):
    assert run_command(["run", "--budget", "2.50", "do"]) == ExitCode.DONE
    assert script.bodies[0]["budget"] == "2.50"
    assert run_command(["run", "--budget", "much", "do"]) == ExitCode.USAGE


def test_a_run_that_money_was_refused_to_is_refused(script, capsys):
    script.parts = run_of(
        end="failed", fault={"code": "budget_exceeded", "message": "nothing left"}
    )
    assert run_command(["run", "do"]) == ExitCode.REFUSED
    assert run_command(["watch", ID]) == ExitCode.REFUSED


def test_a_paused_collaboration_is_resumed(script, capsys):
    assert run_command(["resume", ID, "--budget", "5"]) == ExitCode.DONE
    (body,) = script.bodies
    assert (body["action"], body["budget"]) == ("resume", "5")
    assert f"facilitair watch {ID}" in capsys.readouterr().out
    script.problem = {"status": 409, "code": "not_paused", "detail": "it is not paused"}
    assert run_command(["resume", ID]) == ExitCode.REFUSED


def test_show_tells_what_was_charged(script, capsys):
    script.cost["totals"] = {"calls": 1, "charged_usd": "0.25", "unknown_usd": "0", "usage": {}}
    script.cost["agents"] = [{"agent": "assistant", "calls": 1, "cost_usd": None, "usage": {}}]
    assert run_command(["show", ID]) == ExitCode.DONE
    out = capsys.readouterr().out
    assert "charged to the account: $0.25" in out
    assert "agent assistant: 1 call, tokens unknown, cost unknown" in out
    assert run_command(["show", ID, "--json"]) == ExitCode.DONE
    assert told(capsys)["cost"]["totals"]["charged_usd"] == "0.25"


def test_the_summary_tells_agents_models_and_steps(script, capsys):
    assert run_command(["run", "--json", "do"]) == ExitCode.DONE
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])["data"]
    for what, name in (("agents", "assistant"), ("models", "m"), ("steps", "assistant")):
        assert summary[what] == {
            name: {
                "calls": 1, "tokens": {"input": 5, "output": 7}, "cost_usd": "0.25",
                "unknown_calls": 0, "simulated": False,
            }
        }  # fmt: skip
