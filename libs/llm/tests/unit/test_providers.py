import asyncio
import socket
from contextlib import aclosing

import orjson
import pytest
from aiohttp import web

from facilitair_llm.calls import ChatMessage, ChatRequest, Finished, TextDelta, Usage
from facilitair_llm.errors import ProviderError
from facilitair_llm.providers import Timeouts, simulator_headers

REQUEST = ChatRequest(model="m", messages=(ChatMessage(role="user", content="hi"),))
FAST = Timeouts(connect_s=1, first_byte_s=0.15, idle_s=0.15)
DONE = b"data: [DONE]\n\n"


def event(*, finish=None, usage=None, **delta):
    document = {"model": "m-1", "choices": [{"delta": delta, "finish_reason": finish}]}
    return b"data: " + orjson.dumps(document | ({"usage": usage} if usage else {})) + b"\n\n"


HELLO, STOP = event(content="hello"), event(finish="stop")


async def collect(model, request=REQUEST):
    async with aclosing(model.stream(request, call_id="c-1", tenant="acme")) as chunks:
        return [chunk async for chunk in chunks]


async def failure(model):
    with pytest.raises(ProviderError) as caught:
        await collect(model)
    return caught.value


async def test_a_stream_gives_its_text_and_one_finished_at_the_end(provider, build_model):
    usage = {"prompt_tokens": 3, "completion_tokens": 1}
    provider.stream(HELLO, STOP, event(usage=usage), DONE)
    assert await collect(build_model()) == [
        TextDelta("hello"),
        Finished("stop", Usage(input_tokens=3, output_tokens=1), "m-1", None),
    ]


async def test_characters_split_over_reads_arrive_whole(provider, build_model):
    whole = event(content="grüße 🙂") + STOP + DONE
    provider.stream(*(whole[i : i + 1] for i in range(len(whole))))
    assert (await collect(build_model()))[0] == TextDelta("grüße 🙂")


async def test_the_key_goes_into_the_header_and_the_call_is_named_to_nobody(provider, build_model):
    provider.stream(STOP, DONE)
    await collect(build_model(api_key="sk-secret"))
    headers, body = provider.requests[0]
    assert headers["Authorization"] == "Bearer sk-secret"
    assert not [name for name in headers if name.startswith("X-Facilitair")]
    assert orjson.loads(body)["model"] == "m"


async def test_the_simulator_is_told_call_and_tenant(provider, build_model):
    provider.stream(STOP, DONE)
    await collect(build_model(extra_headers=simulator_headers))
    headers, _ = provider.requests[0]
    assert headers["X-Facilitair-Call-Id"] == "c-1"
    assert headers["X-Facilitair-Tenant"] == "acme"
    assert "Authorization" not in headers


