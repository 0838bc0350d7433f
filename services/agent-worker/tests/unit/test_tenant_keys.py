"""Whose key a call is made with, as the provider hears it; no other key takes its place."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_bytes
from typing import Any

import msgspec
import pytest

from facilitair_agent_worker.app import AgentWorker, build_app
from facilitair_agent_worker.settings import AgentWorkerSettings
from facilitair_agent_worker.tenant_keys import TenantKeys
from facilitair_events.codec import decode, encode, type_name
from facilitair_events.credentials import CredentialRemoved, CredentialStored
from facilitair_events.envelope import Envelope, from_headers, timestamp, to_headers
from facilitair_events.keys import credential_key, task_key
from facilitair_events.requests import AttemptReported
from facilitair_events.topics import AGENT_TASKS, COLLABORATION_INBOX, CREDENTIALS
from facilitair_llm.calls import ChatMessage, ChatRequest
from facilitair_llm.endpoints import Endpoint, Endpoints
from facilitair_llm.errors import ProviderError
from facilitair_llm.sealing import MasterKeys
from facilitair_llm.secret import Secret
from facilitair_messaging.ports import Log, Message
from facilitair_testing.desk import Desk as LogDesk
from facilitair_testing.desk import task
from facilitair_testing.eventually import eventually
from facilitair_testing.provider.answers import Answer
from facilitair_testing.provider.scripts import Script
from facilitair_testing.provider.server import ScriptedProvider, scripted_provider

MASTER, OTHER = MasterKeys([b"m" * 32]), MasterKeys([b"o" * 32])
AT = datetime(2026, 1, 1, tzinfo=UTC)
REQUEST = ChatRequest(model="m", messages=(ChatMessage(role="user", content="x"),))
PROVIDERS = {
    "openai": "openai-chat",
    "anthropic": "anthropic-messages",
    "ollama": "ollama-chat",
    "p": "openai-chat",
}


def message_of(tenant: str, provider: str, data: Any, *, headers_of: str | None = None) -> Message:
    envelope = Envelope(
        id="e-1", type=type_name(data), source="gateway", time=timestamp(0), subject=provider,
        tenant=headers_of or tenant, project="default", actor="a", correlation="c",
    )  # fmt: skip
    key = credential_key(tenant, provider).encode()
    return Message(CREDENTIALS, key, encode(data), to_headers(envelope))


def stored(tenant: str, provider: str, key: str, *, keys: MasterKeys = MASTER) -> CredentialStored:
    sealed = keys.seal(Secret(key), tenant=tenant, provider=provider, nonce=token_bytes(12))
    return CredentialStored(
        tenant=tenant, provider=provider, algorithm="aes-256-gcm",
        master_key_id=sealed.master_key_id, nonce=sealed.nonce, ciphertext=sealed.ciphertext,
        hint="", set_by="a", set_at=AT,
    )  # fmt: skip


class Desk:
    """Writes what a gateway writes, and asks models as the worker would for a tenant."""

    def __init__(self, log: Log, worker: AgentWorker, provider: ScriptedProvider) -> None:
        self.log, self.worker, self.provider = log, worker, provider

    async def write(self, *messages: Message) -> None:
        async with self.log.producer() as producer:
            await producer.send(messages)

    async def store(self, tenant: str, provider: str, key: str, **more: Any) -> None:
        await self.write(message_of(tenant, provider, stored(tenant, provider, key, **more)))

    async def remove(self, tenant: str, provider: str) -> None:
        removed = CredentialRemoved(tenant=tenant, provider=provider, removed_by="a", removed_at=AT)
        await self.write(message_of(tenant, provider, removed))

    async def heard(self, tenant: str, provider: str = "openai") -> str:
        """The key that the provider hears of a call for a tenant, or the fault."""
        before = len(self.provider.received)
        model = self.worker.models[provider]
        try:
            assert [c async for c in model.stream(REQUEST, call_id="c", tenant=tenant)]
        except ProviderError as error:
            nothing = ("authentication", False, False, 0)
            asked = len(self.provider.received) - before
            found = (error.kind, error.sent, error.retryable, asked)
            return error.message if found == nothing else f"not as it should be: {found}"
        headers = {
            name.title(): value for name, value in self.provider.received[-1].headers.items()
        }
        return headers.get("X-Api-Key") or headers.get("Authorization", "").removeprefix("Bearer ")

    async def attempt(self, tenant: str, number: int) -> AttemptReported:
        """How an attempt of a tenant ends, on the model of provider ``p``."""
        wanted = task(attempt=number)
        envelope = Envelope(
            id=f"{tenant}-{number}", type=type_name(wanted), source="orchestrator",
            time=timestamp(0), subject=wanted.collaboration, tenant=tenant, project="default",
            actor="a", correlation="c",
        )  # fmt: skip
        key = task_key(tenant, wanted.collaboration, wanted.path).encode()
        await self.write(Message(AGENT_TASKS, key, encode(wanted), to_headers(envelope)))

        async def report() -> AttemptReported | None:
            for record in await LogDesk(self.log).records(COLLABORATION_INBOX):
                about = from_headers(record.headers)
                data = decode(about.type, record.value or b"")
                if isinstance(data, AttemptReported) and (
                    (about.tenant, data.attempt) == (tenant, number)
                ):
                    return data
            return None

        found = await eventually(report, timeout_s=120, what="a report")
        assert found is not None
        return found

    async def comes(self, tenant: str, wanted: str, provider: str = "openai") -> None:
        """Wait until a tenant's calls are made with a key: the worker follows the log."""

        async def heard() -> bool:
            return await self.heard(tenant, provider) == wanted

        await eventually(heard, timeout_s=120, what=f"a call with {wanted}")

    async def told(self, tenant: str, provider: str = "openai") -> str:
        """What a tenant's call fails with, once the worker knows that it has to."""

        async def failed() -> str:
            found = await self.heard(tenant, provider)
            return "" if found.startswith(("env-", "key-")) else found

        return await eventually(failed, timeout_s=120, what="a call that fails")


