"""A fleet on a real Kafka: two of each service, hurt in every way that one machine allows."""

import asyncio
import json
import os
import signal
from collections import Counter

import pytest

from facilitair_client.client import Facilitair
from facilitair_client.sse import Frame, SseParser
from facilitair_client.transcript import Transcript
from facilitair_testing.eventually import eventually
from facilitair_testing.fleet import FleetProcess
from facilitair_testing.patient_http import patient
from facilitair_testing.promises import promised

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

SERVICES = ("accounts", "orchestrator", "agent-worker", "gateway")
TASK = "Write a function that counts the vowels of a word, with tests"


def test_a_command_of_solo_runs_on_the_fleet(fleet: FleetProcess) -> None:
    ran = fleet.command("run", TASK, "--workflow", "code")
    assert ran.returncode == 0, ran.stderr
    assert "completed in" in ran.stdout
    ident = ran.stdout.rsplit("id: ", 1)[1].split()[0]
    assert "completed" in fleet.command("show", ident).stdout


async def watched(fleet: FleetProcess, ident: str, transcript: Transcript) -> None:
    async with Facilitair(fleet.url) as client:
        async for event in client.stream(ident):
            transcript.apply(event)


async def started(fleet: FleetProcess) -> tuple[Transcript, "asyncio.Task[None]"]:
    """A collaboration whose coder has begun to write, and who watches it."""
    async with Facilitair(fleet.url) as client:
        submitted = await client.submit(TASK, workflow="code")
    transcript = Transcript()
    watching = asyncio.create_task(watched(fleet, submitted.id, transcript))
    await eventually(
        lambda: "coder" in transcript.steps and transcript.steps["coder"].text,
        timeout_s=60,
        what="the first words of the coder",
    )
    return transcript, watching


@pytest.mark.parametrize("service", ["orchestrator", "agent-worker"])
async def test_kill_9_in_mid_run_is_made_good(fleet: FleetProcess, service: str) -> None:
    asked = len(fleet.requests())
    transcript, watching = await started(fleet)
    before = await fleet.kill(f"{service}-0", f"{service}-1")
    async with asyncio.timeout(180):
        await watching
    assert transcript.status == "completed"
    await fleet.back(before)
    calls = Counter(line["call_id"] for line in fleet.requests()[asked:])
    with promised("what is paid is not paid again"):
        assert max(calls.values()) == 1


async def test_i14_services_that_stand_still_are_noticed_and_started_again(
    fleet: FleetProcess,
) -> None:
    stopped = {name: fleet.pid_of(name) for name in ("orchestrator-0", "agent-worker-0")}
    for pid in stopped.values():
        os.kill(pid, signal.SIGSTOP)
    transcript, watching = await started(fleet)
    async with asyncio.timeout(180):
        await watching
    assert transcript.status == "completed"

    def said() -> str:
        return (fleet.home / "launcher.log").read_text()

    for name in stopped:
        wanted = f"{name} does not answer for"
        await eventually(lambda wanted=wanted: wanted in said(), timeout_s=180, what=wanted)
    await fleet.back(stopped)


async def test_a_killed_broker_comes_back_at_its_address(fleet: FleetProcess) -> None:
    transcript, watching = await started(fleet)
    pid, address = fleet.kafka_pid, fleet.kafka_address
    services = [fleet.pid_of(f"{s}-{n}") for s in SERVICES for n in (0, 1)]
    os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(180):
        await watching
    assert transcript.status == "completed"
    await eventually(lambda: fleet.kafka_pid != pid, what="the next broker")
    assert fleet.kafka_address == address
    assert [fleet.pid_of(f"{s}-{n}") for s in SERVICES for n in (0, 1)] == services


async def frames(url: str, *, last: str | None = None) -> list[Frame]:
    parser, found = SseParser(), []
    headers = {"last-event-id": last} if last else {}
    async with (
        patient() as http,
        http.stream("GET", url, headers=headers) as response,
    ):
        async for part in response.aiter_bytes():
            found += parser.feed(part)
    return [frame for frame in found if frame.data]


async def test_r31_a_viewer_goes_on_at_the_other_gateway(fleet: FleetProcess) -> None:
    async with Facilitair(fleet.url_of("gateway-0")) as client:
        submitted = await client.submit(TASK, workflow="answer")
    path = f"/v1/collaborations/{submitted.id}/stream"
    whole = await frames(fleet.url_of("gateway-0") + path)
    half = len(whole) // 2
    rest = await frames(fleet.url_of("gateway-1") + path, last=whole[half].id)
    assert [frame.data for frame in rest] == [frame.data for frame in whole[half + 1 :]]


async def test_status_and_topics_tell_of_the_fleet(fleet: FleetProcess) -> None:
    # Ready again only after the next look at the log: the broker was killed above.
    await eventually(
        lambda: fleet.command("status", "--json").returncode == 0,
        timeout_s=60,
        what="a fleet that is ready",
    )
    status = json.loads(fleet.command("status", "--json").stdout)
    assert (status["mode"], status["pid"]) == ("fleet", fleet.pid)
    assert {service["service"] for service in status["services"] if service["ready"]} == {
        f"{service}-{number}" for service in SERVICES for number in (0, 1)
    }
    assert status["kafka"]["url"] == fleet.kafka_address
    assert set(status["lag"]) <= {"accounts", "orchestrator", "agent-worker"}
    topics = json.loads(fleet.command("topics", "ls", "--json").stdout)
    assert all(topic["partitions"] for topic in topics)
    assert fleet.command("topics", "apply").stdout == "nothing was missing\n"
    assert fleet.command("topics", "lag").returncode == 0


@pytest.mark.parametrize("arguments", [("up", "--fleet"), ("up",), ("up", "--fleet", "--detach")])
def test_a_second_one_is_refused_with_the_pid(fleet: FleetProcess, arguments) -> None:
    refused = fleet.command(*arguments)
    assert refused.returncode == 1
    assert f"process {fleet.pid}" in refused.stderr
    assert "facilitair down" in refused.stderr


async def test_a_killed_launcher_takes_its_fleet_along_and_loses_nothing(
    fleet: FleetProcess,
) -> None:
    async with Facilitair(fleet.url) as client:
        submitted = await client.submit(TASK, workflow="code")
    fleet.kill_launcher()
    await eventually(lambda: len(fleet.processes()) == 1, timeout_s=60, what="the end of the fleet")
    assert "facilitair_llm.simulator" in next(iter(fleet.processes().values()))
    simulator = set(fleet.processes())
    fleet.start()
    assert simulator < set(fleet.processes())
    transcript = Transcript()
    async with asyncio.timeout(180):
        await watched(fleet, submitted.id, transcript)
    assert transcript.status == "completed"
