import asyncio
from contextlib import aclosing

import aiohttp
import orjson
import pytest
from aiohttp import web

from facilitair_llm.calls import ChatMessage, ChatRequest, Finished, TextDelta, Usage
from facilitair_llm.continuing import GO_ON
from facilitair_llm.errors import ProviderError
from facilitair_llm.openai_wire import OPENAI_CHAT
from facilitair_llm.providers import (
    HttpChat,
    NetworkRules,
    Timeouts,
    build_session,
    no_key,
    simulator_headers,
)
from facilitair_llm.simulator.journal import Journal
from facilitair_llm.simulator.server import build_app
from facilitair_llm.simulator.settings import SimulatorSettings
from facilitair_testing.eventually import eventually

FAST = SimulatorSettings(ttft_ms=0, tokens_per_s=0)
SOON = Timeouts(connect_s=1, first_byte_s=0.3, idle_s=0.3)


class Client:
    """Talks to one simulator, through our dialect or in plain HTTP."""

    def __init__(self, session, url, journal_path):
        self.session, self.url, self._journal_path = session, url, journal_path

    def model(self, *, fault=None, timeouts=None):
        def headers(call_id, tenant):
            extra = {} if fault is None else {"X-Facilitair-Fault": fault}
            return {**simulator_headers(call_id, tenant), **extra}

        return HttpChat(
            session=self.session,
            dialect=OPENAI_CHAT,
            base_url=f"{self.url}/v1",
            key_of=no_key,
            timeouts=timeouts or Timeouts(),
            extra_headers=headers,
        )

    async def ask(self, user="Hello there", *, fault=None, timeouts=None, **options):
        model = self.model(fault=fault, timeouts=timeouts)
        request = ChatRequest(
            model=options.pop("model", "simulated"),
            messages=(
                ChatMessage(role="system", content=options.pop("system", "")),
                ChatMessage(role="user", content=user),
            ),
            **options,
        )
        async with aclosing(model.stream(request, call_id="call-1", tenant="acme")) as chunks:
            return [chunk async for chunk in chunks]

    async def fail(self, user="Hello there", *, fault=None):
        with pytest.raises(ProviderError) as caught:
            await self.ask(user, fault=fault, timeouts=SOON)
        return caught.value

    async def post(self, **body):
        async with self.session.post(
            f"{self.url}/v1/chat/completions", data=orjson.dumps(body)
        ) as response:
            return response.status, orjson.loads(await response.read())

    def journal(self):
        return [orjson.loads(line) for line in self._journal_path.read_bytes().splitlines()]

    async def ended(self, count=1):
        """Return the journal once `count` requests have ended."""

        def has_ended():
            return sum(entry["outcome"] != "started" for entry in self.journal()) >= count

        await eventually(has_ended, timeout_s=60)
        return self.journal()


@pytest.fixture
async def start(tmp_path):
    """Start simulators with settings; give a client for each."""
    cleanups = []

    async def start_one(settings=FAST):
        path = tmp_path / f"{len(cleanups)}.journal"
        journal = Journal(path)
        runner = web.AppRunner(
            build_app(settings, journal), handler_cancellation=True, shutdown_timeout=0.1
        )
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        session = build_session(NetworkRules(loopback=True))
        cleanups.append((session, runner, journal))
        return Client(session, f"http://127.0.0.1:{runner.addresses[0][1]}", path)

    yield start_one
    for session, runner, journal in cleanups:
        await session.close()
        await runner.cleanup()
        await journal.close()


def text_of(chunks):
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta))


async def test_an_answer_streams_ends_with_its_usage_and_says_simulated(start):
    client = await start()
    chunks = await client.ask("Submarines", model="gpt-9")
    finished = chunks[-1]
    assert "simulated" in text_of(chunks)
    assert isinstance(finished, Finished)
    assert (finished.finish_reason, finished.model) == ("stop", "simulated/gpt-9")
    assert finished.usage.output_tokens == len(chunks) - 1 > 5
    assert finished.usage.input_tokens > 1


async def test_the_same_request_gives_the_same_bytes_streamed_or_not(start):
    client = await start()
    body = {"model": "simulated", "messages": [{"role": "user", "content": "Task: sort words"}]}
    raw = []
    for _ in range(2):
        async with client.session.post(
            f"{client.url}/v1/chat/completions", data=orjson.dumps(body | {"stream": True})
        ) as response:
            raw.append(await response.read())
    assert raw[0] == raw[1]
    whole = await client.post(**body)
    assert whole == await client.post(**body)
    chunks = await client.ask("Task: sort words", system="")
    message = whole[1]["choices"][0]["message"]
    assert message == {"role": "assistant", "content": text_of(chunks)}
    assert whole[1]["system_fingerprint"] == "simulated"


