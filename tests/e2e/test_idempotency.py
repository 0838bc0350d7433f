"""R15 on a real Kafka: two gateways that race with one key, and orchestrators that are away."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from facilitair_client.client import Facilitair
from facilitair_testing.eventually import eventually
from facilitair_testing.fleet import FleetProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

PATH = "/v1/collaborations"
JOB = {"task": "Count the vowels of a word", "workflow": "answer"}
OTHER = {"task": "Count the consonants of a word", "workflow": "answer"}
ROUNDS = 8


@pytest.fixture
async def gateways(fleet: FleetProcess) -> AsyncIterator[list[httpx.AsyncClient]]:
    """A client of each replica."""
    async with (
        httpx.AsyncClient(base_url=fleet.url_of("gateway-0"), timeout=60) as first,
        httpx.AsyncClient(base_url=fleet.url_of("gateway-1"), timeout=60) as second,
    ):
        yield [first, second]


async def post(http: httpx.AsyncClient, body: dict[str, str], *, key: str) -> httpx.Response:
    """Submit; what the log did not confirm in time is sent again, as the answer says."""

    async def confirmed() -> httpx.Response | None:
        answer = await http.post(PATH, json=body, headers={"idempotency-key": key})
        return None if answer.status_code == 503 else answer

    answer = await eventually(confirmed, timeout_s=60, what="an answer other than 503")
    assert answer is not None
    return answer


async def ended(fleet: FleetProcess, ident: str) -> Any:
    """What a collaboration is once it is over."""
    async with Facilitair(fleet.url) as client, asyncio.timeout(180):
        async for _ in client.stream(ident):
            pass
        return await client.get(ident)


async def test_r15_two_replicas_that_race_with_one_key_take_one_body(
    fleet: FleetProcess, gateways: list[httpx.AsyncClient]
) -> None:
    first, second = gateways
    idents = set()
    for number in range(ROUNDS):
        same = await asyncio.gather(*(post(http, JOB, key=f"same-{number}") for http in gateways))
        assert [answer.status_code for answer in same] == [202, 202]
        said = [answer.json() for answer in same]
        assert said[0]["id"] == said[1]["id"]
        assert len({one["cursor"] for one in said} - {"start"}) <= 1
        again = [(await post(http, JOB, key=f"same-{number}")).json() for http in gateways]
        assert again[0]["cursor"] == again[1]["cursor"]

        bodies = (JOB, OTHER) if number % 2 else (OTHER, JOB)
        answers = await asyncio.gather(
            post(first, bodies[0], key=f"other-{number}"),
            post(second, bodies[1], key=f"other-{number}"),
        )
        codes = sorted(answer.status_code for answer in answers)
        # An answer that came too late is 202 queued; asked again, it is told as it is.
        if codes == [202, 202]:
            answers = [
                await post(http, body, key=f"other-{number}")
                for http, body in zip(gateways, bodies, strict=True)
            ]
            codes = sorted(answer.status_code for answer in answers)
        assert codes == [202, 409]
        idents |= {a.json()["id"] for a in (*same, *answers) if a.status_code == 202}
    assert len(idents) == 2 * ROUNDS
    for ident in idents:
        assert (await ended(fleet, ident)).status == "completed"


async def test_r15_while_the_orchestrators_are_away_requests_are_queued_and_not_lost(
    fleet: FleetProcess, gateways: list[httpx.AsyncClient]
) -> None:
    with fleet.frozen("orchestrator-0", "orchestrator-1"):
        said = [(await post(http, JOB, key="away")).json() for http in gateways]
    assert said[0] == said[1]
    assert (said[0]["status"], said[0]["cursor"]) == ("queued", "start")
    shown = await ended(fleet, said[0]["id"])
    assert shown.status == "completed"
    again = await post(gateways[0], JOB, key="away")
    assert again.json()["id"] == said[0]["id"]
    assert (await post(gateways[1], OTHER, key="away")).status_code == 409
