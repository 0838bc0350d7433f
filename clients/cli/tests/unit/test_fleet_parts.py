"""The parts of a fleet that need no Kafka."""

import asyncio
import io
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from facilitair_cli.announcements import announced, find
from facilitair_cli.errors import AlreadyUpError, OptionError, StartError
from facilitair_cli.fleet.keeping import Keeper, backoff_s
from facilitair_cli.fleet.members import Member, Surroundings, members, parse_scale
from facilitair_cli.fleet.needs import check_stores, gateway_ports, missing_programs
from facilitair_cli.fleet.table import PlainFleet, table_of
from facilitair_cli.fleet.watching import Row, memory_mib
from facilitair_cli.locating import locate
from facilitair_cli.solo_lock import check_not_up, only_solo
from facilitair_cli.state_folder import StateFolder, prepare
from facilitair_testing.eventually import eventually


@pytest.fixture
def folder(tmp_path):
    made = StateFolder(tmp_path / "home")
    prepare(made)
    return made


def around(tmp_path, **changes):
    told = {
        "home": tmp_path,
        "bootstrap": "127.0.0.1:9092",
        "simulator_url": None,
        "gateway_ports": [8080, 20001],
    }
    return Surroundings(**(told | changes))


def test_every_service_has_one_process_unless_it_is_scaled():
    counts = parse_scale([])
    assert counts == {"accounts": 1, "orchestrator": 1, "agent-worker": 1, "gateway": 1}
    assert parse_scale(["agent-worker=3", "gateway=2"])["agent-worker"] == 3


@pytest.mark.parametrize(
    "given",
    ["worker=2", "agent-worker", "agent-worker=0", "agent-worker=13", "agent-worker=-1", "=1",
     "gateway=²"],
)  # fmt: skip
def test_a_scale_that_cannot_be_is_refused(given):
    with pytest.raises(OptionError, match="--scale"):
        parse_scale([given])


def test_a_service_cannot_be_scaled_twice():
    with pytest.raises(OptionError, match="twice"):
        parse_scale(["gateway=1", "gateway=2"])


def test_members_have_names_of_their_own_and_start_before_the_gateway(tmp_path):
    found = members(parse_scale(["agent-worker=2", "gateway=2"]), around(tmp_path))
    assert [member.name for member in found] == [
        "accounts-0", "orchestrator-0", "agent-worker-0", "agent-worker-1", "gateway-0",
        "gateway-1",
    ]  # fmt: skip
    told = {member.name: member.environ for member in found}
    assert told["agent-worker-1"]["FACILITAIR_AGENT_WORKER_MEMBER"] == "agent-worker-1"
    assert told["gateway-1"]["FACILITAIR_GATEWAY_PORT"] == "20001"
    assert all(e["KAFKA_BOOTSTRAP_SERVERS"] == "127.0.0.1:9092" for e in told.values())
    assert not any("SIMULATOR" in name for environ in told.values() for name in environ)


def test_who_calls_or_names_models_is_told_of_the_simulator(tmp_path):
    given = around(tmp_path, simulator_url="http://127.0.0.1:9")
    told = {m.service: m.environ for m in members(parse_scale([]), given)}
    assert told["gateway"]["FACILITAIR_GATEWAY_SIMULATOR_URL"] == "http://127.0.0.1:9"
    assert told["agent-worker"]["FACILITAIR_AGENT_WORKER_SIMULATOR_URL"] == "http://127.0.0.1:9"
    assert not any("SIMULATOR" in name for name in told["orchestrator"])


def test_the_first_crash_costs_no_time_and_further_ones_ever_more():
    assert [backoff_s(count) for count in (0, 1, 2, 3, 4, 20)] == [0, 0, 0.5, 1, 2, 10]


class Scripted(Member):
    """A member that runs a line of Python."""

    program: str

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-c", self.program]


def keeper(folder, program, said) -> Keeper:
    member = Scripted(service="orchestrator", number=0, environ={}, program=program)
    return Keeper(member, logs=folder.logs, home=folder.root, tell=said.append)


SLEEPS = "import time; print('up', flush=True); time.sleep(600)"
DEAF = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"  # noqa: E501


async def up(kept: Keeper, *, times: int = 1) -> int:
    def said() -> bool:
        return kept.log_file.exists() and kept.log_file.read_text().count("up") >= times

    await eventually(said, what="the process to be up")
    assert kept.pid is not None
    return kept.pid