async def test_stop_and_limit_end_an_answer_early(start):
    client = await start()
    whole = text_of(await client.ask())
    cut = await client.ask(max_output_tokens=3)
    assert cut[-1].finish_reason == "length"
    assert cut[-1].usage.output_tokens == 3
    assert whole.startswith(text_of(cut))
    assert text_of(await client.ask(stop=("simulated",))) == whole.partition("simulated")[0]


async def test_a_schema_in_the_request_gives_json_that_obeys_it(start):
    client = await start()
    schema = {"type": "object", "properties": {"approved": {"type": "boolean"}}}
    chunks = await client.ask("nothing", system="Role: reviewer", response_schema=schema)
    assert orjson.loads(text_of(chunks)) == {"approved": False}


async def test_the_journal_has_the_start_on_disk_before_the_first_byte(start):
    client = await start(SimulatorSettings(ttft_ms=0, tokens_per_s=20))
    model = client.model()
    request = ChatRequest(model="m", messages=(ChatMessage(role="user", content="Hello"),))
    chunks = model.stream(request, call_id="call-7", tenant="acme")
    await anext(chunks)
    (entry,) = client.journal()
    at, sha = entry.pop("at"), entry.pop("prompt_sha256")
    assert at.endswith("+00:00")
    assert len(sha) == 64
    assert entry == {
        "call_id": "call-7",
        "tenant": "acme",
        "model": "m",
        "input_tokens": 4,
        "output_tokens": 0,
        "outcome": "started",
    }
    await chunks.aclose()
    entries = await client.ended()
    assert [entry["outcome"] for entry in entries] == ["started", "cancelled"]
    assert 1 <= entries[1]["output_tokens"] < 10


async def test_a_completed_answer_is_in_the_journal_when_its_end_is_read(start):
    client = await start()
    finished = (await client.ask())[-1]
    entries = client.journal()
    assert [entry["outcome"] for entry in entries] == ["started", "completed"]
    assert entries[1]["output_tokens"] == finished.usage.output_tokens
    assert entries[1]["input_tokens"] == finished.usage.input_tokens


async def test_many_requests_at_once_have_two_entries_each(start):
    client = await start()
    await asyncio.gather(*(client.ask(f"Number {number}") for number in range(40)))
    outcomes = [entry["outcome"] for entry in client.journal()]
    assert (outcomes.count("started"), outcomes.count("completed")) == (40, 40)


async def test_pace_is_settable_by_settings_and_by_script(start):
    loop = asyncio.get_running_loop()
    slow = await start(SimulatorSettings(ttft_ms=150, tokens_per_s=0))
    began = loop.time()
    await slow.ask()
    assert loop.time() - began >= 0.15
    for_ever = await start(SimulatorSettings(ttft_ms=3_600_000, tokens_per_s=0))
    await for_ever.ask(fault="ttft_ms=0")
    began = loop.time()
    await slow.ask(fault="ttft_ms=0;tokens_per_s=100", max_output_tokens=20)
    assert loop.time() - began >= 0.19
    dripping = await start()
    began = loop.time()
    await dripping.ask(fault="drip=4000", max_output_tokens=1)
    assert loop.time() - began >= 0.1


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("status=429;retry_after=2", "rate_limited"),
        ("status=500", "unavailable"),
        ("status=401", "authentication"),
        ("error_body", "invalid_request"),
        ("error_after=3", "unavailable"),
        ("cut_after=4", "truncated"),
        ("end_after=4", "truncated"),
        ("malformed", "malformed"),
        ("hang=headers", "timeout"),
        ("hang=body", "timeout"),
        ("hang=stream", "timeout"),
    ],
)
async def test_every_fault_can_be_scripted_by_header_and_by_marker(start, fault, kind):
    client = await start()
    by_header = await client.fail(fault=fault)
    by_marker = await client.fail(f"Hello [[simulator:{fault}]] there")
    assert by_header.kind == by_marker.kind == kind
    if "retry_after" in fault:
        assert by_header.retry_after_s == 2.0
    entries = await client.ended(2)
    assert sorted(entry["outcome"] for entry in entries) == ["faulted"] * 2 + ["started"] * 2


async def test_a_cut_comes_after_exactly_the_tokens_it_names(start):
    client = await start()
    model = client.model(fault="cut_after=4")
    request = ChatRequest(model="m", messages=(ChatMessage(role="user", content="Hello"),))
    seen = []
    with pytest.raises(ProviderError):  # noqa: PT012 - what came before the error is the point
        async for chunk in model.stream(request, call_id="c", tenant="t"):
            seen.append(chunk)  # noqa: PERF401 - a comprehension would lose it
    assert len(seen) == 4
    assert (await client.ended())[-1]["output_tokens"] == 4


