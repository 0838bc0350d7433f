"""What goes wrong with an answer, in no dialect's words."""

from typing import Literal

from msgspec import Struct

from facilitair_testing.provider.answers import SIXTY, Answer

RetryAfter = Literal["none", "seconds", "date", "absurd", "unreadable"]
RETRY_AFTER_S = 7
"""How long the forms `seconds` and `date` ask to wait unless the script says otherwise."""
GIANT_BYTES = 10 * 1024 * 1024


class Script(Struct, frozen=True, kw_only=True):
    """An answer and its faults; without any it is a good answer.

    `times`: for how many requests it holds before the next script of the provider does.
    `status`: answers with this status and the dialect's error body, and with a `retry_after` of
    `retry_after_s`.
    `whole`: answers 200, but with an error body or a page instead of a stream.
    `hang`: stands still before the headers, after them, or after `after` tokens.
    `broken`: after `after` tokens, in place of all that follows. `cut` breaks the connection, `end`
    ends the response as if all were well, `error` tells an error in the stream, `half` is half an
    event, `giant` one of ten megabytes.
    `usage`: how often the counts are told. `model`: the name that the answer reports instead.
    `mixed_calls`: the pieces of several tool calls come in turns, where the dialect has pieces.
    `drip_s`: writes byte by byte, with so many seconds between them.
    `pace_s`: writes token by token, with so many seconds between them.
    `rates`: headers of the answer, whatever it is, such as those of rate limits.
    """

    answer: Answer = SIXTY
    times: int = 1
    status: int | None = None
    retry_after: RetryAfter = "none"
    retry_after_s: int = RETRY_AFTER_S
    whole: Literal["error", "page"] | None = None
    hang: Literal["headers", "body", "stream"] | None = None
    broken: Literal["cut", "end", "error", "half", "giant"] | None = None
    after: int = 40
    usage: Literal["once", "never", "twice"] = "once"
    model: str | None = None
    mixed_calls: bool = False
    drip_s: float | None = None
    pace_s: float | None = None
    rates: dict[str, str] = {}