@pytest.mark.integration
async def test_a_killed_process_is_started_again_at_once(folder):
    said: list[str] = []
    kept = keeper(folder, SLEEPS, said)
    running = asyncio.create_task(kept.run())
    first = await up(kept)
    os.kill(first, signal.SIGKILL)
    second = await up(kept, times=2)
    assert second != first
    assert kept.restarts == 1
    assert "orchestrator-0 ended with -9" in said[0]
    await kept.stop(timeout_s=10)
    await running
    assert kept.last_exit == -signal.SIGTERM
    assert kept.restarts == 1


@pytest.mark.integration
async def test_what_does_not_end_is_killed_at_the_deadline(folder):
    said: list[str] = []
    kept = keeper(folder, DEAF, said)
    running = asyncio.create_task(kept.run())
    await up(kept)
    await kept.stop(timeout_s=0.2)
    await running
    assert kept.last_exit == -signal.SIGKILL
    assert "does not end" in said[0]


@pytest.mark.integration
async def test_a_process_that_keeps_crashing_is_started_ever_later(folder):
    said: list[str] = []
    kept = keeper(folder, "raise SystemExit(1)", said)
    running = asyncio.create_task(kept.run())
    await eventually(lambda: kept.restarts >= 2, what="two crashes")
    assert "again at once" in said[0]
    assert "again in 0.5 s" in said[1]
    await kept.stop(timeout_s=1)
    await running


def test_missing_programs_are_told_all_at_once(tmp_path):
    faults = missing_programs({"PATH": str(tmp_path)}, fetched=False)
    assert [word for fault in faults for word in ("java", "mvn") if f"needs {word}" in fault] == [
        "java", "mvn",
    ]  # fmt: skip
    assert "KAFKA_BOOTSTRAP_SERVERS" in faults[-1]


def test_maven_is_not_missing_once_kafka_was_fetched(tmp_path):
    faults = missing_programs({"PATH": str(tmp_path)}, fetched=True)
    assert not any("mvn" in fault for fault in faults)


@pytest.mark.parametrize("stores", ["postgres", "kafka,neo4j", "", "kafkaa"])
def test_a_store_that_is_not_there_yet_is_refused(stores):
    with pytest.raises(OptionError, match="--stores"):
        check_stores(stores)


def test_a_taken_port_is_told_before_anything_starts():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StartError, match="FACILITAIR_GATEWAY_PORT"):
            gateway_ports("127.0.0.1", port, free=[20000])
    assert gateway_ports("127.0.0.1", 0, free=[20000, 20001]) == [20000, 20001]


def test_solo_and_fleet_exclude_each_other(folder):
    check_not_up(folder)
    with only_solo(folder), pytest.raises(AlreadyUpError, match=str(os.getpid())):
        check_not_up(folder)


def test_another_replica_is_found_while_the_first_is_away(folder):
    with announced(folder.ops("gateway-0"), url="http://ops"):
        assert locate({}, folder) is None
        with announced(folder.announcement("gateway-1"), url="http://second"):
            found = locate({}, folder)
            assert found is not None
            assert found.url == "http://second"
            with announced(folder.gateway, url="http://first"):
                again = locate({}, folder)
                assert again is not None
                assert again.url == "http://first"
    assert find(folder.gateway) is None


def test_plain_lines_tell_each_process_once(tmp_path):
    out = io.StringIO()
    screen = PlainFleet(out)
    for _ in range(3):
        screen.rows([Row(name="kafka", state="ready", pid=7), Row(name="x", state="starting")])
    screen.rows([Row(name="kafka", state="ready", pid=8)])
    assert out.getvalue() == "kafka ready, pid 7\nkafka ready, pid 8\n"


def test_the_table_shows_what_is_not_known_as_nothing():
    table = table_of([Row(name="gateway-0", state="ready", pid=7, lag=0, memory_mib=90)])
    assert [list(column.cells) for column in table.columns] == [
        ["gateway-0"], ["[green]ready[/]"], ["7"], ["0"], ["0"], ["90"], [""],
    ]  # fmt: skip
    assert memory_mib(os.getpid()) > 1
    assert memory_mib(None) is None
    assert not Path("/proc/999999999").exists()
    assert memory_mib(999999999) is None
