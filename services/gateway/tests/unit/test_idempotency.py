"""R15: one key is one collaboration, whoever asks how often, and whatever answer was lost."""

import asyncio
import json
import shutil
from contextlib import AsyncExitStack

import httpx
import pytest

from facilitair_events.ids import collaboration_id
from facilitair_events.layout import checkout_root
from facilitair_events.requests import CollaborationRequested
from facilitair_events.topics import COLLABORATION_INBOX
from facilitair_messaging.adapters.embedded.appends import EmbeddedProducer
from facilitair_messaging.request_reply import Replies
from facilitair_testing.eventually import eventually
from services.gateway.tests.watching import watching

PATH = "/v1/collaborations"
JOB = {"task": "Write a prime checker."}
OTHER = {"task": "Write something else."}


@pytest.fixture
async def two(start, tmp_path):
    """Two replicas of the gateway over one log, and a client of each."""
    async with AsyncExitStack() as stack:
        clients = []
        for number in (0, 1):
            gateway = await stack.enter_async_context(
                start(tmp_path, member=f"gateway-{number}", request_timeout_s=20)
            )
            client = httpx.AsyncClient(base_url=gateway.url, timeout=60)
            clients.append(await stack.enter_async_context(client))
        yield clients


def post(http: httpx.AsyncClient, body, *, key: str = "k"):
    return http.post(PATH, json=body, headers={"idempotency-key": key})


async def test_r15_two_gateways_that_race_with_one_key_and_body_give_one_answer(
    two, orchestrator
) -> None:
    for number in range(10):
        answers = await asyncio.gather(*(post(http, JOB, key=f"k{number}") for http in two * 3))
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.text for answer in answers}) == 1
        said = answers[0].json()
        assert said["id"] == collaboration_id("local", f"k{number}")
        assert said["cursor"] != "start"
    assert len(orchestrator.states) == 10


async def test_r15_two_gateways_that_race_with_one_key_and_two_bodies_take_one(
    two, orchestrator
) -> None:
    first, second = two
    for number in range(10):
        key = f"k{number}"
        bodies = (JOB, OTHER) if number % 2 else (OTHER, JOB)
        answers = await asyncio.gather(
            post(first, bodies[0], key=key), post(second, bodies[1], key=key)
        )
        assert sorted(answer.status_code for answer in answers) == [202, 409]
        won = [answer.status_code for answer in answers].index(202)
        lost = answers[1 - won].json()
        assert lost["code"] == "idempotency_conflict"
        ident = answers[won].json()["id"]
        shown = (await first.get(f"{PATH}/{ident}")).json()
        assert shown["task"]["text"]["v"] == bodies[won]["task"]


async def test_r15_a_retry_at_the_other_gateway_is_the_same_collaboration(
    two, orchestrator
) -> None:
    first, second = two
    before, after = await post(first, JOB), await post(second, JOB)
    assert before.json() == after.json()
    assert (await post(second, OTHER)).status_code == 409


@pytest.fixture
def lost_replies(monkeypatch):
    """Answers that come to the gateway and never arrive, while the list is not None."""
    held: list = []
    receive = Replies.receive
    state = {"lose": True}

    def losing(self, record) -> None:
        if state["lose"]:
            held.append((self, record))
        else:
            receive(self, record)

    monkeypatch.setattr(Replies, "receive", losing)

    def heal(*, late: bool = False) -> int:
        state["lose"] = False
        for replies, record in held if late else ():
            receive(replies, record)
        return len(held)

    return heal


@pytest.mark.usefixtures("unanswered")
async def test_r15_a_lost_reply_is_202_queued_and_the_stream_finds_its_start_by_itself(
    http, orchestrator, lost_replies
) -> None:
    answer = await post(http, JOB)
    assert answer.status_code == 202
    said = answer.json()
    assert (said["status"], said["cursor"]) == ("queued", "start")
    assert lost_replies() == 1
    async with watching(http, said["id"], cursor="start") as response:
        assert response.status_code == 200
        async with asyncio.timeout(90):
            kind = await _first(response.aiter_lines(), "event:")
    assert kind == "event: collaboration.accepted"
    again = (await post(http, JOB)).json()
    assert (again["id"], again["status"]) == (said["id"], "running")
    assert again["cursor"] != "start"


async def _first(lines, start: str) -> str:
    async for line in lines:
        if line.startswith(start):
            return line
    raise AssertionError(start)


@pytest.mark.usefixtures("unanswered")
async def test_r15_a_late_reply_changes_nothing_that_was_said(
    http, gateway, orchestrator, lost_replies
) -> None:
    said = (await post(http, JOB)).json()
    assert said["status"] == "queued"
    lost_replies(late=True)
    assert (await http.get(f"{PATH}/{said['id']}")).json()["status"] == "running"
    assert (await post(http, JOB)).json()["id"] == said["id"]


