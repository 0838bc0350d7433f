"""Every fault and every answer means the same in every dialect."""

import asyncio
import hashlib
from itertools import pairwise

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_events.requests import Usage
from facilitair_llm.calls import ChatMessage, ChatRequest, Chunk, TextDelta
from facilitair_llm.dialect_registry import BUILT_IN, load_dialect
from facilitair_llm.dialects import Asked
from facilitair_llm.errors import ProviderError
from facilitair_llm.framing import EventTooLargeError
from facilitair_llm.providers import HttpChat, NetworkRules, build_session, simulator_headers
from facilitair_llm.secret import Secret
from facilitair_llm.simulator.journal import Journal
from facilitair_testing.eventually import eventually
from facilitair_testing.provider.answers import SIXTY, Answer, Call
from facilitair_testing.provider.cases import AFTER, CASES, PATIENT
from facilitair_testing.provider.outcomes import seen, watch
from facilitair_testing.provider.scripts import Script
from facilitair_testing.provider.server import SPEECHES, scripted_provider

REQUEST = ChatRequest(model="m", messages=(ChatMessage(role="user", content="hi"),))
DIALECTS = {speech.dialect: speech for speech in SPEECHES}
each_dialect = pytest.mark.parametrize("dialect", DIALECTS)


def as_told(expected, dialect):
    """The counts as far as the dialect tells them."""
    usage = expected.usage
    if usage is not None and not DIALECTS[dialect].counts_kinds:
        usage = Usage(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)
    return type(expected)(
        **{field: getattr(expected, field) for field in expected.__struct_fields__}
        | {"usage": usage}
    )


@pytest.fixture
async def provider(tmp_path):
    async with scripted_provider(tmp_path / "journal.jsonl") as scripted:
        yield scripted


@pytest.fixture
async def session():
    async with build_session(NetworkRules(loopback=True)) as opened:
        yield opened


@pytest.fixture
def build(provider, session):
    def build(dialect, timeouts=PATIENT):
        base_url = f"{provider.url}/v1" if dialect == "openai-chat" else provider.url
        return HttpChat(
            session=session,
            dialect=load_dialect(dialect),
            base_url=base_url,
            key_of=lambda _: Secret("sk-test"),
            timeouts=timeouts,
            extra_headers=simulator_headers,
        )

    return build


def entries(tmp_path):
    return [orjson.loads(line) for line in (tmp_path / "journal.jsonl").read_bytes().splitlines()]


def test_there_is_a_speech_for_every_dialect():
    assert set(DIALECTS) == set(BUILT_IN)


@each_dialect
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_case(case, dialect, provider, build):
    provider.scripts.append(case.script)
    read_to_the_break = asyncio.Event()
    provider.before_break = read_to_the_break.wait
    read = 0

    async def count(chunk: Chunk) -> None:
        nonlocal read
        read += isinstance(chunk, TextDelta)
        if read == AFTER:
            read_to_the_break.set()

    for expected in case.expected:
        found = await watch(build(dialect, case.timeouts), REQUEST, on_chunk=count)
        assert found == as_told(expected, dialect)
    # A hasty client may give up before its request arrived; none is ever repeated.
    assert len(provider.received) <= len(case.expected)


@each_dialect
async def test_the_request_id_is_the_providers(dialect, build):
    model = build(dialect)
    *_, end = [chunk async for chunk in model.stream(REQUEST, call_id="c", tenant="t")]
    told = DIALECTS[dialect].request_id_header is not None
    assert end.provider_request_id == (f"{SIXTY.id}-request" if told else None)


@each_dialect
async def test_a_request_is_in_the_journal_with_its_outcome(dialect, provider, build, tmp_path):
    provider.scripts.extend([Script(), Script(broken="end")])
    for _ in range(2):
        await watch(build(dialect), REQUEST)
    found = entries(tmp_path)
    assert [entry["outcome"] for entry in found] == ["started", "completed", "started", "faulted"]
    assert {(entry["call_id"], entry["tenant"], entry["model"]) for entry in found} == {
        ("call-1", "acme", "m")
    }
    body = provider.received[0].body
    assert found[0]["prompt_sha256"] == hashlib.sha256(body).hexdigest()
    assert [entry["output_tokens"] for entry in found] == [0, 60, 0, 40]


