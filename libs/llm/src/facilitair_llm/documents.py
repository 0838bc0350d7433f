"""Reading what a provider wrote: a JSON object, counts in it, and what to say of anything else."""

import orjson

from facilitair_llm.errors import ProviderError

JsonObject = dict[str, object]
MAX_TOKENS = 10**12
"""More than any call can use: what says more is broken, and its sums would break others."""


def load_object(data: bytes) -> JsonObject:
    """Return the event's object. Raises ProviderError kind `malformed`."""
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise malformed(problem=f"an event is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise malformed(problem="an event is not a JSON object")
    return document


def malformed(*, problem: str) -> ProviderError:
    """Return the error for an answer that cannot be read."""
    return ProviderError(kind="malformed", message=problem)


def field_object(fields: JsonObject, name: str) -> JsonObject:
    """Return the object in a field, empty where there is none.

    Raises ProviderError kind `malformed` for anything but an object.
    """
    value = fields.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise malformed(problem=f"{name} is not an object")
    return value


def field_text(fields: JsonObject, name: str) -> str:
    """Return the text in a field, empty where there is none.

    Raises ProviderError kind `malformed` for anything but a text.
    """
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise malformed(problem=f"{name} is not a text")
    return value


def count(fields: object, name: str) -> int | None:
    """Return a number of tokens, or None where it is missing or no such number."""
    value = fields.get(name) if isinstance(fields, dict) else None
    return value if type(value) is int and 0 <= value <= MAX_TOKENS else None
