"""The provider's side of the Anthropic-Messages dialect."""

import orjson

from facilitair_testing.provider.answers import Answer
from facilitair_testing.provider.scripts import Script
from facilitair_testing.provider.speech import Speech, Written, sse
from facilitair_testing.provider.turns import in_turns

_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "refusal": "refusal",
    "content_filter": "refusal",
    "other": "pause_turn",
}
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}
Json = dict[str, object]


def write(script: Script) -> Written:
    """Write the answer of a script, without what breaks it.

    Blocks are numbered without gaps: thoughts, then the text, then each tool call.
    """
    answer = script.answer
    thoughts = _block(0, answer.thoughts, kind="thinking")
    text_at = 1 if answer.thoughts else 0
    text = _block(text_at, answer.tokens, kind="text")
    calls = _calls(answer, mixed=script.mixed_calls, first=text_at + bool(answer.tokens))
    return Written(
        opening=_opening(script), tokens=(*thoughts, *text, *calls), closing=_closing(script)
    )


def _block(place: int, pieces: tuple[str, ...], *, kind: str) -> list[bytes]:
    """The deltas of a block, the first one with its start and the last one with its end."""
    if not pieces:
        return []
    deltas = [_delta(place, {"type": f"{kind}_delta", kind: piece}) for piece in pieces]
    deltas[0] = _start(place, {"type": kind, kind: ""}) + deltas[0]
    if kind == "thinking":
        deltas[-1] += _delta(place, {"type": "signature_delta", "signature": "c2ln"})
    deltas[-1] += _event({"type": "content_block_stop", "index": place})
    return deltas


def _opening(script: Script) -> bytes:
    answer = script.answer
    message: Json = {
        "id": answer.id,
        "type": "message",
        "role": "assistant",
        "model": script.model or answer.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }
    message |= {"usage": _input(answer) | {"output_tokens": 1}} if script.usage != "never" else {}
    return _event({"type": "message_start", "message": message}) + _event({"type": "ping"})


def _input(answer: Answer) -> Json:
    cached = answer.usage.cached_input_tokens
    return {
        "input_tokens": answer.usage.input_tokens - cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
    }


def _closing(script: Script) -> bytes:
    """The end, or where the counts are told twice, an earlier count and the end."""
    usage = script.answer.usage
    counts: Json = {
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
    }
    delta = {"stop_reason": _REASONS[script.answer.finish], "stop_sequence": None}
    end: Json = {"type": "message_delta", "delta": delta}
    early = b""
    if script.usage != "never":
        end |= {"usage": counts}
    if script.usage == "twice":
        early = _event({"type": "message_delta", "delta": {}, "usage": counts})
    return early + _event(end) + _event({"type": "message_stop"})


def _calls(answer: Answer, *, mixed: bool, first: int) -> list[bytes]:
    rows: list[list[bytes]] = []
    for place, call in enumerate(answer.calls, start=first):
        block: Json = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
        deltas = [
            _delta(place, {"type": "input_json_delta", "partial_json": part}) for part in call.parts
        ]
        rows.append([_start(place, block), *deltas])
        rows[-1][-1] += _event({"type": "content_block_stop", "index": place})
    return in_turns(rows) if mixed else [piece for row in rows for piece in row]


def _start(place: int, block: Json) -> bytes:
    return _event({"type": "content_block_start", "index": place, "content_block": block})


def _delta(place: int, delta: Json) -> bytes:
    return _event({"type": "content_block_delta", "index": place, "delta": delta})


def _event(document: Json) -> bytes:
    return sse(document, name=str(document["type"]))


def error_body(status: int) -> bytes:
    """The body of an error."""
    error = {"type": _TYPES.get(status, "api_error"), "message": "scripted trouble"}
    return orjson.dumps({"type": "error", "error": error, "request_id": "req_scripted"})


def _giant(size: int) -> bytes:
    return _delta(0, {"type": "text_delta", "text": "x" * size})


ANTHROPIC_SPEECH = Speech(
    dialect="anthropic-messages",
    route="/v1/messages",
    media_type="text/event-stream; charset=utf-8",
    write=write,
    error_body=error_body,
    error_event=b"event: error\ndata: " + error_body(500) + b"\n\n",
    half_event=b'event: content_block_delta\ndata: {"type": "content_block_delta", "delta": {\n\n',
    giant_event=_giant,
    request_id_header="request-id",
)
