"""The provider's side of the OpenAI-chat dialect."""

import orjson

from facilitair_testing.provider.answers import Answer, Call
from facilitair_testing.provider.scripts import Script
from facilitair_testing.provider.speech import Speech, Written, sse
from facilitair_testing.provider.turns import in_turns

_TYPES = {401: "authentication_error", 429: "rate_limit_error"}
_FIRST_SERVER_STATUS = 500
Json = dict[str, object]


def write(script: Script) -> Written:
    """Write the answer of a script, without what breaks it."""
    answer = script.answer
    closing = _event(script, {}, finish=_finish(answer))
    if script.usage != "never":
        closing += _usage(script) * (2 if script.usage == "twice" else 1)
    deltas: list[Json] = [{"reasoning_content": thought} for thought in answer.thoughts]
    deltas += [{"content": token} for token in answer.tokens]
    deltas += _calls(answer.calls, mixed=script.mixed_calls)
    return Written(
        opening=_event(script, {"role": "assistant", "content": ""}),
        tokens=tuple(_event(script, delta) for delta in deltas),
        closing=closing + b"data: [DONE]\n\n",
    )


def _finish(answer: Answer) -> str:
    return "weird" if answer.finish == "other" else answer.finish


def _event(script: Script, delta: Json, *, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    return sse(_envelope(script) | {"choices": [choice]})


def _envelope(script: Script) -> Json:
    return {
        "id": script.answer.id,
        "object": "chat.completion.chunk",
        "created": 0,
        "model": script.model or script.answer.model,
        "system_fingerprint": "fp",
    }


def _usage(script: Script) -> bytes:
    usage = script.answer.usage
    counts = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
    return sse(_envelope(script) | {"choices": [], "usage": counts})


def _calls(calls: tuple[Call, ...], *, mixed: bool) -> list[Json]:
    """The pieces of the calls, one after the other, or in turns and the last call first."""
    rows = [
        [
            _call(place, {"name": call.name, "arguments": ""}, identity=call.id),
            *(_call(place, {"arguments": part}) for part in call.parts),
        ]
        for place, call in enumerate(calls)
    ]
    return in_turns(rows[::-1]) if mixed else [piece for row in rows for piece in row]


def _call(index: int, function: Json, *, identity: str | None = None) -> Json:
    call: Json = {"index": index, "function": function}
    if identity is not None:
        call |= {"id": identity, "type": "function"}
    return {"tool_calls": [call]}


def error_body(status: int) -> bytes:
    """The body of an error."""
    server = status >= _FIRST_SERVER_STATUS
    kind = _TYPES.get(status, "server_error" if server else "invalid_request_error")
    error = {"message": "scripted trouble", "type": kind, "param": None, "code": None}
    return orjson.dumps({"error": error})


def _giant(size: int) -> bytes:
    return sse({"choices": [{"index": 0, "delta": {"content": "x" * size}}]})


OPENAI_SPEECH = Speech(
    dialect="openai-chat",
    route="/v1/chat/completions",
    media_type="text/event-stream",
    write=write,
    error_body=error_body,
    error_event=b"data: " + error_body(500) + b"\n\n",
    half_event=b'data: {"choices": [{"delta": {"content"\n\n',
    giant_event=_giant,
    request_id_header="x-request-id",
)