@pytest.fixture
def run(log: Log, tmp_path: Path) -> Any:
    @asynccontextmanager
    async def running(
        *, master_keys: MasterKeys = MASTER, remote: bool = False, before: tuple[Message, ...] = (),
        **settings: Any,
    ) -> AsyncIterator[Desk]:  # fmt: skip
        async with scripted_provider(tmp_path / "provider.jsonl") as provider:
            provider.default = Script(answer=Answer(tokens=("fine",)))
            url = provider.url
            if remote:
                url = url.replace("127.0.0.1", "[::ffff:127.0.0.1]")
                settings["network"] = {"allowed": ["127.0.0.0/8"]}
            endpoints = Endpoints(
                by_provider={
                    name: Endpoint(
                        provider=name, dialect=dialect, api_key=Secret(f"env-key-of-{name}"),
                        base_url=f"{url}/v1" if name in {"openai", "p"} else url,
                    )
                    for name, dialect in PROVIDERS.items()
                },
                default_provider="openai",
                master_keys=master_keys,
            )  # fmt: skip
            async with log.producer() as producer:
                if before:
                    await producer.send(before)
            config = AgentWorkerSettings(home=tmp_path, **settings)
            async with build_app(config, log, endpoints=endpoints) as worker:
                stop = asyncio.Event()
                task = asyncio.create_task(worker.run(stop))
                await eventually(worker.ready, what="the worker to take tasks")
                try:
                    yield Desk(log, worker, provider)
                finally:
                    stop.set()
                    await task

    return running


@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_tenants_calls_are_made_with_its_own_key_and_no_others_are(run, name) -> None:
    async with run() as desk:
        assert await desk.heard("acme", name) == f"env-key-of-{name}"
        await desk.store("acme", name, "key-of-acme")
        await desk.comes("acme", "key-of-acme", name)
        assert await desk.heard("other", name) == f"env-key-of-{name}"
        await desk.store("other", name, "key-of-other")
        await desk.comes("other", "key-of-other", name)
        for _ in range(3):
            assert await desk.heard("acme", name) == "key-of-acme"
            assert await desk.heard("other", name) == "key-of-other"
            assert await desk.heard("third", name) == f"env-key-of-{name}"
        for other in PROVIDERS.keys() - {name}:
            assert await desk.heard("acme", other) == f"env-key-of-{other}"


async def test_keys_are_known_before_the_first_task_is_taken(run) -> None:
    written = tuple(
        message_of("acme", "openai", stored("acme", "openai", f"key-{number}"))
        for number in range(200)
    )
    async with run(before=written) as desk:
        assert await desk.heard("acme") == "key-199"


async def test_a_new_key_and_a_removal_count_from_the_next_call(run) -> None:
    async with run() as desk:
        await desk.store("acme", "openai", "key-1")
        await desk.comes("acme", "key-1")
        await desk.store("acme", "openai", "key-2")
        await desk.comes("acme", "key-2")
        await desk.remove("acme", "openai")
        await desk.comes("acme", "env-key-of-openai")


