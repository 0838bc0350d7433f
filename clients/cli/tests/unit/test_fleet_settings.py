"""What a fleet is told before anything of it starts."""

import os
import subprocess
import sys

import pytest

from facilitair_cli.app import run_command
from facilitair_cli.errors import SlowStartError
from facilitair_cli.launching import Child
from facilitair_cli.state_folder import StateFolder, prepare


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in list(os.environ):
        if name.startswith(("FACILITAIR_", "OPENAI_", "OLLAMA_", "KAFKA_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("FACILITAIR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FACILITAIR_GATEWAY_PORT", "0")
    return StateFolder(tmp_path / "home")


@pytest.mark.parametrize("more", [[], ["--detach"]])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KAFKA_SECURITY_PROTOCOL", "TLS"),
        ("KAFKA_SESSION_TIMEOUT_S", "0"),
        ("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:99999"),
        ("KAFKA_SSL_CA_FILE", "/nowhere.pem"),
    ],
)
def test_a_fault_is_told_by_its_variable_and_nothing_starts(
    folder, monkeypatch, capfd, more, name, value
):
    monkeypatch.setenv(name, value)
    assert run_command(["up", "--fleet", *more]) == 1
    told = capfd.readouterr().err
    assert name in told
    assert "Traceback" not in told
    assert not list((folder.root / "run").glob("*.json"))


def test_the_faults_of_services_and_cluster_are_told_together(folder, monkeypatch, capfd):
    monkeypatch.setenv("FACILITAIR_GATEWAY_PROT", "1")
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "TLS")
    assert run_command(["up", "--fleet", "--detach"]) == 1
    told = capfd.readouterr().err
    assert "FACILITAIR_GATEWAY_PROT" in told
    assert "KAFKA_SECURITY_PROTOCOL" in told


async def test_who_says_nothing_in_time_is_stopped_and_called_slow(folder, tmp_path):
    prepare(folder)
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    child = Child(process, log=tmp_path / "log", folder=folder)
    with pytest.raises(SlowStartError, match=r"not ready within 0\.2 s"):
        await child.ready(within_s=0.2)
    assert not child.alive