@each_dialect
async def test_a_client_that_leaves_is_in_the_journal(dialect, provider, build, tmp_path):
    provider.scripts.append(Script(drip_s=0.001))
    stream = build(dialect).stream(REQUEST, call_id="c", tenant="t")
    assert await anext(stream) == TextDelta("t0 ")
    await stream.aclose()
    await eventually(
        lambda: entries(tmp_path)[-1]["outcome"] == "cancelled", timeout_s=120, what="left"
    )


@each_dialect
async def test_no_byte_leaves_before_the_journal_is_on_disk(dialect, tmp_path, session):
    synced = asyncio.Event()

    class HeldJournal(Journal):
        def append(self, entry):
            written = super().append(entry)

            async def hold():
                await written
                await synced.wait()

            return asyncio.ensure_future(hold())

    path = tmp_path / "journal.jsonl"
    async with scripted_provider(path, open_journal=HeldJournal) as held:
        url = held.url + DIALECTS[dialect].route
        post = asyncio.create_task(session.post(url, data=b'{"model":"m"}').__aenter__())
        await eventually(lambda: path.stat().st_size > 0, timeout_s=60, what="an entry")
        assert not post.done()
        synced.set()
        response = await asyncio.wait_for(post, 60)
        response.close()


def decode(speech, parts):
    """What the bytes say, cut into these parts."""
    dialect = load_dialect(speech.dialect)
    parser = dialect.build_parser()
    decoder = dialect.build_decoder(Asked(request=REQUEST, options=dialect.options()))
    chunks = []
    try:
        for part in parts:
            for event in parser.feed(part):
                chunks += decoder.decode(event)
        chunks.append(decoder.finish())
    except ProviderError as error:
        return seen(chunks, error=error)
    except EventTooLargeError:
        return [*chunks, "too large"]
    return seen(chunks)


TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6)
ANSWERS = st.builds(
    Answer,
    tokens=st.lists(TEXTS, max_size=6).map(tuple),
    thoughts=st.lists(TEXTS, max_size=2).map(tuple),
    calls=st.lists(
        st.builds(Call, st.sampled_from("ab"), TEXTS, st.just(('{"a":', '"🙂"', "}"))), max_size=2
    ).map(tuple),
)
SCRIPTS = st.builds(
    Script,
    answer=ANSWERS,
    usage=st.sampled_from(["once", "never", "twice"]),
    mixed_calls=st.booleans(),
)


@each_dialect
@given(script=SCRIPTS, spoiled=st.booleans(), cuts=st.lists(st.integers(0, 4000), max_size=12))
def test_how_the_bytes_are_cut_changes_nothing(dialect, script, spoiled, cuts):
    speech = DIALECTS[dialect]
    stream = speech.write(script).whole()
    if spoiled:
        stream = stream[: len(stream) // 2] + speech.error_event + stream[len(stream) // 2 :]
    edges = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    whole = decode(speech, [stream])
    assert decode(speech, [stream[a:b] for a, b in pairwise(edges)]) == whole
    assert decode(speech, [stream[i : i + 1] for i in range(len(stream))]) == whole


@given(script=SCRIPTS)
def test_every_dialect_says_the_same(script):
    answer = script.answer
    found = {}
    for name, speech in DIALECTS.items():
        found[name] = decode(speech, [speech.write(script).whole()])
    assert len(set(found.values())) == 1
    assert found["openai-chat"].text == "".join(answer.tokens)
    assert found["openai-chat"].thoughts == "".join(answer.thoughts)
    assert len(found["openai-chat"].calls) == len(answer.calls)
