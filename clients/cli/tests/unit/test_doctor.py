import json
import os
import shutil
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from facilitair_cli.app import run_command
from facilitair_cli.state_folder import STATE_VERSION, StateFolder, prepare
from facilitair_events.layout import checkout_root


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in list(os.environ):
        if name.startswith(("FACILITAIR_", "OPENAI_", "OLLAMA_", "KAFKA_", "ANTHROPIC_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("FACILITAIR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FACILITAIR_GATEWAY_PORT", "0")
    return StateFolder(tmp_path / "home")


@pytest.fixture
def examine(folder, capfd):
    def run() -> tuple[int, dict[str, dict[str, str]]]:
        code = run_command(["doctor", "--json"])
        told = capfd.readouterr()
        assert told.err == ""
        return code, {finding["name"]: finding for finding in json.loads(told.out)}

    return run


def test_a_machine_that_can_run_solo_is_well_without_java(examine, folder, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    code, found = examine()
    assert code == 0
    assert found["java"]["level"] == "warn"
    assert "install Java" in found["java"]["found"]
    assert "simulator" in found["model"]["found"]
    assert not folder.root.exists()


def test_a_model_that_is_set_is_named(examine, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1")
    monkeypatch.setenv("FACILITAIR_MODEL", "my-model")
    _, found = examine()
    assert found["model"]["found"] == "my-model at http://127.0.0.1:8000/v1"


def test_an_address_that_no_call_may_reach_is_told_before_a_run_is(examine, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://10.1.2.3/v1")
    monkeypatch.setenv("FACILITAIR_MODEL", "my-model")
    code, found = examine()
    assert (code, found["model"]["level"]) == (1, "fail")
    assert "will be refused: it is in a private network; allow it by" in found["model"]["found"]
    monkeypatch.setenv("FACILITAIR_AGENT_WORKER_NETWORK__ALLOW_PRIVATE", "true")
    assert examine()[1]["model"]["level"] == "ok"


def test_faults_of_definitions_are_told_one_by_one(examine, monkeypatch, tmp_path):
    shutil.copytree(checkout_root() / "models", tmp_path / "models")
    for kind in ("workflows", "agents", "prompts"):
        (tmp_path / kind).mkdir()
    (tmp_path / "agents" / "odd.yaml").write_text("agent: odd\nroel: x\nprompt: 5\nmodels: 7\n")
    monkeypatch.setenv("FACILITAIR_GATEWAY_DEFINITIONS", str(tmp_path))
    found = examine()[1]["agents"]
    assert found["level"] == "fail"
    assert [one.split(" ")[0] for one in found["found"].split("; ")][:2] == [
        "agents/odd.yaml:1:",
        "agents/odd.yaml:2:",
    ]


def test_what_each_agent_would_ask_is_told_with_the_source_of_its_price(examine):
    _, found = examine()
    assert found["agents"]["level"] == "ok"
    assert found["agents"]["found"].startswith(
        "architect, assistant, coder, documenter, reviewer: "
    )
    assert "simulator/simulated, prices of simulated.yaml " in found["agents"]["found"]


def test_a_price_that_is_unknown_is_warned_of_with_where_to_say_it(examine, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    _, found = examine()
    assert found["agents"]["level"] == "warn"
    assert "ollama/llama3.2, price unknown" in found["agents"]["found"]
    assert "models/ollama.yaml" in found["agents"]["remedy"]


def test_a_seeded_price_is_told_with_its_version(examine, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    _, found = examine()
    assert "anthropic/claude-sonnet-4-6, prices of genai-prices " in found["agents"]["found"]


def test_a_model_that_the_rules_forbid_fails(examine, monkeypatch):
    monkeypatch.setenv("FACILITAIR_GATEWAY_MODELS__REQUIRED_TAGS", '["residency:eu"]')
    code, found = examine()
    assert code == 1
    assert found["agents"]["level"] == "fail"
    assert "lacks the required tags residency:eu" in found["agents"]["found"]


def test_local_only_without_anything_local_fails(examine, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("FACILITAIR_LOCAL_ONLY", "true")
    code, found = examine()
    assert code == 1
    assert "FACILITAIR_LOCAL_ONLY: openai at" in found["model"]["found"]
    assert "agents" not in found


@pytest.mark.parametrize(
    ("name", "value", "check", "told"),
    [
        ("OPENAI_BASE_URL", "sk-a-key", "model", "OPENAI_BASE_URL"),
        ("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1", "model", "FACILITAIR_MODEL"),
        ("FACILITAIR_GATEWAY_PROT", "1", "settings", "FACILITAIR_GATEWAY_PORT"),
        ("KAFKA_SECURITY_PROTOCOL", "TLS", "cluster", "KAFKA_SECURITY_PROTOCOL"),
    ],
)
def test_each_fault_fails_with_its_variable(examine, monkeypatch, name, value, check, told):
    monkeypatch.setenv(name, value)
    code, found = examine()
    assert code == 1
    assert found[check]["level"] == "fail"
    assert told in found[check]["found"]


def test_newer_state_fails(examine, folder):
    prepare(folder)
    folder.stamp.write_text(f"{STATE_VERSION + 1}\n")
    code, found = examine()
    assert code == 1
    assert "upgrade" in found["state"]["found"]


def test_each_line_says_how_it_is(folder, capfd):
    assert run_command(["doctor"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} <= {"ok", "warn"}
    assert {line.split()[1] for line in lines} >= {"python", "disk", "model", "java", "maven"}


@contextmanager
def gateway(status, told):
    """A gateway that answers every question alike."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            content = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("active", "level", "remedy"), [(1, "warn", "facilitair logic activate 2"), (2, "ok", "")]
)
def test_a_newer_logic_is_told(examine, monkeypatch, active, level, remedy):
    with gateway(200, {"active": active, "known": 2}) as url:
        monkeypatch.setenv("FACILITAIR_URL", url)
        _, found = examine()
    assert found["logic"]["level"] == level
    assert remedy in found["logic"]["remedy"]
    assert f"{active} is active" in found["logic"]["found"]


def test_nothing_is_told_of_the_logic_by_who_may_not_know_it(examine, monkeypatch):
    with gateway(403, {"status": 403, "code": "forbidden", "detail": "not for you"}) as url:
        monkeypatch.setenv("FACILITAIR_URL", url)
        code, found = examine()
    assert "logic" not in found
    assert code == 0


def test_nor_without_a_gateway(examine):
    _, found = examine()
    assert "logic" not in found
