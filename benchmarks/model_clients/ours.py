"""Our client: `python -m benchmarks.model_clients.ours URL STREAMS DIALECT`."""

import sys
from contextlib import aclosing

import aiohttp

from benchmarks.model_clients.reading import read_all, run
from facilitair_llm.calls import ChatMessage, ChatRequest, TextDelta
from facilitair_llm.clients import build_chat_model
from facilitair_llm.endpoints import Endpoint
from facilitair_llm.providers import Timeouts

_BASES = {"openai-chat": "/v1", "anthropic-messages": "/v1", "ollama-chat": ""}


async def _main(url: str, streams: int, *, dialect: str) -> None:
    endpoint = Endpoint(provider="p", base_url=url + _BASES[dialect], dialect=dialect)
    request = ChatRequest("scripted-model", (ChatMessage("user", "Say something."),))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        model = build_chat_model(endpoint, session=session, timeouts=Timeouts())

        async def read() -> int:
            answer = model.stream(request, call_id="c", tenant="local")
            async with aclosing(answer) as chunks:
                return sum([1 async for chunk in chunks if isinstance(chunk, TextDelta)])

        await read_all(read, streams=streams)


if __name__ == "__main__":
    run(_main(sys.argv[1], int(sys.argv[2]), dialect=sys.argv[3]))
