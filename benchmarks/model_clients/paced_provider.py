"""A provider whose tokens come one by one at an even pace, in all three dialects.

`python -m benchmarks.model_clients.paced_provider TOKENS TOKENS_PER_S` says its url.
Each token is one event and one write, as providers do it; nothing is journalled.
"""

import asyncio
import sys
from functools import partial

import uvloop
from aiohttp import web

from benchmarks.streams.talking import tell
from facilitair_events.requests import Usage
from facilitair_testing.provider.answers import Answer, counted
from facilitair_testing.provider.scripts import Script
from facilitair_testing.provider.server import SPEECHES
from facilitair_testing.provider.speech import Speech, Written


async def answer(
    http: web.Request, *, speech: Speech, written: Written, tokens_per_s: float
) -> web.StreamResponse:
    """Answer one request; a token that is late does not make the next ones late."""
    await http.read()
    response = web.StreamResponse(headers={"Content-Type": speech.media_type})
    await response.prepare(http)
    await response.write(written.opening)
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number, event in enumerate(written.tokens, start=1):
        await asyncio.sleep(max(0.0, began + number / tokens_per_s - loop.time()))
        await response.write(event)
    await response.write(written.closing)
    return response


async def _serve(tokens: int, tokens_per_s: float) -> None:
    usage = Usage(input_tokens=11, output_tokens=tokens)
    script = Script(answer=Answer(tokens=counted(tokens), usage=usage))
    app = web.Application()
    for speech in SPEECHES:
        answering = partial(
            answer, speech=speech, written=speech.write(script), tokens_per_s=tokens_per_s
        )
        app.router.add_post(speech.route, answering)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    tell(url=f"http://127.0.0.1:{runner.addresses[0][1]}")
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as _runner:
        _runner.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
