"""Request bodies: read within a limit, decoded, checked with all faults at once."""

from difflib import get_close_matches
from typing import Any, Final, TypeVar

import msgspec
from fastapi import Request
from pydantic import BaseModel, ValidationError

from facilitair_events.requests import Fault
from facilitair_gateway.errors import BodyTooLargeError, MalformedBodyError

Body = TypeVar("Body", bound=BaseModel)

_MOST_FAULTS: Final = 20
_FIELD_CHARS: Final = 200
_MESSAGES: Final = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "string_type": "must be a string",
    "dict_type": "must be an object",
    "literal_error": "must be one of the documented values",
    "string_too_long": "is too long",
}


async def read_json(request: Request, *, limit: int) -> Any:
    """The decoded body, of at most ``limit`` bytes; no more than that is ever held.

    Raises BodyTooLargeError as soon as it is known, also for a body without a length, and
    MalformedBodyError.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise BodyTooLargeError(limit=limit)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise BodyTooLargeError(limit=limit)
    try:
        return msgspec.json.decode(bytes(body))
    except RecursionError:
        raise MalformedBodyError(reason="it is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = "it is empty" if not body.strip() else str(error)
        raise MalformedBodyError(reason=reason) from error


def checked(model: type[Body], content: Any) -> tuple[Body | None, list[Fault]]:
    """The body as ``model``, or what is wrong with it: everything, unless that is very much."""
    if not isinstance(content, dict):
        fault = Fault(code="body_not_object", message="the body must be a JSON object")
        return None, [fault]
    try:
        return model.model_validate(content, strict=True), []
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        told = found[:_MOST_FAULTS]
        return None, [_fault(model, one["type"], one["loc"], one["msg"]) for one in told]


def _fault(model: type[BaseModel], kind: str, place: tuple[int | str, ...], told: str) -> Fault:  # noqa: PLR0917 - the parts of one error
    field = ".".join(str(part) for part in place)[:_FIELD_CHARS]
    if kind == "extra_forbidden" and len(place) == 1:
        near = get_close_matches(field, model.model_fields, n=1)
        advice = f"did you mean {near[0]!r}?" if near else f"known are {_known(model)}"
        return Fault(
            code="unknown_field", message=f"unknown field {field!r}; {advice}", field=field
        )
    message = f"{field!r} {_MESSAGES.get(kind, told.removeprefix('Value error, '))}"
    code = "missing_field" if kind == "missing" else "invalid_field"
    return Fault(code=code, message=message, field=field)


def _known(model: type[BaseModel]) -> str:
    return ", ".join(model.model_fields)