async def test_the_usage_can_be_left_out_and_the_answer_is_whole(start):
    client = await start()
    assert (await client.ask(fault="no_usage"))[-1].usage is None


async def test_a_marker_is_no_part_of_the_prompt_that_is_answered(start):
    client = await start()
    plain = await client.ask("Hello there")
    assert text_of(await client.ask("Hello [[simulator:no_usage]]there")) == text_of(plain)


async def test_a_script_can_be_for_one_role_and_for_the_first_times_only(start):
    client = await start()
    marked = "Hello [[simulator:role=coder;status=500;times=2]]"
    await client.ask(marked, system="Role: architect")
    for _ in range(2):
        with pytest.raises(ProviderError):
            await client.ask(marked, system="Role: coder")
    assert await client.ask(marked, system="Role: coder")


@pytest.mark.parametrize(
    "script",
    [
        "explode",
        "status=9",
        "cut_after=x",
        "hang=now",
        "times=0",
        "drip=0",
        "malformed=no",
        "role=",
    ],
)
async def test_an_unknown_script_is_refused_and_not_ignored(start, script):
    client = await start()
    error = await client.fail(fault=script)
    assert error.status == 400
    assert "simulator script" in error.message
    assert client.journal() == []


@pytest.mark.parametrize("fault", ["cut_after=1", "malformed", "end_after=2"])
async def test_without_a_stream_a_cut_breaks_the_connection(start, fault):
    client = await start()
    user = {"role": "user", "content": f"[[simulator:{fault}]]"}
    with pytest.raises(aiohttp.ClientError):
        await client.post(model="m", messages=[user])
    assert (await client.ended())[-1]["outcome"] == "faulted"


GOOD = {"role": "user", "content": "x"}


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({"messages": [GOOD]}, "model"),
        ({"model": "m"}, "messages"),
        ({"model": "m", "messages": []}, "messages"),
        ({"model": "m", "messages": ["x"]}, "messages[0]"),
        ({"model": "m", "messages": [{"role": "user"}]}, "messages[0].content"),
        ({"model": "m", "messages": [GOOD], "max_tokens": 0}, "max_tokens"),
        ({"model": "m", "messages": [GOOD], "stop": [1]}, "stop"),
        (
            {"model": "m", "messages": [GOOD], "response_format": {"type": "json_schema"}},
            "response_format.json_schema.schema",
        ),
    ],
)
async def test_a_bad_request_is_refused_as_openai_refuses_it(start, body, parameter):
    client = await start()
    status, document = await client.post(**body)
    assert status == 400
    assert document["error"]["param"] == parameter
    assert document["error"]["type"] == "invalid_request_error"


async def test_a_body_that_is_no_json_object_is_refused(start):
    client = await start()
    for data in (b"{", b"[]", b"\xff"):
        async with client.session.post(f"{client.url}/v1/chat/completions", data=data) as response:
            assert response.status == 400


async def test_parts_of_a_content_are_read_as_text(start):
    client = await start()
    content = [{"type": "text", "text": "Submarines"}, {"type": "image_url"}]
    status, document = await client.post(model="m", messages=[{"role": "user", "content": content}])
    assert status == 200
    assert "submarines" in document["choices"][0]["message"]["content"]
    assert Usage(input_tokens=1).input_tokens < document["usage"]["prompt_tokens"]


async def test_models_and_health_say_simulated(start):
    client = await start()
    async with client.session.get(f"{client.url}/v1/models") as response:
        assert (await response.json())["data"][0]["id"] == "simulated"
    async with client.session.get(f"{client.url}/health") as response:
        assert await response.json() == {"status": "ok", "simulated": True}


async def test_an_answer_that_was_cut_is_gone_on_from_exactly_where_it_ends(start):
    client = await start()
    model = client.model()
    asked = (ChatMessage(role="user", content="Hello"),)

    async def say(*messages, limit=None):
        request = ChatRequest(model="m", messages=messages, max_output_tokens=limit)
        return [chunk async for chunk in model.stream(request, call_id="c", tenant="t")]

    whole = text_of(await say(*asked))
    begun = text_of(await say(*asked, limit=3))
    more = (ChatMessage(role="assistant", content=begun), ChatMessage(role="user", content=GO_ON))
    rest = await say(*asked, *more)
    assert begun + text_of(rest) == whole
    assert rest[-1].finish_reason == "stop"
