"""What an attempt asks and how its answer is judged: pure functions."""

import hashlib
from collections.abc import Iterator
from typing import Any, Final

import jsonschema
import msgspec
from jsonschema.exceptions import best_match

from facilitair_events.definitions import Model, Output
from facilitair_events.requests import Fault
from facilitair_events.text import personal
from facilitair_events.work import RunAttempt
from facilitair_llm.calls import ChatMessage, ChatRequest, FinishReason
from facilitair_llm.continuing import GO_ON
from facilitair_llm.errors import ProviderError
from facilitair_workflows.bounds import OUTPUT_TOKENS
from facilitair_workflows.errors import PatternError
from facilitair_workflows.patterns import matches

QUOTED_CHARACTERS: Final = 400
"""How much is told to the model and to the user of what is wrong with an answer."""

EMPTY_ANSWER: Final = "(an empty answer)"
"""Stands for an answer without a text: providers refuse a message without one."""

_STOPS: Final[dict[str, str]] = {
    "length": "the model stopped at its output limit; raise max_output_tokens or ask for less",
    "content_filter": "the provider's content filter cut the answer",
    "refusal": "the model refused to answer",
    "tool_calls": "the model asked for a tool, and this agent has none",
    "other": "the model stopped for a reason that is not known here",
}


def chat_request(
    task: RunAttempt, model: Model, *, rendered: str, rejected: str | None, earlier: str = ""
) -> ChatRequest:
    """Build the request of an attempt.

    ``rendered`` is the step's input, ``rejected`` the answer that the task's correction is about.
    ``earlier`` is the beginning of the answer, which the model is to go on from.
    """
    messages = [
        ChatMessage(role="system", content=task.agent.prompt),
        ChatMessage(role="user", content=rendered),
    ]
    if task.correction is not None and rejected is not None:
        messages.append(
            ChatMessage(role="assistant", content=rejected if rejected.strip() else EMPTY_ANSWER)
        )
        messages.append(ChatMessage(role="user", content=_complaint(task.correction.fault)))
    if earlier:
        messages.append(ChatMessage(role="assistant", content=earlier))
        messages.append(ChatMessage(role="user", content=GO_ON))
    return ChatRequest(
        model=model.name,
        messages=tuple(messages),
        temperature=None if "temperature" in model.omit else task.agent.temperature,
        max_output_tokens=_output_limit(task, model),
        # Held to the schema, the model would begin anew: the rest of a JSON text is none by itself.
        response_schema=task.output.json_schema
        if task.output.kind == "json" and not earlier
        else None,
    )


def _complaint(fault: Fault) -> str:
    return (
        f"That answer cannot be used: {fault.message}\nAnswer again, completely and only as asked."
    )


def _output_limit(task: RunAttempt, model: Model) -> int | None:
    """The limit that somebody asked for, at most the model's own.

    Without one the provider is told none: it counts the whole limit against a minute's tokens, so
    the longest answer of a model would keep most accounts from asking at all.
    An answer that was paid for in advance has a limit always: it must not cost more than that.
    """
    asked = task.max_output_tokens or task.agent.max_output_tokens
    if asked is None and task.reserved_usd is not None and model.max_output_tokens is None:
        return OUTPUT_TOKENS
    if asked is None or model.max_output_tokens is None:
        return asked
    return min(asked, model.max_output_tokens)


def request_digest(request: ChatRequest) -> str:
    """Equal digests of prompt, model, parameters, tools and schema allow reuse (R22)."""
    return hashlib.sha256(msgspec.json.encode(request, order="deterministic")).hexdigest()


def check_finish(reason: FinishReason) -> Fault | None:
    """What is wrong with how an answer ended; None for a natural end.

    The code is the reason; what follows from it is the step's ``endings`` to say.
    """
    return None if reason == "stop" else Fault(code=reason, message=_STOPS[reason])


def check_output(text: str, output: Output) -> tuple[Any, Fault | None]:
    """``(decoded value, None)`` for an answer that is as declared, else ``(None, fault)``.

    A fault has the code ``output_invalid``, which the reducer answers with a correction.
    """
    if output.kind == "text":
        return None, None if text.strip() else _invalid("the answer is empty")
    try:
        value = msgspec.json.decode(unfenced(text))
    except (msgspec.DecodeError, RecursionError) as error:
        return None, _invalid("the answer is not JSON", quote=str(error)[:QUOTED_CHARACTERS])
    try:
        _validate(value, output.json_schema or {})
    except jsonschema.ValidationError as error:
        where = "".join(f"[{part!r}]" for part in error.absolute_path)
        message = f"the answer{where} breaks the schema's {error.validator!r}"
        return None, _invalid(message, quote=error.message[:QUOTED_CHARACTERS])
    return value, None


def _pattern(  # noqa: PLR0917 - the signature of a keyword
    validator: Any, wanted: str, instance: Any, _schema: Any
) -> Iterator[jsonschema.ValidationError]:
    """The keyword ``pattern``, matched in linear time."""
    if not validator.is_type(instance, "string"):
        return
    try:
        found = matches(wanted, instance)
    except PatternError as error:
        yield jsonschema.ValidationError(str(error))
        return
    if not found:
        shown = instance[:QUOTED_CHARACTERS]
        yield jsonschema.ValidationError(f"{shown!r} does not match {wanted!r}")


_extend: Any = jsonschema.validators.extend  # it has no types
_Validator: Final = _extend(jsonschema.Draft202012Validator, {"pattern": _pattern})


def _validate(value: Any, schema: dict[str, Any]) -> None:
    """Raises jsonschema.ValidationError for the fault that tells most."""
    error = best_match(_Validator(schema).iter_errors(value))
    if error is not None:
        raise error


def _invalid(message: str, *, quote: str | None = None) -> Fault:
    quoted = None if quote is None else personal(quote)
    return Fault(code="output_invalid", message=message, retryable=True, quote=quoted)


def unfenced(text: str) -> str:
    """The inside of a single fenced block; models wrap JSON in one even when told not to."""
    stripped = text.strip()
    if not (stripped.startswith("```") and stripped.endswith("```") and "\n" in stripped):
        return stripped
    return stripped[stripped.index("\n") + 1 : -3]


def fault_of(error: ProviderError) -> Fault:
    """A provider's trouble; its own words may repeat the prompt, so they are only quoted.

    Without a request the words are ours, and say what to do.
    """
    if not error.sent:
        return Fault(code=error.kind, message=error.message, retryable=error.retryable)
    status = "" if error.status is None else f" (HTTP {error.status})"
    return Fault(
        code=error.kind,
        message=f"the provider did not answer: {error.kind}{status}",
        retryable=error.retryable,
        retry_after_s=error.retry_after_s,
        quote=personal(error.message),
    )