@pytest.mark.usefixtures("unanswered")
async def test_r15_without_an_orchestrator_a_retry_finds_the_same_collaboration(
    http, stage, act
) -> None:
    first = (await post(http, JOB)).json()
    second = (await post(http, JOB)).json()
    assert first == second
    assert first["status"] == "queued"
    assert (await post(http, OTHER)).json()["status"] == "queued"  # nobody can tell yet
    async with act() as acting:
        path = f"{PATH}/{first['id']}"

        async def runs() -> bool:
            answer = await http.get(path)
            return answer.status_code == 200 and answer.json()["status"] == "running"

        await eventually(runs, what="the collaboration to run once somebody is there")
        assert (await http.get(path)).json()["task"]["text"]["v"] == JOB["task"]
        assert (await post(http, JOB)).json()["id"] == first["id"]
        assert (await post(http, OTHER)).status_code == 409
        assert len(acting.states) == 1


@pytest.mark.usefixtures("unanswered")
@pytest.mark.parametrize("written", [True, False], ids=["written", "not written"])
async def test_r15_an_append_that_is_not_acked_is_503_and_the_retry_finds_either_outcome(
    http, orchestrator, stage, monkeypatch, *, written: bool
) -> None:
    send = EmbeddedProducer.send

    async def unacked(self, messages):
        if any(message.topic == COLLABORATION_INBOX for message in messages):
            if written:
                await send(self, messages)
            await asyncio.Event().wait()
        return await send(self, messages)

    monkeypatch.setattr(EmbeddedProducer, "send", unacked)
    refused = await post(http, JOB)
    assert refused.status_code == 503
    problem = refused.json()
    assert "did not confirm the request within" in problem["detail"]
    assert "again with the same Idempotency-Key" in problem["detail"]
    assert int(refused.headers["retry-after"]) >= 1
    monkeypatch.undo()

    again = await post(http, JOB)
    assert again.status_code == 202
    assert again.json()["id"] == collaboration_id("local", "k")
    assert again.json()["status"] == "running"
    requests = [one for one in await stage.inbox() if isinstance(one, CollaborationRequested)]
    assert len(requests) == (2 if written else 1)
    assert len(orchestrator.states) == 1


async def test_r15_a_retry_after_the_catalog_changed_is_a_duplicate(
    start, tmp_path, orchestrator, stage
) -> None:
    changed = tmp_path / "definitions"
    for kind in ("workflows", "agents", "prompts", "models"):
        shutil.copytree(checkout_root() / kind, changed / kind)
    async with (
        start(tmp_path) as gateway,
        httpx.AsyncClient(base_url=gateway.url, timeout=60) as http,
    ):
        before = await post(http, JOB)
        assert before.status_code == 202
    prompt = changed / "prompts" / "coder.yaml"
    prompt.write_text(prompt.read_text() + "\n  Be brief.\n")
    async with (
        start(tmp_path, definitions=changed) as gateway,
        httpx.AsyncClient(base_url=gateway.url, timeout=60) as http,
    ):
        after = await post(http, JOB)
        assert after.status_code == 202
        assert after.json() == before.json()
        assert (await post(http, OTHER)).status_code == 409
    first, second, _ = [r for r in await stage.inbox() if isinstance(r, CollaborationRequested)]
    prompts = {r.definition.agents["coder"].prompt for r in (first, second)}
    assert len(prompts) == 2, "the catalog did change"
    assert first.body_digest == second.body_digest


async def test_r15_another_tenants_key_is_another_collaboration(
    http, keyring, orchestrator
) -> None:
    await keyring.begin()
    theirs = await keyring.tenant("acme")
    answers = []
    for key, body in ((keyring.admin, JOB), (theirs, OTHER)):
        headers = {"authorization": f"Bearer {key}", "idempotency-key": "k"}
        answers.append(await http.post(PATH, json=body, headers=headers))
    assert [answer.status_code for answer in answers] == [202, 202]
    assert len({answer.json()["id"] for answer in answers}) == 2


async def test_r15_the_spelling_of_a_body_does_not_count(two, orchestrator) -> None:
    first, second = two
    body = JOB | {"priority": "batch", "project": "p1", "workflow": "code"}
    spelt = json.dumps(dict(reversed(body.items())), indent=2)
    before = await post(first, body)
    after = await second.post(PATH, content=spelt, headers={"idempotency-key": "k"})
    assert (before.status_code, after.status_code) == (202, 202)
    assert before.json() == after.json()
