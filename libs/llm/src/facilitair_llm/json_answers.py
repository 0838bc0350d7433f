"""Asking for JSON where a provider cannot be held to a schema, and which schemas it can."""

import orjson
from msgspec.structs import replace

from facilitair_llm.calls import ChatMessage, ChatRequest
from facilitair_llm.documents import JsonObject

UNENFORCED = frozenset(
    {
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "uniqueItems",
        "minProperties",
        "maxProperties",
        "patternProperties",
        "propertyNames",
        "contains",
        "not",
        "if",
        "oneOf",
    }
)
"""Keywords that constrained decoding of Anthropic refuses to take."""


def is_strict_schema(schema: object) -> bool:
    """Return whether OpenAI's strict mode takes the schema.

    Every object closes itself (`additionalProperties: false`) and requires all its properties.
    """
    if isinstance(schema, list):
        return all(map(is_strict_schema, schema))
    if not isinstance(schema, dict):
        return True
    properties = schema.get("properties")
    if isinstance(properties, dict) or schema.get("type") == "object":
        named = set(properties) if isinstance(properties, dict) else set()
        required = schema.get("required", [])
        if schema.get("additionalProperties") is not False or not isinstance(required, list):
            return False
        if set(required) != named:
            return False
    return all(map(is_strict_schema, schema.values()))


def is_closed_schema(schema: object) -> bool:
    """Return whether Anthropic's structured output takes the schema.

    Every object closes itself, and nothing is asked that its grammar cannot enforce.
    """
    if isinstance(schema, list):
        return all(map(is_closed_schema, schema))
    if not isinstance(schema, dict):
        return True
    properties = schema.get("properties")
    if isinstance(properties, dict):
        inner = [*properties.values(), *(schema[key] for key in schema if key != "properties")]
    else:
        inner = list(schema.values())
    is_object = isinstance(properties, dict) or schema.get("type") == "object"
    if is_object and schema.get("additionalProperties") is not False:
        return False
    return UNENFORCED.isdisjoint(schema) and all(map(is_closed_schema, inner))


def asked_in_words(request: ChatRequest) -> ChatRequest:
    """Return the request with its schema as an instruction at the end of the system prompt."""
    if request.response_schema is None:
        return request
    words = instruction(request.response_schema)
    messages = list(request.messages)
    for place, message in enumerate(messages):
        if message.role == "system":
            joined = f"{message.content}\n\n{words}" if message.content else words
            messages[place] = replace(message, content=joined)
            break
    else:
        messages.insert(0, ChatMessage(role="system", content=words))
    return replace(request, messages=tuple(messages))


def instruction(schema: JsonObject) -> str:
    """Return the words that ask for an answer of this schema."""
    return (
        "Answer with one JSON document and nothing else: no words around it, no code fence. "
        f"It must match this JSON Schema: {orjson.dumps(schema).decode()}"
    )
