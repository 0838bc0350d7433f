"""I18: no secret is in anything that a run leaves behind, whatever a provider quotes back."""

import asyncio
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from msgspec import Struct

from facilitair_client import Facilitair
from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_events.topics import AGENT_TASKS
from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_messaging.ports import Message
from facilitair_testing.canaries import files_of, sightings
from facilitair_testing.desk import Desk
from facilitair_testing.provider.echoing import FAULTS, EchoingProvider, echoing_provider
from facilitair_testing.solo import SoloProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

MODELS = {
    "openai": "openai/gpt-5-mini",
    "anthropic": "anthropic/claude-haiku-4-5",
    "ollama": "ollama/llama3.2",
}
FIRST = ("encoded", "long", "redirect", "quoted", "good")
"""Faults that are not tried again, and a good answer that opens the model again after them."""


class World(Struct, frozen=True, kw_only=True):
    """A solo that calls one provider in several dialects, and every secret it is given."""

    solo: SoloProcess
    provider: EchoingProvider
    secrets: dict[str, str]
    variables: dict[str, str]
    seen: dict[str, bytes]

    def see(self, place: str, content: str | bytes) -> None:
        """Keep what was shown to somebody."""
        held = content.encode() if isinstance(content, str) else content
        self.seen[place] = self.seen.get(place, b"") + b"\n" + held

    async def cli(self, *arguments: str, key: str, stdin: str = "") -> str:
        """Run a command and keep what it prints."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "facilitair_cli", *arguments,
            env={**os.environ, **self.variables, "FACILITAIR_API_KEY": key},
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate(stdin.encode())
        self.see(f"facilitair {' '.join(arguments)}", out + err)
        return out.decode()


def canary(begin: str) -> str:
    """A secret of no known form: only knowing it can keep it out."""
    return f"{begin}{secrets.token_urlsafe(24)}/+x{secrets.token_hex(4)}"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    known = {
        "key in a variable": canary("env"),
        "key in a file": canary("file"),
        "key of a server": canary("server"),
        "key of a tenant": canary("tenant"),
        "master key": secrets.token_hex(32),
        "operator's key": canary("operator-"),
        "pepper": canary("pepper-"),
    }
    (tmp_path / "key").write_text(known["key in a file"] + "\n")
    (tmp_path / "master").write_text(known["master key"] + "\n")
    async with echoing_provider() as provider:
        variables = {
            "FACILITAIR_HOME": str(tmp_path / "home"),
            "FACILITAIR_PROVIDER": "openai",
            "OPENAI_API_KEY": known["key in a variable"],
            "OPENAI_BASE_URL": f"{provider.url}/v1",
            "FACILITAIR_MODEL": "gpt-5-mini",
            "ANTHROPIC_API_KEY_FILE": str(tmp_path / "key"),
            "ANTHROPIC_BASE_URL": provider.url,
            "OLLAMA_HOST": provider.url,
            "OLLAMA_API_KEY": known["key of a server"],
            "FACILITAIR_MASTER_KEY_FILE": str(tmp_path / "master"),
            "FACILITAIR_GATEWAY_KEY_PEPPER": known["pepper"],
            "FACILITAIR_GATEWAY_ADMIN_KEY": known["operator's key"],
            # Everything that a log may hold, and no pause after a key that was refused.
            **{
                f"FACILITAIR_{name}_PROCESS__LOG_LEVEL": "DEBUG"
                for name in ("GATEWAY", "ORCHESTRATOR", "AGENT_WORKER")
            },
            "FACILITAIR_AGENT_WORKER_BREAKER__FAILURES": "1000",
            "FACILITAIR_AGENT_WORKER_BREAKER__BARRED_S": "0.001",
            "FACILITAIR_AGENT_WORKER_BREAKER__OPEN_S": "0.001",
            "FACILITAIR_AGENT_WORKER_BREAKER__LONGEST_S": "0.001",
        }
        solo = SoloProcess(tmp_path / "home", variables=variables, log=tmp_path / "stderr.log")
        await solo.start()
        found = World(
            solo=solo, provider=provider, secrets=known, variables=variables,
            seen={"url": solo.url.encode()},
        )  # fmt: skip
        try:
            yield found
        finally:
            await solo.stop()


async def run(client: Facilitair, world: World, *, model: str, fault: str, mark: str) -> None:
    """One collaboration to its end, and everything that its owner can see of it."""
    submitted = await client.submit(
        f"fault={fault} {mark}", workflow="answer", models={"assistant": model}
    )
    async for event in client.stream(submitted.id):
        world.see("stream", json.dumps(event.data) + event.id)
    world.see("answers", repr(await client.get(submitted.id)))
    world.see("answers", repr(await client.cost(submitted.id)))
    world.see("answers", repr(await client.events(submitted.id)))


async def run_all(client: Facilitair, world: World, *, who: str, provider: str) -> None:
    """One collaboration for each fault; those that are tried again wait at the same time."""

    async def one(fault: str) -> None:
        mark = f"{who}{provider}{fault}"
        await run(client, world, model=MODELS[provider], fault=fault, mark=mark)

    for fault in FIRST:
        await one(fault)
    await asyncio.gather(*map(one, FAULTS.keys() - set(FIRST)))


async def look_at_operations(world: World) -> None:
    """What the operator's ports tell."""
    async with httpx.AsyncClient(timeout=60) as http:
        for path in (world.solo.home / "run").glob("*.ops.json"):
            url = json.loads(path.read_text())["url"]
            for page in ("metrics", "live", "ready"):
                world.see(f"{path.stem} {page}", (await http.get(f"{url}/{page}")).content)