async def test_a_key_that_cannot_be_opened_fails_its_calls_and_no_other_is_used(run) -> None:
    async with run() as desk:
        await desk.store("acme", "openai", "key-of-acme", keys=OTHER)
        message = await desk.told("acme")
        assert "the key of tenant acme for openai cannot be opened: master key" in message
        assert OTHER.ids[0] in message
        assert "FACILITAIR_MASTER_KEY" in message
        assert await desk.heard("other") == "env-key-of-openai"


async def test_without_a_master_key_a_stored_key_is_not_passed_over(run) -> None:
    async with run(master_keys=MasterKeys()) as desk:
        await desk.store("acme", "openai", "key-of-acme")
        assert "FACILITAIR_MASTER_KEY lacks that: it is not set" in await desk.told("acme")


async def test_a_key_under_another_tenants_name_opens_for_nobody(run) -> None:
    """Whoever can write to the log cannot hand one tenant the key of another."""
    async with run() as desk:
        moved = msgspec.structs.replace(stored("acme", "openai", "key-of-acme"), tenant="other")
        await desk.write(message_of("other", "openai", moved))
        message = await desk.told("other")
        assert "cannot be opened: it was changed, or sealed for another" in message


@pytest.mark.parametrize("broken", ["value", "owner"])
async def test_a_record_that_cannot_be_read_is_a_key_that_cannot_be_used(run, broken) -> None:
    good = message_of("acme", "openai", stored("acme", "openai", "key-of-acme"))
    bad = Message(CREDENTIALS, good.key, b"{}", good.headers)
    if broken == "owner":
        data = stored("acme", "openai", "key-of-acme")
        bad = message_of("acme", "openai", data, headers_of="other")
    async with run() as desk:
        await desk.write(bad)
        assert "the key of tenant acme for openai cannot be read" in await desk.told("acme")
        assert await desk.heard("other") == "env-key-of-openai"
        await desk.write(Message(CREDENTIALS, good.key, None, good.headers))
        await desk.comes("acme", "env-key-of-openai")


async def test_a_worker_may_require_that_tenants_bring_their_own(run) -> None:
    async with run(remote=True, require_tenant_keys=True) as desk:
        message = await desk.heard("acme")
        assert "the key of tenant acme for openai is missing" in message
        assert "facilitair providers set-key openai" in message
        await desk.store("acme", "openai", "key-of-acme")
        await desk.comes("acme", "key-of-acme")
        assert "the key of tenant other for openai is missing" in await desk.heard("other")


async def test_servers_of_this_machine_need_no_key_of_a_tenant(run) -> None:
    async with run(require_tenant_keys=True) as desk:
        assert await desk.heard("acme") == "env-key-of-openai"


async def test_a_key_that_a_provider_refuses_closes_the_model_to_nobody_else(run) -> None:
    """The breaker of a model is the account's: a tenant's bad key is that tenant's trouble."""
    async with run() as desk:
        await desk.store("acme", "p", "bad-key")
        await desk.comes("acme", "bad-key", "p")
        desk.provider.scripts.append(Script(status=401))
        first = await desk.attempt("acme", 1)
        second = await desk.attempt("acme", 2)
        assert first.fault is not None
        assert second.fault is not None
        assert (first.fault.code, second.fault.code) == ("authentication", "authentication")
        assert "refused us" in second.fault.message
        assert (await desk.attempt("other", 1)).outcome == "completed"
        await desk.store("acme", "p", "good-key")
        await desk.comes("acme", "good-key", "p")
        assert (await desk.attempt("acme", 3)).outcome == "completed"
        assert desk.provider.received[-1].headers["Authorization"] == "Bearer good-key"


async def test_a_key_that_cannot_be_used_is_the_fault_of_its_attempt(run) -> None:
    """It says what the operator has to do, costs nothing, and asks nobody."""
    async with run(master_keys=MasterKeys()) as desk:
        await desk.store("acme", "p", "key-of-acme")
        await desk.told("acme", "p")
        asked = len(desk.provider.received)
        fault = (await desk.attempt("acme", 1)).fault
        assert fault is not None
        assert (fault.code, fault.retryable) == ("authentication", False)
        assert "the key of tenant acme for p cannot be opened" in fault.message
        assert "FACILITAIR_MASTER_KEY lacks that: it is not set" in fault.message
        assert len(desk.provider.received) == asked


def test_keys_are_in_no_repr() -> None:
    endpoint = Endpoint(provider="p", base_url="http://127.0.0.1:9", api_key=Secret("sk-secret"))
    keys = TenantKeys(master_keys=MASTER, endpoints={"p": endpoint}, required=False)
    assert "sk-secret" not in f"{keys!r} {vars(keys)}"
