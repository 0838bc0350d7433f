"""The provider's side of Ollama's own dialect."""

import orjson

from facilitair_testing.provider.answers import Call
from facilitair_testing.provider.scripts import Script
from facilitair_testing.provider.speech import Speech, Written, line

_REASONS = {"length": "length", "other": "load"}
Json = dict[str, object]


def write(script: Script) -> Written:
    """Write the answer of a script, without what breaks it; tool calls always come whole."""
    answer = script.answer
    usage = answer.usage
    messages: list[Json] = [{"content": "", "thinking": thought} for thought in answer.thoughts]
    messages += [{"content": token} for token in answer.tokens]
    numbered = list(enumerate(answer.calls))
    ordered = numbered[::-1] if script.mixed_calls else numbered
    messages += [{"content": "", "tool_calls": [_call(n, call)]} for n, call in ordered]
    end: Json = {"done": True, "done_reason": _REASONS.get(answer.finish, "stop")}
    if script.usage != "never":
        end |= {"prompt_eval_count": usage.input_tokens, "eval_count": usage.output_tokens}
    last = _line(script, {"content": ""}, more=end)
    return Written(
        opening=b"",
        tokens=tuple(_line(script, message, more={"done": False}) for message in messages),
        closing=last * (2 if script.usage == "twice" else 1),
    )


def _line(script: Script, message: Json, *, more: Json) -> bytes:
    document: Json = {
        "model": script.model or script.answer.model,
        "created_at": "2026-01-01T00:00:00.123456789Z",
        "message": {"role": "assistant", **message},
    }
    return line(document | more)


def _call(index: int, call: Call) -> Json:
    arguments = orjson.loads("".join(call.parts))
    return {
        "id": call.id,
        "function": {"index": index, "name": call.name, "arguments": arguments},
    }


def error_body(_status: int) -> bytes:
    """The body of an error."""
    return orjson.dumps({"error": "scripted trouble"})


def _giant(size: int) -> bytes:
    return line({"message": {"role": "assistant", "content": "x" * size}, "done": False})


OLLAMA_SPEECH = Speech(
    dialect="ollama-chat",
    route="/api/chat",
    media_type="application/x-ndjson",
    write=write,
    error_body=error_body,
    error_event=error_body(500) + b"\n",
    half_event=b'{"message": {"content"\n',
    giant_event=_giant,
    counts_kinds=False,
)
