"""How much of a response is read, and what it may tell of the key that it was asked with."""

import asyncio
import base64
import gzip
from contextlib import aclosing
from urllib.parse import quote

import orjson
import pytest
from aiohttp import web

from facilitair_llm.calls import ChatMessage, ChatRequest, Finished, Image, TextDelta
from facilitair_llm.errors import ProviderError
from facilitair_llm.providers import ResponseLimits

REQUEST = ChatRequest(model="m", messages=(ChatMessage(role="user", content="hi"),))
KEY = "CANARY-0123456789abcdef"
END = b'data: {"model":"m-1","choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def text_event(text: str) -> bytes:
    return b"data: " + orjson.dumps({"choices": [{"delta": {"content": text}}]}) + b"\n\n"


async def collect(model, request=REQUEST):
    async with aclosing(model.stream(request, call_id="c-1", tenant="acme")) as chunks:
        return [chunk async for chunk in chunks]


async def failure(model, request=REQUEST):
    with pytest.raises(ProviderError) as caught:
        await collect(model, request)
    return caught.value


async def test_a_response_is_read_up_to_its_limit(provider, build_model):
    provider.stream(*[text_event("x" * 1000)] * 20, END)
    assert len(await collect(build_model(limits=ResponseLimits(max_bytes=30_000)))) == 21
    error = await failure(build_model(limits=ResponseLimits(max_bytes=10_000)))
    assert (error.kind, error.message) == ("malformed", "the answer has more than 10000 bytes")


async def test_an_endless_response_of_small_events_ends_at_the_limit(provider, build_model):
    async def handler(request):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        while True:
            await response.write(text_event("x"))

    provider.handler = handler
    error = await failure(build_model(limits=ResponseLimits(max_bytes=100_000)))
    assert error.message == "the answer has more than 100000 bytes"
    await asyncio.wait_for(provider.gone.wait(), 60)


@pytest.mark.parametrize("whole", [True, False], ids=["at once", "in pieces"])
@pytest.mark.parametrize("size", [5_000, 10_000_000])
async def test_one_event_is_read_up_to_its_limit(provider, build_model, whole, size):
    giant = text_event("x" * size)
    parts = [giant] if whole else [giant[i : i + 1024] for i in range(0, len(giant), 1024)][:3000]
    provider.stream(text_event("before"), *parts, END)
    limits = ResponseLimits(max_event_bytes=4_000)
    assert (await failure(build_model(limits=limits))).kind == "malformed"


async def test_small_events_that_come_together_are_no_large_one(provider, build_model):
    provider.stream(text_event("x" * 3000) * 40 + END)
    limits = ResponseLimits(max_event_bytes=4_000)
    assert len(await collect(build_model(limits=limits))) == 41


async def test_comments_without_end_are_no_answer(provider, build_model):
    provider.stream(*[b": keep-alive\n\n" * 100] * 100, END)
    error = await failure(build_model(limits=ResponseLimits(max_event_bytes=10_000)))
    assert error.message == "an event has more than 10000 bytes"


async def raw_server(answer: bytes):
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


@pytest.mark.parametrize(
    "headers",
    [b"X-Big: " + b"x" * 20_000 + b"\r\n", b"".join(b"X-%d: y\r\n" % n for n in range(500))],
    ids=["one large", "too many"],
)
async def test_headers_are_read_up_to_their_limit(build_model, headers):
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + headers + b"\r\n" + END
    server = await raw_server(answer)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        error = await failure(build_model(base_url=url))
        assert (error.kind, "headers are too large" in error.message) == ("malformed", True)
        if headers.startswith(b"X-Big"):
            limits = ResponseLimits(max_header_bytes=30_000)
            assert await collect(build_model(base_url=url, limits=limits))


async def test_a_page_of_an_error_is_read_up_to_its_limit(provider, build_model):
    body = b'{"error":{"message":"' + b"x" * 5000 + b'","code":"rate_limit_exceeded"}}'
    provider.reply(status=500, body=body)
    assert (await failure(build_model())).kind == "rate_limited"
    error = await failure(build_model(limits=ResponseLimits(max_error_bytes=1000)))
    assert error.kind == "unavailable"


async def test_a_compressed_stream_is_refused_and_not_unpacked(provider, build_model):
    bomb = gzip.compress(text_event("x") * 200_000)

    async def handler(request):
        assert request.headers["Accept-Encoding"] == "identity"
        headers = {"Content-Type": "text/event-stream", "Content-Encoding": "gzip"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        await response.write(bomb)
        return response

    provider.handler = handler
    error = await failure(build_model())
    assert (error.kind, "compressed" in error.message) == ("malformed", True)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "GZIP, gzip"])
