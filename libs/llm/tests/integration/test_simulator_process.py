import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

pytestmark = pytest.mark.integration

COMMAND = [sys.executable, "-m", "facilitair_llm.simulator"]
BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hello"}]}).encode()


def wait_for(condition, timeout_s=60.0):
    """Return the condition's first true value."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    pytest.fail("the condition did not become true in time")


def read_json(path):
    return json.loads(path.read_text()) if path.exists() else None


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def environment(**values):
    settings = {f"FACILITAIR_SIMULATOR_{name}": str(value) for name, value in values.items()}
    return {**os.environ, "FACILITAIR_SIMULATOR_TTFT_MS": "0", **settings}


@pytest.fixture
def start(tmp_path):
    processes = []

    def start_one(*arguments, **values):
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            env=environment(**values),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start_one
    for process in processes:
        process.kill()
        process.communicate(timeout=60)


def ask(url):
    request = urllib.request.Request(f"{url}/v1/chat/completions", data=BODY)  # noqa: S310 - http
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - http
        return json.loads(response.read())


def test_it_announces_itself_answers_and_dies_cleanly_on_sigterm(tmp_path, start):
    announce, journal = tmp_path / "run" / "simulator.json", tmp_path / "journal"
    process = start("--announce", str(announce), TOKENS_PER_S=0, JOURNAL=journal)
    found = wait_for(lambda: read_json(announce))
    assert found["pid"] == process.pid
    assert set(found) == {"url", "pid", "started_at"}
    assert "simulated" in ask(found["url"])["model"]
    assert len(journal.read_text().splitlines()) == 2
    assert list(announce.parent.iterdir()) == [announce]
    process.terminate()
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out.count("\n") == 1
    assert found["url"] in out
    assert not announce.exists()


def test_it_stops_with_answers_in_flight_and_says_so_in_the_journal(tmp_path, start):
    announce, journal = tmp_path / "simulator.json", tmp_path / "journal"
    process = start("--announce", str(announce), TOKENS_PER_S=1, JOURNAL=journal)
    found = wait_for(lambda: read_json(announce))
    with socket.create_connection(
        ("127.0.0.1", int(found["url"].rpartition(":")[2])), timeout=60
    ) as connection:
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n\r\n"
        )
        connection.sendall(head.encode() + BODY)
        wait_for(lambda: journal.exists() and journal.read_text())
        process.terminate()
        assert process.wait(timeout=60) == 0
    outcomes = [json.loads(line)["outcome"] for line in journal.read_text().splitlines()]
    assert outcomes == ["started", "cancelled"]


def test_it_survives_the_death_of_its_parent(tmp_path):
    announce = tmp_path / "simulator.json"
    parent = (
        "import subprocess, sys, time\n"
        "subprocess.Popen(sys.argv[1:], start_new_session=True, stdout=subprocess.PIPE)\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", parent, *COMMAND, "--announce", str(announce)],
        env=environment(TOKENS_PER_S=0),
    )
    found = wait_for(lambda: read_json(announce))
    process.kill()
    process.wait(timeout=60)
    assert ask(found["url"])["choices"]
    os.kill(found["pid"], signal.SIGTERM)
    wait_for(lambda: not announce.exists())
    # Its new parent may reap it late: a process that is gone and one that only waits are the same.
    wait_for(lambda: not is_alive(found["pid"]) or is_zombie(found["pid"]))


def is_zombie(pid):
    done = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return done.stdout.strip().startswith("Z")


def test_a_taken_port_and_bad_settings_are_told_and_end_it(start):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = start(PORT=taken.getsockname()[1])
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "address already in use" in err
    process = start(PORT="many", TTFT_MS="-4")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err.count("\n") == 2


def test_importing_it_needs_no_environment_and_starts_nothing():
    done = subprocess.run(
        [sys.executable, "-c", "import facilitair_llm.simulator.process"],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
