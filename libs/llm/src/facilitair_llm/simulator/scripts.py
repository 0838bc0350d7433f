"""What a request may tell the simulator to do wrong: `name=value` parts joined by `;`."""

from typing import Literal, get_args

from msgspec import Struct

from facilitair_llm.errors import LlmError

Hang = Literal["headers", "body", "stream"]


class Script(Struct, frozen=True, kw_only=True):
    """One answer's faults and pace; without any it is an ordinary answer.

    `status` answers with this HTTP status, `retry_after` goes with it as it stands.
    `error_body` answers 200 with an error body; `error_after=N` sends an error in mid-stream.
    `cut_after=N` breaks the connection after N tokens, `end_after=N` ends the stream well but
    without a finish reason.
    `hang` waits for ever: before the headers, after them, or after the first token.
    `malformed` sends half a JSON object after the first token.
    `no_usage` leaves the usage out.
    `drip=N` sends N bytes a second.
    `ttft_ms` and `tokens_per_s` replace the server's pace.
    `role` limits the script to one role, `times` to the first requests with the same messages.
    """

    status: int | None = None
    retry_after: str | None = None
    error_body: bool = False
    error_after: int | None = None
    cut_after: int | None = None
    end_after: int | None = None
    hang: Hang | None = None
    malformed: bool = False
    no_usage: bool = False
    drip: int | None = None
    ttft_ms: int | None = None
    tokens_per_s: int | None = None
    role: str | None = None
    times: int | None = None


class UnknownScriptError(LlmError):
    """A script with a part that the simulator does not know: it is refused, not ignored."""

    def __init__(self, *, part: str, expected: str) -> None:
        super().__init__(f"{part!r} is no part of a simulator script; expected {expected}")


_FLAGS = frozenset({"error_body", "malformed", "no_usage"})
_NUMBERS = frozenset(
    {
        "status",
        "error_after",
        "cut_after",
        "end_after",
        "drip",
        "ttft_ms",
        "tokens_per_s",
        "times",
    }
)
_TEXTS = frozenset({"retry_after", "role"})
_KNOWN = ", ".join(sorted(_FLAGS | _NUMBERS | _TEXTS | {"hang"}))
_STATUSES = range(300, 600)


def parse_script(source: str) -> Script:
    """Return the script; raises UnknownScriptError."""
    values: dict[str, object] = {}
    for part in filter(None, (part.strip() for part in source.split(";"))):
        name, _, value = part.partition("=")
        values[name] = _read_value(name, value, part=part)
    return Script(**values)  # type: ignore[arg-type] # names and types were checked one by one


def _read_value(name: str, value: str, *, part: str) -> object:
    if name in _FLAGS:
        if value not in {"", "true", "1"}:
            raise UnknownScriptError(part=part, expected=f"{name} alone")
        return True
    if name in _TEXTS and value:
        return value
    if name == "hang":
        if value not in get_args(Hang):
            raise UnknownScriptError(part=part, expected=f"hang={'|'.join(get_args(Hang))}")
        return value
    if name not in _NUMBERS:
        raise UnknownScriptError(part=part, expected=f"one of {_KNOWN}")
    if not value.isdecimal():
        raise UnknownScriptError(part=part, expected=f"{name}=<whole number>")
    number = int(value)
    if name == "status" and number not in _STATUSES:
        raise UnknownScriptError(part=part, expected="a status of 300 to 599")
    if name in {"drip", "times"} and number == 0:
        raise UnknownScriptError(part=part, expected=f"{name} above 0")
    return number