async def test_the_request_id_is_the_providers(provider, build_model):
    async def handler(request):
        headers = {"Content-Type": "text/event-stream", "X-Request-Id": "req-7"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        await response.write(STOP + DONE)
        return response

    provider.handler = handler
    assert (await collect(build_model()))[-1].provider_request_id == "req-7"


@pytest.mark.parametrize("status", [429, 500, 503, 529])
async def test_an_error_is_raised_once_and_nothing_is_repeated(provider, build_model, status):
    provider.reply(status=status, headers={"Retry-After": "7"}, body=b'{"error":{"message":"no"}}')
    error = await failure(build_model())
    assert (error.status, error.retry_after_s, error.retryable) == (status, 7.0, True)
    assert len(provider.requests) == 1


async def test_a_redirect_is_not_followed(provider, build_model):
    provider.reply(status=307, headers={"Location": provider.url + "/chat/completions"})
    error = await failure(build_model(api_key="sk-secret"))
    assert error.kind == "invalid_request"
    assert "base URL" in error.message
    assert len(provider.requests) == 1


async def test_a_200_with_an_error_body_is_an_error(provider, build_model):
    provider.reply(
        body=b'{"error":{"message":"wait","code":"rate_limit_exceeded"}}',
        content_type="application/json",
    )
    assert (await failure(build_model())).kind == "rate_limited"


@pytest.mark.parametrize("body", ["<html>login</html>", "{}", ""])
async def test_a_200_that_is_no_stream_is_malformed(provider, build_model, body):
    provider.reply(text=body, content_type="text/html")
    assert (await failure(build_model())).kind == "malformed"


async def test_an_error_body_is_read_up_to_a_bound(provider, build_model):
    provider.reply(status=500, body=b"x" * 10_000_000)
    assert (await failure(build_model())).kind == "unavailable"


async def test_an_error_in_mid_stream_comes_after_the_text_before_it(provider, build_model):
    provider.stream(HELLO, b'data: {"error":{"message":"x","type":"overloaded_error"}}\n\n')
    chunks = build_model().stream(REQUEST, call_id="c", tenant="t")
    assert await anext(chunks) == TextDelta("hello")
    with pytest.raises(ProviderError) as caught:
        await anext(chunks)
    assert caught.value.kind == "overloaded"


@pytest.mark.parametrize("cut", [False, True])
async def test_a_stream_that_ends_early_is_truncated_and_never_a_success(
    provider, build_model, cut
):
    provider.stream(HELLO, cut=cut)
    assert (await failure(build_model())).kind == "truncated"


async def test_a_connection_that_breaks_after_the_finish_reason_loses_only_the_usage(
    provider, build_model
):
    provider.stream(HELLO, STOP, cut=True)
    finished = (await collect(build_model()))[-1]
    assert (finished.finish_reason, finished.usage) == ("stop", None)


@pytest.mark.parametrize(
    "event_bytes", [b"data: {\n\n", b"data: " + b"x" * (1 << 20) + b"\n\n"], ids=["json", "giant"]
)
async def test_unreadable_events_are_malformed(provider, build_model, event_bytes):
    provider.stream(event_bytes, STOP, DONE)
    assert (await failure(build_model())).kind == "malformed"


async def test_a_hang_before_the_headers_times_out(provider, build_model):
    async def handler(_request):
        await provider.release.wait()
        return web.Response()

    provider.handler = handler
    assert (await failure(build_model(timeouts=FAST))).kind == "timeout"
    await asyncio.wait_for(provider.gone.wait(), 60)


@pytest.mark.parametrize("parts", [(), (HELLO,)], ids=["after the headers", "in mid stream"])
async def test_a_hang_of_the_stream_times_out(provider, build_model, parts):
    provider.stream(*parts, hold=True)
    assert (await failure(build_model(timeouts=FAST))).kind == "timeout"


async def test_bytes_that_complete_no_event_do_not_keep_a_call_alive(provider, build_model):
    async def handler(request):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(HELLO)
        while not provider.gone.is_set():
            await response.write(b": ping\n\n")
            await asyncio.sleep(0.02)
        return response

    provider.handler = handler
    assert (await failure(build_model(timeouts=FAST))).kind == "timeout"


async def test_events_keep_a_call_alive_beyond_its_idle_time(provider, build_model):
    async def handler(request):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for _ in range(16):
            await response.write(HELLO)
            await asyncio.sleep(0.2)
        await response.write(STOP + DONE)
        return response

    provider.handler = handler
    timeouts = Timeouts(connect_s=60, first_byte_s=60, idle_s=3)
    assert len(await collect(build_model(timeouts=timeouts))) == 17


async def test_nobody_listening_is_unavailable_and_names_the_place(build_model):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        error = await failure(build_model(base_url=f"http://127.0.0.1:{port}/v1", api_key="sk-x"))
    assert error.kind == "unavailable"
    assert error.declined
    assert f"127.0.0.1:{port}" in error.message


@pytest.mark.parametrize("url", ["nonsense", "ftp://x/v1", "http://"])
async def test_a_base_url_that_is_none_is_an_invalid_request(build_model, url):
    assert (await failure(build_model(base_url=url))).kind == "invalid_request"


async def test_a_server_that_does_not_speak_http_is_an_error_of_ours(build_model):
    async def answer(reader, writer):
        await reader.read(10)
        writer.write(b"220 smtp ready\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        error = await failure(build_model(base_url=f"http://127.0.0.1:{port}"))
    assert error.kind in {"malformed", "unavailable"}


async def test_closing_the_stream_closes_the_connection_within_a_chunk(provider, build_model):
    provider.stream(HELLO, hold=True)
    chunks = build_model().stream(REQUEST, call_id="c", tenant="t")
    assert await anext(chunks) == TextDelta("hello")
    await chunks.aclose()
    await asyncio.wait_for(provider.gone.wait(), 60)


async def test_cancelling_the_task_closes_the_connection(provider, build_model):
    provider.stream(HELLO, hold=True)
    task = asyncio.create_task(collect(build_model()))
    await asyncio.wait_for(provider.arrived.wait(), 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(provider.gone.wait(), 60)


async def test_a_finished_answer_leaves_its_connection_for_the_next_call(provider, build_model):
    peers = []

    async def handler(request):
        peers.append(request.transport.get_extra_info("peername"))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(STOP + DONE)
        await response.write_eof()
        return response

    provider.handler = handler
    model = build_model()
    await collect(model)
    await collect(model)
    assert peers[0] == peers[1]


async def test_a_server_that_stays_open_after_done_is_not_waited_for(provider, build_model):
    provider.stream(HELLO, STOP, DONE, hold=True)
    async with asyncio.timeout(60):
        assert (await collect(build_model()))[-1].finish_reason == "stop"
    await asyncio.wait_for(provider.gone.wait(), 60)
