"""Solo as something that stays: up, attach, down, and a crash in between."""

import json
import os
import signal
import socket

import pytest

from clients.cli.tests.integration.conftest import (
    HELD,
    HELD_AT_FIRST,
    rest_of,
    transcript_of,
    until,
    until_held,
)
from facilitair_testing.eventually import eventually

pytestmark = pytest.mark.integration


def up(machine):
    done = machine.run("up", "--detach", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def down(machine):
    done = machine.run("down", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def test_up_run_watch_show_down(machine):
    told = up(machine)
    status = json.loads(machine.run("status", "--json").stdout)
    assert (status["up"], status["url"], status["pid"]) == (True, told["url"], told["pid"])
    assert {s["service"]: s["ready"] for s in status["services"]} == {
        "accounts": True,
        "agent-worker": True,
        "gateway": True,
        "orchestrator": True,
    }
    done = machine.run("run", "--detach", "--json", "--workflow", "answer", "What is a log?")
    ident = json.loads(done.stdout)["id"]
    watched = machine.run("watch", ident)
    assert watched.returncode == 0, watched.stderr
    assert f"id: {ident}" in watched.stdout
    shown = machine.run("show", ident, "--step", "assistant")
    assert shown.stdout.strip() in watched.stdout
    assert json.loads(machine.run("show", ident, "--json").stdout)["status"] == "completed"
    names = [row["name"] for row in json.loads(machine.run("workflows", "ls", "--json").stdout)]
    assert names == ["answer", "code"]
    assert down(machine) == {"stopped": True, "simulator_stopped": False}
    assert machine.pids() == {}
    assert machine.run("status").returncode == 1


async def test_watch_from_a_cursor_shows_the_rest(machine):
    up(machine)
    done = machine.run("run", "--json", "--workflow", "answer", "What is a log?")
    lines = [json.loads(line) for line in done.stdout.splitlines()][1:-1]
    ident = lines[0]["data"]["collaboration"]
    for place in (0, len(lines) // 2, len(lines) - 2):
        rest = machine.run(
            "watch", lines[0]["data"]["collaboration"], "--json", "--from", lines[place]["id"]
        )
        found = [json.loads(line) for line in rest.stdout.splitlines()][:-1]
        assert found == lines[place + 1 :]
    end = machine.run("watch", ident, "--from", lines[-1]["id"])
    assert (end.returncode, end.stdout) == (0, "")
    assert "nothing follows" in end.stderr
    wrong = machine.run("watch", ident, "--from", "nonsense")
    assert wrong.returncode == 3
    assert "cursor" in wrong.stderr


async def test_r35_a_second_up_is_refused_with_the_pid(machine):
    told = up(machine)
    for arguments in (["up"], ["up", "--detach"]):
        second = machine.run(*arguments)
        assert second.returncode == 1
        assert str(told["pid"]) in second.stderr
        assert told["url"] in second.stderr
    assert machine.run("status").returncode == 0


async def test_a_port_that_is_taken_is_told(machine):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = machine.run("up", env={"FACILITAIR_GATEWAY_PORT": port})
    assert done.returncode == 1
    assert f"127.0.0.1:{port} is taken" in done.stderr
    assert "Traceback" not in done.stderr
    await machine.nothing_left()


async def test_up_in_the_foreground_stops_by_a_signal(machine):
    process = machine.start("up", "--json")
    told = json.loads(process.stdout.readline())
    assert machine.announced("gateway")["url"] == told["url"]
    process.send_signal(signal.SIGINT)
    rest_of(process)
    assert process.returncode == 0
    await machine.nothing_left()


async def test_a_cancelled_collaboration_ends_and_says_why(machine):
    up(machine)
    process = machine.start("run", "--json", f"Write a function that adds numbers {HELD}")
    lines = until(process, "token")
    done = machine.run("cancel", lines[0]["data"]["id"], "--reason", "enough")
    assert done.returncode == 0, done.stderr
    out, _ = rest_of(process)
    assert process.returncode == 1
    end = json.loads(out.splitlines()[-2])
    assert end["kind"] == "collaboration.cancelled"
    assert end["data"]["reason"]["v"] == "enough"
    assert machine.run("cancel", lines[0]["data"]["id"]).returncode == 3


async def test_detached_work_goes_on_without_up(machine):
    machine.pace(ttft_ms=0, tokens_per_s=60)
    done = machine.run("run", "--detach", "--json", "--workflow", "answer", "What is a log?")
    ident = json.loads(done.stdout)["id"]
    assert machine.run("status").returncode == 0
    assert machine.run("watch", ident).returncode == 0
    down(machine)
    await machine.nothing_left()


async def test_a_killed_solo_goes_on_after_the_next_start(machine):
    """The simulator survives and is adopted; what was paid and answered is not asked again."""
    up(machine)
    process = machine.start("run", "--json", f"Write a function that adds numbers {HELD_AT_FIRST}")
    lines = await until_held(machine, process)
    ident = lines[0]["data"]["id"]
    answered = set(machine.answered())
    simulator = machine.announced("simulator")["pid"]
    process.kill()
    rest_of(process)
    os.kill(machine.announced("solo")["pid"], signal.SIGKILL)
    await eventually(lambda: set(machine.pids()) == {simulator}, what="only the simulator is left")
    up(machine)
    assert machine.announced("simulator")["pid"] == simulator
    done = machine.run("watch", ident, "--json")
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    for step in transcript_of(found).steps.values():
        if step.output is not None:
            assert "".join(step.written) == step.output.inline
    started = machine.started()
    assert answered
    assert all(started.count(call) == 1 for call in answered)
    assert len(started) == len(set(started))
    assert down(machine) == {"stopped": True, "simulator_stopped": False}
    await machine.nothing_left()


async def test_down_stops_a_simulator_that_lost_its_solo(machine):
    up(machine)
    os.kill(machine.announced("solo")["pid"], signal.SIGKILL)
    await eventually(lambda: len(machine.pids()) == 1, what="only the simulator is left")
    assert down(machine) == {"stopped": False, "simulator_stopped": True}
    assert machine.pids() == {}


async def test_a_killed_simulator_comes_back_where_it_was(machine):
    up(machine)
    before = machine.announced("simulator")
    os.kill(before["pid"], signal.SIGKILL)

    def back():
        assert (machine.home / "run" / "simulator.json").exists()
        found = machine.announced("simulator")
        return found if found["pid"] != before["pid"] else None

    assert (await eventually(back, what="another simulator"))["url"] == before["url"]
    done = machine.run("run", "--workflow", "answer", "What is a log?")
    assert done.returncode == 0, done.stderr
    down(machine)
    await machine.nothing_left()


async def test_watch_over_websocket_shows_the_same(machine):
    up(machine)
    done = machine.run("run", "--json", "--workflow", "answer", "What is a log?")
    ident = json.loads(done.stdout.splitlines()[0])["data"]["id"]
    streamed = machine.run("watch", ident, "--json")
    over_ws = machine.run("watch", ident, "--json", "--ws")
    assert over_ws.returncode == streamed.returncode == 0, over_ws.stderr
    assert over_ws.stdout == streamed.stdout
