"""A whole fleet at work while its broker dies and freezes: who was told yes is not let down."""

import asyncio
import itertools
import os
import signal
import time
from collections import Counter
from http import HTTPStatus

import httpx
import pytest

from facilitair_client.backoff import Patience
from facilitair_client.client import Facilitair
from facilitair_testing.eventually import eventually
from facilitair_testing.fleet import FleetProcess

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.timeout(600)]

SERVICES = ("accounts", "orchestrator", "agent-worker", "gateway")
MEMBERS = [f"{s}-{n}" for s in SERVICES for n in (0, 1)]
WRITERS = 3
FREEZE_S = 30.0
# A stream end, an append and a reply, 2 s each: no request may take longer than these together.
LONGEST_S = 6.0
SLOW_MACHINE_S = 4.0


class Load:
    """Clients that submit without a pause, again with the same key after every 503."""

    def __init__(self, fleet: FleetProcess, prefix: str) -> None:
        self.accepted: dict[str, str] = {}
        self.statuses: Counter[int] = Counter()
        self.longest_s = 0.0
        self._fleet = fleet
        self._prefix = prefix
        self._stop = asyncio.Event()

    async def run(self) -> None:
        await asyncio.gather(*(self._write(number) for number in range(WRITERS)))

    def stop(self) -> None:
        self._stop.set()

    async def grow(self, *, by: int) -> None:
        target = len(self.accepted) + by
        await eventually(
            lambda: len(self.accepted) >= target, timeout_s=90, what=f"{by} more submits"
        )

    async def _write(self, writer: int) -> None:
        url = self._fleet.url_of(f"gateway-{writer % 2}")
        async with httpx.AsyncClient(base_url=url, timeout=60) as http:
            for number in itertools.count():
                key = f"{self._prefix}-{writer}-{number}"
                while not self._stop.is_set():
                    if await self._submit(http, key):
                        break
                if self._stop.is_set():
                    return

    async def _submit(self, http: httpx.AsyncClient, key: str) -> bool:
        body = {"task": f"Say {key}", "workflow": "answer"}
        began = time.monotonic()
        response = await http.post(
            "/v1/collaborations", json=body, headers={"idempotency-key": key}
        )
        self.longest_s = max(self.longest_s, time.monotonic() - began)
        self.statuses[response.status_code] += 1
        if response.status_code == HTTPStatus.ACCEPTED:
            self.accepted[key] = response.json()["id"]
            return True
        assert response.status_code == HTTPStatus.SERVICE_UNAVAILABLE, response.text
        assert response.headers["retry-after"]
        return False


def pids(fleet: FleetProcess) -> list[int]:
    return [fleet.pid_of(member) for member in MEMBERS]


async def killed(fleet: FleetProcess) -> None:
    """SIGKILL the broker, and wait until the launcher has another one at its address."""
    before, address = fleet.kafka_pid, fleet.kafka_address
    os.kill(before, signal.SIGKILL)
    await eventually(
        lambda: fleet.kafka_pid != before, timeout_s=90, what="the launcher's next broker"
    )
    assert fleet.kafka_address == address


async def check_all_ended(fleet: FleetProcess, load: Load) -> None:
    """Everything that was accepted ends, as it should, with a record without a gap."""
    patience = Patience(give_up_after_s=120.0)
    async with Facilitair(fleet.url, patience=patience, request_patience=patience) as client:
        for ident in load.accepted.values():
            async with asyncio.timeout(120):
                kinds = [event.kind async for event in client.stream(ident)]
            assert kinds[-1] == "collaboration.completed"
            events = await client.events(ident)
            assert [event.seq for event in events] == list(range(1, len(events) + 1))


@pytest.mark.parametrize("hurt", ["five kills", "a freeze"])
async def test_r4_no_acked_request_is_lost_with_its_broker(fleet: FleetProcess, hurt: str) -> None:
    before, asked = pids(fleet), len(fleet.requests())
    load = Load(fleet, hurt)
    running = asyncio.create_task(load.run())
    if hurt == "five kills":
        for _ in range(5):
            await load.grow(by=6)
            await killed(fleet)
    else:
        await load.grow(by=6)
        os.killpg(fleet.kafka_pid, signal.SIGSTOP)
        await asyncio.sleep(FREEZE_S)  # longer than every session
        os.killpg(fleet.kafka_pid, signal.SIGCONT)
    await load.grow(by=6)
    load.stop()
    await running
    await check_all_ended(fleet, load)
    assert load.statuses[HTTPStatus.SERVICE_UNAVAILABLE] > 0
    assert load.longest_s < LONGEST_S + SLOW_MACHINE_S
    assert pids(fleet) == before
    calls = Counter(line["call_id"] for line in fleet.requests()[asked:])
    assert max(calls.values()) == 1
    assert len(set(load.accepted.values())) == len(load.accepted)
