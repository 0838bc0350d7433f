"""The table that every dialect has to pass: what is scripted, and what a client sees of it."""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from facilitair_events.requests import Usage
from facilitair_llm.calls import ToolCall
from facilitair_llm.errors import ProviderErrorKind
from facilitair_llm.provider_faults import MAX_RETRY_AFTER_S
from facilitair_llm.providers import Timeouts
from facilitair_testing.provider.answers import SIXTY, Answer, Call
from facilitair_testing.provider.outcomes import Seen
from facilitair_testing.provider.scripts import RETRY_AFTER_S, RetryAfter, Script

PATIENT: Final = Timeouts(connect_s=30, first_byte_s=60, idle_s=60)
HASTY: Final = Timeouts(connect_s=30, first_byte_s=0.3, idle_s=60)
RESTLESS: Final = Timeouts(connect_s=30, first_byte_s=60, idle_s=0.3)
AFTER: Final = 40


class Case(Struct, frozen=True, kw_only=True):
    """A script and what each of `expected` requests under it sees."""

    id: str
    script: Script
    expected: tuple[Seen, ...]
    timeouts: Timeouts = PATIENT


def good(answer: Answer, **changes: object) -> Seen:
    """What is seen of an answer without faults."""
    whole = Seen(
        text="".join(answer.tokens),
        pieces=len(answer.tokens),
        thoughts="".join(answer.thoughts),
        calls=tuple(
            ToolCall(id=call.id, name=call.name, arguments="".join(call.parts))
            for call in answer.calls
        ),
        finish=answer.finish,
        usage=answer.usage,
        model=answer.model,
    )
    return replace(whole, **changes)


def _good(name: str, answer: Answer) -> Case:
    return Case(id=name, script=Script(answer=answer), expected=(good(answer),))


def _broken(name: str, script: Script, *, fault: ProviderErrorKind) -> Case:
    tokens = SIXTY.tokens[:AFTER]
    partial = Seen(text="".join(tokens), pieces=AFTER, fault=fault)
    return Case(id=name, script=replace(script, after=AFTER), expected=(partial,))


def _status(name: str, status: int, *, fault: ProviderErrorKind) -> Case:
    refused = Seen(fault=fault, status=status)
    script = Script(status=status, times=3)
    return Case(id=name, script=script, expected=(refused, refused, refused, good(SIXTY)))


def _limited(name: RetryAfter, wait_s: float | None) -> Case:
    refused = Seen(fault="rate_limited", status=429, retry_after_s=wait_s)
    script = Script(status=429, retry_after=name)
    return Case(id=f"429 with retry-after {name}", script=script, expected=(refused,))


_TWO_CALLS: Final = Answer(
    tokens=("Let me look. ",),
    calls=(
        Call(id="call_a", name="find", parts=('{"query":"', "grüße", '"}')),
        Call(id="call_b", name="count", parts=('{"numbers":[1,', "2]}")),
    ),
    finish="tool_calls",
)
_WILD: Final = (
    "\x1b[31mred\x1b[0m",
    "<script>alert('x')</script>",
    "\x00 \u2028 \r\n",
    "data: x\n\n",
)

CASES: Final = (
    _good("a good answer", SIXTY),
    _good("an empty answer", Answer(usage=Usage(input_tokens=3, output_tokens=0))),
    _good("thoughts before the text", Answer(thoughts=("hm, ", "so"), tokens=("Yes",))),
    _good("two tool calls", _TWO_CALLS),
    _good("a tool call without arguments", replace(_TWO_CALLS, calls=(Call("c", "f", ("{}",)),))),
    _good("stopped at the limit", replace(SIXTY, finish="length")),
    _good("stopped for a reason nobody knows", replace(SIXTY, finish="other")),
    _good("ANSI, HTML and the marks of the framing in the text", Answer(tokens=_WILD)),
    _good("letters of many bytes", Answer(tokens=("grüße ", "🙂", "\U0010ffff", "日本語"))),
    _good(
        "cached and reasoning tokens",
        replace(
            SIXTY,
            usage=Usage(
                input_tokens=30, cached_input_tokens=20, output_tokens=9, reasoning_tokens=4
            ),
        ),
    ),
    Case(
        id="deltas of tool calls out of order",
        script=Script(answer=_TWO_CALLS, mixed_calls=True),
        expected=(good(_TWO_CALLS),),
    ),
    Case(
        id="letters cut by every byte",
        script=Script(answer=Answer(tokens=("ü🙂", "é")), drip_s=0),
        expected=(good(Answer(tokens=("ü🙂", "é"))),),
    ),
    Case(id="no usage", script=Script(usage="never"), expected=(good(SIXTY, usage=None),)),
    Case(id="usage told twice", script=Script(usage="twice"), expected=(good(SIXTY),)),
    Case(
        id="another model than the one asked for",
        script=Script(model="other-model"),
        expected=(good(SIXTY, model="other-model"),),
    ),
    _limited("none", None),
    _limited("seconds", float(RETRY_AFTER_S)),
    _limited("date", float(RETRY_AFTER_S)),
    _limited("absurd", MAX_RETRY_AFTER_S),
    _limited("unreadable", None),
    _status("a storm of 500", 500, fault="unavailable"),
    _status("a storm of 503", 503, fault="overloaded"),
    _status("a storm of 529", 529, fault="overloaded"),
    Case(
        id="400",
        script=Script(status=400),
        expected=(Seen(fault="invalid_request", status=400),),
    ),
    Case(id="401", script=Script(status=401), expected=(Seen(fault="authentication", status=401),)),
    Case(
        id="200 with an error body",
        script=Script(whole="error"),
        expected=(Seen(fault="unavailable", status=200),),
    ),
    Case(
        id="200 with a page",
        script=Script(whole="page"),
        expected=(Seen(fault="malformed", status=200),),
    ),
    Case(
        id="a hang before the headers",
        script=Script(hang="headers"),
        expected=(Seen(fault="timeout"),),
        timeouts=HASTY,
    ),
    Case(
        id="a hang after the headers",
        script=Script(hang="body"),
        expected=(Seen(fault="timeout"),),
        timeouts=HASTY,
    ),
    Case(
        id="a slow drip",
        script=Script(drip_s=0.05),
        expected=(Seen(fault="timeout"),),
        timeouts=HASTY,
    ),
    replace(
        _broken("a hang in mid-stream", Script(hang="stream"), fault="timeout"), timeouts=RESTLESS
    ),
    _broken("cut at token 40 of 60", Script(broken="cut"), fault="truncated"),
    _broken("an early end that looks good", Script(broken="end"), fault="truncated"),
    _broken("an error in mid-stream", Script(broken="error"), fault="unavailable"),
    _broken("half an event", Script(broken="half"), fault="malformed"),
    _broken("a line of ten megabytes", Script(broken="giant"), fault="malformed"),
)