async def look_as_an_administrator(world: World, key: str) -> None:
    """Everything there is a list of, and a dead letter."""
    own = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=world.solo.url, headers=own, timeout=60) as http:
        for path in ("admin/keys", "admin/tenants", "admin/topics", "models", "providers", "me"):
            world.see(path, (await http.get(f"/v1/{path}")).content)
        letters = await http.get("/v1/admin/dlq")
        (letter,) = letters.json()["data"]
        shown = await http.get(f"/v1/admin/dlq/{quote(letter['id'], safe='')}")
        assert shown.status_code == 200
        world.see("dead letters", letters.content + shown.content)


async def ask_wrongly(world: World, keys: list[str]) -> None:
    """Requests that go wrong with a secret in them, as somebody may paste one."""
    async with httpx.AsyncClient(base_url=world.solo.url, timeout=60) as http:
        for key in keys:
            own = {"authorization": f"Bearer {key}"}
            tenants = world.secrets["key of a tenant"]
            answers = [
                await http.get("/v1/me", headers={"authorization": f"Bearer {key[:-1]}"}),
                await http.get("/v1/me", headers={"authorization": f"Token {key}"}),
                await http.put("/v1/providers/none/key", json={"key": tenants}, headers=own),
                await http.put("/v1/providers/openai/key", json={"k": tenants}, headers=own),
                await http.put("/v1/providers/openai/key", content=tenants, headers=own),
                await http.get("/v1/collaborations/x", params={"key": tenants}, headers=own),
            ]
            for answer in answers:
                assert answer.status_code >= 400
                world.see("problems", answer.content + str(answer.headers.raw).encode())


async def spoil_a_task(world: World) -> None:
    """A task that nobody can read: it becomes a dead letter at the next start."""
    registry = Registry.load(topics_dir())
    async with EmbeddedLog.open(world.solo.home / "log" / "log.db", registry.topics) as log:
        desk = Desk(log)
        found = [r for r in await desk.records(AGENT_TASKS) if r.value is not None]
        message = Message(AGENT_TASKS, found[0].key, b'{"broken": true}', found[0].headers)
        async with log.producer() as producer:
            await producer.send([message])


async def read_topics(world: World) -> dict[str, int]:
    """Keep every record of every topic, as it lies in the log; how many there are."""
    registry = Registry.load(topics_dir())
    sizes = {}
    async with EmbeddedLog.open(world.solo.home / "log" / "log.db", registry.topics) as log:
        for topic in registry.names:
            records = await Desk(log).records(topic)
            sizes[topic] = len(records)
            for record in records:
                headers = b"".join(name.encode() + value for name, value in record.headers)
                world.see(topic, (record.key or b"") + (record.value or b"") + headers)
    return sizes


async def bring_a_key(world: World, operator: str) -> tuple[str, str]:
    """Two tenants with keys of ours, one of them with a key of its own for openai."""
    async with Facilitair(world.solo.url, operator) as client:
        issued = []
        for tenant in ("acme", "other"):
            await client.admin.create_tenant(tenant)
            made = await client.admin.create_key(tenant, scopes=["admin"])
            world.secrets[f"our key of {tenant}"] = made.key
            issued.append(made.key)
    acme, other = issued
    told = await world.cli(
        "providers", "set-key", "openai", key=acme, stdin=world.secrets["key of a tenant"]
    )
    assert "your key" in told
    return acme, other


async def test_i18_no_secret_is_in_anything_that_a_run_leaves_behind(world: World) -> None:
    operator = world.secrets["operator's key"]
    acme, other = await bring_a_key(world, operator)
    async with (
        Facilitair(world.solo.url, acme) as ours,
        Facilitair(world.solo.url, other) as theirs,
    ):
        await asyncio.gather(
            run_all(ours, world, who="acme", provider="openai"),
            run_all(ours, world, who="acme", provider="anthropic"),
            run_all(theirs, world, who="other", provider="openai"),
            run_all(theirs, world, who="other", provider="ollama"),
        )
    heard = world.provider.heard
    own = {"acmeopenai": "key of a tenant", "acmeanthropic": "key in a file",
           "otheropenai": "key in a variable", "otherollama": "key of a server"}  # fmt: skip
    for mark, keys in heard.items():
        expected = next(world.secrets[name] for who, name in own.items() if mark.startswith(who))
        assert set(keys) == {expected}, "no call is made with another's key"
    assert heard.keys() == {f"{who}{fault}" for who in own for fault in FAULTS}

    await ask_wrongly(world, [acme, operator])
    await asyncio.gather(world.cli("providers", "ls", key=acme), world.cli("doctor", key=acme))
    await look_at_operations(world)
    await world.solo.stop()
    await spoil_a_task(world)
    await world.solo.start()
    async with Facilitair(world.solo.url, acme) as ours:
        await run(ours, world, model=MODELS["openai"], fault="quoted", mark="acmeopenaiagain")
    assert heard["acmeopenaiagain"] == [world.secrets["key of a tenant"]]
    await look_as_an_administrator(world, operator)
    await look_at_operations(world)
    await world.solo.stop()
    sizes = await read_topics(world)
    assert all(sizes[topic] for topic in ("credentials", "tenants", "agent-tasks-dlq", "llm-calls"))
    check(world)


def check(world: World) -> None:
    left = [
        *files_of(world.solo.home),
        ("stderr", (world.solo.home.parent / "stderr.log").read_bytes()),
        *world.seen.items(),
    ]
    known = {"the task": "acmeopenaiquoted"}
    places = {one.partition(" in ")[2] for one in sightings(known, left)}
    assert {"stream", "answers", "agent-tasks", "log/log.db"} <= places, (
        "the search finds what is there"
    )
    assert list(sightings(world.secrets, left)) == []
