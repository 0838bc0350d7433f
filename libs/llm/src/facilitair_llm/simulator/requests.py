"""A chat request as the simulator reads it from HTTP."""

import re
from hashlib import sha256
from typing import Any

import orjson
from msgspec import Struct

from facilitair_llm.continuing import GO_ON
from facilitair_llm.errors import LlmError
from facilitair_llm.simulator.prompts import Prompt
from facilitair_llm.simulator.scripts import Script, UnknownScriptError, parse_script
from facilitair_llm.simulator.tokens import TOKENS_PER_MESSAGE, split_tokens

SCRIPT_HEADER = "X-Facilitair-Fault"
_MARKER = re.compile(r"\[\[simulator:([^\]\n]{0,200})\]\]")


class BadRequestError(LlmError):
    """A request that OpenAI would refuse; `parameter` names what is wrong."""

    def __init__(self, *, problem: str, parameter: str) -> None:
        self.problem = problem
        self.parameter = parameter
        super().__init__(f"{parameter}: {problem}")


class SimulatedRequest(Struct, frozen=True, kw_only=True):
    """A request that can be answered; ``earlier`` is the text that its answer goes on from."""

    model: str
    earlier: str
    prompt: Prompt
    prompt_sha256: str
    input_tokens: int
    stream: bool
    include_usage: bool
    max_tokens: int | None
    stop: tuple[str, ...]
    response_schema: dict[str, Any] | None
    wants_json: bool
    script: Script


def read_request(body: bytes, *, script_header: str | None) -> SimulatedRequest:
    """Return the request; raises BadRequestError.

    The header's script wins over markers `[[simulator:…]]` in the messages, which are taken out.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequestError(problem=f"not JSON: {error}", parameter="body") from error
    if not isinstance(document, dict):
        raise BadRequestError(problem="expected an object", parameter="body")
    messages = _read_messages(document.get("messages"))
    markers = [marker for _, text in messages for marker in _MARKER.findall(text)]
    source = script_header if script_header is not None else ";".join(markers)
    try:
        script = parse_script(source)
    except UnknownScriptError as error:
        raise BadRequestError(problem=str(error), parameter=SCRIPT_HEADER) from error
    response_format = document.get("response_format")
    form = response_format if isinstance(response_format, dict) else {}
    asked, earlier = _split_earlier(messages)
    return SimulatedRequest(
        model=_read_model(document.get("model")),
        earlier=earlier,
        prompt=_read_prompt(asked),
        prompt_sha256=sha256(orjson.dumps(document["messages"])).hexdigest(),
        input_tokens=sum(len(split_tokens(text)) + TOKENS_PER_MESSAGE for _, text in messages),
        stream=document.get("stream") is True,
        include_usage=_flag(document.get("stream_options"), "include_usage"),
        max_tokens=_read_limit(document),
        stop=_read_stop(document.get("stop")),
        response_schema=_read_schema(form),
        wants_json=form.get("type") in {"json_object", "json_schema"},
        script=script,
    )


def _read_model(model: object) -> str:
    if not isinstance(model, str) or not model:
        raise BadRequestError(problem="expected the name of a model", parameter="model")
    return model


def _read_messages(messages: object) -> list[tuple[str, str]]:
    """Return role and text of each message."""
    if not isinstance(messages, list) or not messages:
        raise BadRequestError(problem="expected at least one message", parameter="messages")
    found: list[tuple[str, str]] = []
    for index, message in enumerate(messages):
        parameter = f"messages[{index}]"
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise BadRequestError(problem="expected an object with a role", parameter=parameter)
        content = message.get("content")
        if isinstance(content, list):
            parts = [part.get("text") for part in content if isinstance(part, dict)]
            content = "\n".join(part for part in parts if isinstance(part, str))
        if content is None and message["role"] == "assistant":
            content = ""
        if not isinstance(content, str):
            raise BadRequestError(problem="expected a text", parameter=f"{parameter}.content")
        found.append((message["role"], content))
    return found


def _split_earlier(messages: list[tuple[str, str]]) -> tuple[list[tuple[str, str]], str]:
    """Return the messages that ask, and the beginning of the answer that is to be gone on from."""
    *asked, before, last = [("", ""), ("", ""), *messages]
    if before[0] == "assistant" and last == ("user", GO_ON):
        return asked[2:], before[1]
    return messages, ""


def _read_prompt(messages: list[tuple[str, str]]) -> Prompt:
    plain = [(role, _MARKER.sub("", text)) for role, text in messages]
    instructions = [text for role, text in plain if role in {"system", "developer"}]
    asked = [text for role, text in plain if role not in {"system", "developer", "assistant"}]
    return Prompt(system="\n\n".join(instructions), user="\n\n".join(asked))


def _read_limit(document: dict[str, Any]) -> int | None:
    for parameter in ("max_completion_tokens", "max_tokens"):
        limit = document.get(parameter)
        if limit is None:
            continue
        if type(limit) is not int or limit < 1:
            raise BadRequestError(problem="expected a number above 0", parameter=parameter)
        return limit
    return None


def _read_stop(stop: object) -> tuple[str, ...]:
    if stop is None:
        return ()
    texts = [stop] if isinstance(stop, str) else stop
    if not isinstance(texts, list) or not all(isinstance(text, str) and text for text in texts):
        raise BadRequestError(problem="expected a text or a list of texts", parameter="stop")
    return tuple(texts)


def _read_schema(form: dict[str, Any]) -> dict[str, Any] | None:
    if form.get("type") != "json_schema":
        return None
    wrapper = form.get("json_schema")
    schema = wrapper.get("schema") if isinstance(wrapper, dict) else None
    if not isinstance(schema, dict):
        raise BadRequestError(
            problem="expected an object", parameter="response_format.json_schema.schema"
        )
    return schema


def _flag(options: object, name: str) -> bool:
    return isinstance(options, dict) and options.get(name) is True