async def test_a_compressed_error_is_judged_by_its_status(provider, build_model, encoding):
    body = gzip.compress(b'{"error":{"message":"' + b"x" * 1_000_000 + b'"}}')
    provider.reply(status=429, body=body, headers={"Content-Encoding": encoding})
    error = await failure(build_model())
    assert (error.kind, error.message) == ("rate_limited", "no message")


@pytest.mark.parametrize("encoding", ["identity", "Identity", " identity "])
async def test_an_answer_may_say_that_it_is_plain(provider, build_model, encoding):
    provider.reply(
        body=END, content_type="text/event-stream", headers={"Content-Encoding": encoding}
    )
    assert (await collect(build_model()))[-1].finish_reason == "stop"


FORMS = {
    "plain": KEY,
    "bearer": f"Bearer {KEY}",
    "url": quote(f"https://x/?key={KEY}&z", safe=""),
    "base64": base64.b64encode(f"user:{KEY}".encode()).decode(),
    "hex": KEY.encode().hex(),
}


def shown(error: BaseException) -> str:
    """Everything that the error, and what led to it, says about itself."""
    told, at = "", error
    while at is not None:
        told += f"{at!r} {at} {at.args} {getattr(at, 'message', '')}\n"
        at = at.__cause__
    return told


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("where", ["body", "plain body", "stream", "end of a long body"])
async def test_a_key_that_is_quoted_back_is_in_no_error(provider, build_model, form, where):
    told = f"wrong key {FORMS[form]}"
    error = orjson.dumps({"error": {"message": told, "code": "invalid_api_key"}})
    if where == "stream":
        provider.stream(text_event("x"), b"data: " + error + b"\n\n")
    elif where == "body":
        provider.reply(status=401, body=error, headers={"X-Echo": FORMS[form]})
    elif where == "plain body":
        provider.reply(status=401, text=told)
    else:
        # The message is cut where the key stands.
        provider.reply(status=401, text="x" * (390 - len(told) + len(FORMS[form])) + told)
    found = shown(await failure(build_model(api_key=KEY)))
    assert not [each for each in FORMS.values() if each[4:-4] in found]
    assert KEY[:10] not in found
    assert "wrong" in found or where.startswith("end")


async def test_a_key_that_a_broken_header_quotes_is_in_no_error(build_model):
    server = await raw_server(b"HTTP/1.1 401 Wrong\r\nX bad " + KEY.encode() + b"\r\n\r\n")
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        error = await failure(build_model(base_url=url, api_key=KEY))
    assert KEY not in f"{error!r} {error} {error.args}"


async def test_names_that_a_provider_chose_hold_no_key(provider, build_model):
    async def handler(request):
        headers = {"Content-Type": "text/event-stream", "X-Request-Id": f"req-{KEY}"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        await response.write(END.replace(b"m-1", KEY.encode()))
        return response

    provider.handler = handler
    end = (await collect(build_model(api_key=KEY)))[-1]
    assert isinstance(end, Finished)
    assert (end.model, end.provider_request_id) == ("[removed]", "req-[removed]")


@pytest.mark.parametrize("key", [None, KEY])
async def test_names_that_a_provider_chose_are_cut(provider, build_model, key):
    provider.stream(END.replace(b"m-1", b"m" * 100_000))
    end = (await collect(build_model(api_key=key)))[-1]
    assert end.model == "m" * 256


@pytest.mark.parametrize(
    ("told", "known"), [(10**12, True), (10**12 + 1, False), (2**64 - 1, False)]
)
async def test_counts_that_nothing_can_have_are_unknown(provider, build_model, told, known):
    usage = {"prompt_tokens": told, "completion_tokens": 1}
    event = b"data: " + orjson.dumps({"choices": [], "usage": usage}) + b"\n\n"
    provider.stream(END.replace(b"data: [DONE]\n\n", b"") + event)
    assert ((await collect(build_model()))[-1].usage is not None) == known


async def test_an_image_by_reference_is_the_providers_to_fetch(provider, build_model):
    """Its URL goes into the request as it is; nothing here ever connects to it."""
    url = "https://169.254.169.254/latest/meta-data"
    message = ChatMessage(role="user", content="what is it?", images=(Image(url),))
    provider.stream(text_event("a fox"), END)
    chunks = await collect(build_model(), ChatRequest(model="m", messages=(message,)))
    assert chunks[0] == TextDelta("a fox")
    assert len(provider.requests) == 1
    assert url.encode() in provider.requests[0][1]
