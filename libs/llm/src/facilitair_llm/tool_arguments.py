"""The arguments of tool calls where a provider wants an object and not the text of one."""

import orjson

from facilitair_llm.calls import ToolCall
from facilitair_llm.documents import JsonObject

UNREADABLE = "unreadable_arguments"


def arguments_object(call: ToolCall) -> JsonObject:
    """Return the arguments as an object.

    What the model wrote is no object sometimes. It is sent back under one name then, so that the
    model sees its own words beside the answer of the tool that says what was wrong with them.
    """
    if not call.arguments.strip():
        return {}
    try:
        found = orjson.loads(call.arguments)
    except orjson.JSONDecodeError:
        found = None
    return found if isinstance(found, dict) else {UNREADABLE: call.arguments}


def arguments_text(arguments: object) -> str | None:
    """Return the arguments as the text of an object; None for neither a text nor an object."""
    if arguments is None:
        return ""
    if isinstance(arguments, dict):
        return orjson.dumps(arguments).decode()
    return arguments if isinstance(arguments, str) else None
