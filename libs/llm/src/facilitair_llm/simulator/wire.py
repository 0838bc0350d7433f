"""The simulator's side of the OpenAI dialect: planned answers and the JSON around them."""

import orjson
from msgspec import Struct

from facilitair_llm.simulator.answers import answer
from facilitair_llm.simulator.requests import SimulatedRequest
from facilitair_llm.simulator.tokens import split_tokens

MODEL_NAME = "simulated"
FINGERPRINT = "simulated"
JsonObject = dict[str, object]
_ERROR_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_FIRST_SERVER_STATUS = 500


class PlannedAnswer(Struct, frozen=True):
    """What will be said, token by token."""

    id: str
    model: str
    tokens: tuple[str, ...]
    finish_reason: str
    input_tokens: int

    @property
    def usage(self) -> JsonObject:
        """Counts of the whole answer."""
        return {
            "prompt_tokens": self.input_tokens,
            "completion_tokens": len(self.tokens),
            "total_tokens": self.input_tokens + len(self.tokens),
        }


def plan_answer(request: SimulatedRequest) -> PlannedAnswer:
    """Return the answer; equal requests have equal answers.

    One that goes on from earlier text is what follows it in the whole answer.
    """
    text = answer(
        request.prompt, response_schema=request.response_schema, wants_json=request.wants_json
    ).removeprefix(request.earlier)
    ends = [text.find(stop) for stop in request.stop if stop in text]
    tokens = split_tokens(text[: min(ends)] if ends else text)
    cut = request.max_tokens is not None and len(tokens) > request.max_tokens
    named = MODEL_NAME in request.model
    return PlannedAnswer(
        id=f"chatcmpl-simulated-{request.prompt_sha256[:16]}",
        model=request.model if named else f"{MODEL_NAME}/{request.model}",
        tokens=tuple(tokens[: request.max_tokens]),
        finish_reason="length" if cut else "stop",
        input_tokens=request.input_tokens,
    )


def encode_delta(planned: PlannedAnswer, delta: JsonObject, *, finish: str | None = None) -> bytes:
    """Return one event of the stream."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return _encode_event(_envelope(planned, kind="chat.completion.chunk", choices=[choice]))


def encode_usage(planned: PlannedAnswer) -> bytes:
    """Return the event with the usage, which has no choices."""
    document = _envelope(planned, kind="chat.completion.chunk", choices=[])
    return _encode_event(document | {"usage": planned.usage})


def encode_whole(planned: PlannedAnswer, *, with_usage: bool) -> bytes:
    """Return the body of an answer that is not streamed."""
    message = {"role": "assistant", "content": "".join(planned.tokens)}
    choice = {"index": 0, "message": message, "finish_reason": planned.finish_reason}
    document = _envelope(planned, kind="chat.completion", choices=[choice])
    return orjson.dumps(document | ({"usage": planned.usage} if with_usage else {}))


def encode_error(*, status: int, message: str, parameter: str | None = None) -> bytes:
    """Return an error body as OpenAI writes it."""
    server = status >= _FIRST_SERVER_STATUS
    kind = _ERROR_TYPES.get(status, "server_error" if server else "invalid_request_error")
    error = {"message": message, "type": kind, "param": parameter, "code": None}
    return orjson.dumps({"error": error})


def _envelope(planned: PlannedAnswer, *, kind: str, choices: list[JsonObject]) -> JsonObject:
    return {
        "id": planned.id,
        "object": kind,
        "created": 0,
        "model": planned.model,
        "system_fingerprint": FINGERPRINT,
        "choices": choices,
    }


def _encode_event(document: JsonObject) -> bytes:
    return b"data: " + orjson.dumps(document) + b"\n\n"
