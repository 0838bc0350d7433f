"""The simulator's routes."""

from collections import Counter

import orjson
from aiohttp import web

from facilitair_llm.simulator.exchange import Exchange, Pace
from facilitair_llm.simulator.journal import Entry, Journal
from facilitair_llm.simulator.requests import (
    SCRIPT_HEADER,
    BadRequestError,
    SimulatedRequest,
    read_request,
)
from facilitair_llm.simulator.scripts import Script
from facilitair_llm.simulator.settings import SimulatorSettings
from facilitair_llm.simulator.wire import MODEL_NAME, encode_error

MAX_BODY_BYTES = 32 << 20
MAX_HEADER_CHARACTERS = 200
_JSON = "application/json"


def build_app(settings: SimulatorSettings, journal: Journal | None) -> web.Application:
    """Return the application; run it with `handler_cancellation=True`, or nobody can cancel."""
    simulator = _Simulator(settings, journal)
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_post("/v1/chat/completions", simulator.answer_chat)
    app.router.add_get("/v1/models", _list_models)
    app.router.add_get("/health", _tell_health)
    return app


class _Simulator:
    def __init__(self, settings: SimulatorSettings, journal: Journal | None) -> None:
        self._settings = settings
        self._journal = journal
        self._requests_by_prompt: Counter[str] = Counter()

    async def answer_chat(self, http: web.Request) -> web.StreamResponse:
        try:
            asked = read_request(await http.read(), script_header=http.headers.get(SCRIPT_HEADER))
        except BadRequestError as error:
            body = encode_error(status=400, message=error.problem, parameter=error.parameter)
            return web.Response(status=400, body=body, content_type=_JSON)
        script = self._active_script(asked)
        exchange = Exchange(
            http=http,
            asked=asked,
            script=script,
            pace=self._pace(script),
            entry=Entry(
                call_id=_short_header(http, "X-Facilitair-Call-Id"),
                tenant=_short_header(http, "X-Facilitair-Tenant"),
                model=asked.model,
                prompt_sha256=asked.prompt_sha256,
                input_tokens=asked.input_tokens,
                output_tokens=0,
                outcome="started",
            ),
            journal=self._journal,
        )
        return await exchange.answer()

    def _active_script(self, asked: SimulatedRequest) -> Script:
        """Return the request's script, or an empty one where its role or its times say so."""
        script = asked.script
        if script.role is not None and script.role != asked.prompt.role:
            return Script()
        if script.times is not None:
            self._requests_by_prompt[asked.prompt_sha256] += 1
            if self._requests_by_prompt[asked.prompt_sha256] > script.times:
                return Script()
        return script

    def _pace(self, script: Script) -> Pace:
        ttft_ms, rate = script.ttft_ms, script.tokens_per_s
        return Pace(
            ttft_s=(self._settings.ttft_ms if ttft_ms is None else ttft_ms) / 1000,
            tokens_per_s=self._settings.tokens_per_s if rate is None else rate,
        )


async def _list_models(_http: web.Request) -> web.Response:
    model = {"id": MODEL_NAME, "object": "model", "created": 0, "owned_by": "facilitair-simulator"}
    return web.Response(body=orjson.dumps({"object": "list", "data": [model]}), content_type=_JSON)


async def _tell_health(_http: web.Request) -> web.Response:
    return web.Response(body=orjson.dumps({"status": "ok", "simulated": True}), content_type=_JSON)


def _short_header(http: web.Request, name: str) -> str | None:
    value = http.headers.get(name)
    return None if value is None else value[:MAX_HEADER_CHARACTERS]
