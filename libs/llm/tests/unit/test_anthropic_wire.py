import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_llm import anthropic_wire
from facilitair_llm.anthropic_requests import AnthropicOptions
from facilitair_llm.anthropic_wire import ANTHROPIC_MESSAGES, MessagesDecoder
from facilitair_llm.calls import (
    ChatMessage,
    ChatRequest,
    Finished,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from facilitair_llm.dialects import Asked
from facilitair_llm.errors import ProviderError
from facilitair_llm.framing import Event
from facilitair_llm.sse import SseParser

# Written by hand after the streaming page of the public documentation.
DOCUMENTED = b"""\
event: message_start
data: {"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", \
"content": [], "model": "claude-x", "stop_reason": null, "stop_sequence": null, \
"usage": {"input_tokens": 25, "cache_creation_input_tokens": 7, "cache_read_input_tokens": 100, \
"output_tokens": 1}}}

event: content_block_start
data: {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", \
"thinking": "", "signature": ""}}

event: ping
data: {"type": "ping"}

event: content_block_delta
data: {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", \
"thinking": "Weather."}}

event: content_block_delta
data: {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", \
"signature": "EqQB"}}

event: content_block_stop
data: {"type": "content_block_stop", "index": 0}

event: content_block_start
data: {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}}

event: content_block_delta
data: {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Okay"}}

event: content_block_stop
data: {"type": "content_block_stop", "index": 1}

event: content_block_start
data: {"type": "content_block_start", "index": 2, "content_block": {"type": "tool_use", \
"id": "toolu_1", "name": "get_weather", "input": {}}}

event: content_block_delta
data: {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", \
"partial_json": ""}}

event: content_block_delta
data: {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", \
"partial_json": "{\\"city\\": \\"Bonn"}}

event: content_block_delta
data: {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", \
"partial_json": "\\"}"}}

event: content_block_stop
data: {"type": "content_block_stop", "index": 2}

event: message_delta
data: {"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null}, \
"usage": {"output_tokens": 89, "output_tokens_details": {"thinking_tokens": 12}}}

event: message_stop
data: {"type": "message_stop"}

"""


def decoder(*, answer_tool=False):
    return MessagesDecoder(requested_model="m", provider_request_id=None, answer_tool=answer_tool)


def decode(*documents, answer_tool=False):
    one = decoder(answer_tool=answer_tool)
    events = [Event(orjson.dumps(document), document["type"]) for document in documents]
    return [*(chunk for event in events for chunk in one.decode(event)), one.finish()]


def delta(place, kind, **fields):
    return {"type": "content_block_delta", "index": place, "delta": {"type": kind, **fields}}


def start(place, kind, **fields):
    return {"type": "content_block_start", "index": place, "content_block": {"type": kind} | fields}


def end(reason="end_turn", **usage):
    document = {"type": "message_delta", "delta": {"stop_reason": reason}}
    return document | ({"usage": usage} if usage else {})


def begin(**usage):
    return {"type": "message_start", "message": {"id": "msg_1", "model": "c", "usage": usage}}


def test_the_documented_stream_is_understood():
    one = decoder()
    chunks = [c for event in SseParser().feed(DOCUMENTED) for c in one.decode(event)]
    assert one.done
    usage = Usage(
        input_tokens=132,
        cached_input_tokens=100,
        cache_write_tokens=7,
        output_tokens=89,
        reasoning_tokens=12,
    )
    assert [*chunks, one.finish()] == [
        ReasoningDelta("Weather."),
        TextDelta("Okay"),
        ToolCallDelta(0, "toolu_1", "get_weather", ""),
        ToolCallDelta(0, None, None, '{"city": "Bonn'),
        ToolCallDelta(0, None, None, '"}'),
        Finished("tool_calls", usage, "claude-x", "msg_1"),
    ]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "refusal"),
        ("pause_turn", "other"),
        ("brand_new", "other"),
    ],
)
def test_stop_reasons_are_named_as_ours(reason, expected):
    assert decode(end(reason))[-1].finish_reason == expected


def test_the_last_counts_are_the_totals():
    first = end(None, output_tokens=3)
    last = end(output_tokens=9, input_tokens=5)
    usage = decode(begin(input_tokens=4, output_tokens=1), first, last)[-1].usage
    assert usage == Usage(input_tokens=5, output_tokens=9)


@pytest.mark.parametrize(
    "documents",
    [
        (begin(input_tokens=4, output_tokens=1), end()),
        (begin(), end(output_tokens=9)),
        (begin(input_tokens=4), end(output_tokens=-9)),
        (begin(input_tokens="4"), end(output_tokens=9)),
        (end(),),
    ],
)
def test_counts_that_did_not_come_are_unknown_and_not_zero(documents):
    assert decode(*documents)[-1].usage is None


def test_the_input_of_a_forced_tool_is_the_answer():
    documents = [
        start(0, "tool_use", id="t", name="answer", input={}),
        delta(0, "input_json_delta", partial_json='{"a":'),
        delta(0, "input_json_delta", partial_json="1}"),
        end("tool_use"),
    ]
    assert decode(*documents, answer_tool=True)[:-1] == [TextDelta('{"a":'), TextDelta("1}")]
    assert decode(*documents, answer_tool=True)[-1].finish_reason == "stop"
    assert decode(*documents)[-1].finish_reason == "tool_calls"


def test_whether_the_answer_is_a_forced_tool_is_known_from_the_request():
    schema = {"type": "object"}
    request = ChatRequest(model="m", messages=(), response_schema=schema)
    asked = Asked(request=request, options=AnthropicOptions())
    one = ANTHROPIC_MESSAGES.build_decoder(asked)
    event = start(0, "tool_use", id="t", name="answer", input={"a": 1})
    assert one.decode(Event(orjson.dumps(event))) == [TextDelta('{"a":1}')]


def test_blocks_and_events_that_are_not_known_say_nothing():
    assert decode(
        {"type": "brand_new"},
        start(0, "redacted_thinking", data="x"),
        start(1, "server_tool_use", id="s", name="web", input={}),
        delta(0, "citations_delta", citation={}),
        {"type": "content_block_stop", "index": 0},
        end(),
    ) == [Finished("stop", None, "m", None)]


def test_text_at_the_start_of_a_block_counts():
    assert decode(start(0, "text", text="A"), end())[0] == TextDelta("A")
    assert decode(start(0, "thinking", thinking="B"), end())[0] == ReasoningDelta("B")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("overloaded_error", "overloaded"),
        ("rate_limit_error", "rate_limited"),
        ("api_error", "unavailable"),
        ("timeout_error", "timeout"),
        ("authentication_error", "authentication"),
        ("permission_error", "refused_by_provider"),
        ("not_found_error", "invalid_request"),
        ("invalid_request_error", "invalid_request"),
        ("request_too_large", "context_length"),
        ("billing_error", "quota"),
    ],
)
@pytest.mark.parametrize("name", ["error", "message"])
def test_an_error_in_mid_stream_is_raised_by_its_kind(error, kind, name):
    data = orjson.dumps({"type": "error", "error": {"type": error, "message": "x"}})
    with pytest.raises(ProviderError) as caught:
        decoder().decode(Event(data, name))
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    "document",
    [
        delta(0, "text_delta", text=4),
        delta(None, "input_json_delta", partial_json="x"),
        delta(0, "input_json_delta", partial_json={}),
        start(0, "tool_use", id="t", name="f", input=[1]),
        start(0, "tool_use", id=4, name="f"),
        {"type": "content_block_delta", "delta": "x"},
        {"type": "message_start", "message": []},
    ],
)
def test_what_cannot_be_read_is_malformed(document):
    with pytest.raises(ProviderError) as caught:
        decode(document, end())
    assert caught.value.kind == "malformed"


def test_an_answer_without_its_stop_reason_is_truncated():
    with pytest.raises(ProviderError) as caught:
        decode(delta(0, "text_delta", text="x"), {"type": "message_stop"})
    assert caught.value.kind == "truncated"


def test_what_follows_the_end_does_not_count():
    assert decode(end(), {"type": "message_stop"}, delta(0, "text_delta", text="x")) == [
        Finished("stop", None, "m", None)
    ]


def test_the_version_is_told_and_the_key_has_a_header_of_its_own():
    assert ANTHROPIC_MESSAGES.headers("k") == {"anthropic-version": "2023-06-01", "x-api-key": "k"}
    assert "x-api-key" not in ANTHROPIC_MESSAGES.headers(None)


FIELDS = ["type", "index", "delta", "content_block", "message", "usage", "text", "id", "name"]
KINDS = (
    *("content_block_delta", "content_block_start", "message_start", "message_delta", "error"),
    *("text_delta", "input_json_delta", "tool_use", "text", "thinking", "message_stop"),
)
VALUES = st.sampled_from(KINDS)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 5) | st.text(max_size=3) | VALUES,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from([*FIELDS, "input", "error", "partial_json"]), inner)
    ),
    max_leaves=25,
)
NAMES = st.sampled_from(["content_block_delta", "message", "error"])


def outcome(events):
    one = decoder()
    try:
        return [chunk for data, name in events for chunk in one.decode(Event(data, name))]
    except ProviderError as error:
        return str(error)


EVENTS = st.tuples(JSON.map(orjson.dumps) | st.binary(max_size=9), NAMES)
TEXT_EVENTS = st.tuples(
    st.fixed_dictionaries(
        {"type": st.just("content_block_delta") | VALUES},
        optional={
            "delta": st.fixed_dictionaries(
                {"type": st.just("text_delta") | VALUES},
                optional={
                    "text": st.text(max_size=3) | st.none() | st.integers(-2, 5),
                    "index": JSON,
                },
            ),
            "index": st.integers(-1, 2),
            "error": JSON,
        },
    ).map(orjson.dumps),
    NAMES,
)


@given(events=st.lists(EVENTS | TEXT_EVENTS, max_size=4))
def test_any_event_gives_chunks_or_a_provider_error_and_the_quick_look_sees_the_same(events):
    quick = outcome(events)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(anthropic_wire, "text_of", lambda _event: None)
        assert quick == outcome(events)


def test_an_event_of_absurd_depth_is_malformed():
    data = b'{"type":"content_block_delta","delta":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    with pytest.raises(ProviderError) as caught:
        decoder().decode(Event(data, "content_block_delta"))
    assert caught.value.kind == "malformed"


def test_the_request_id_of_the_headers_comes_before_that_of_the_message():
    request = ChatRequest(model="m", messages=(ChatMessage(role="user", content="x"),))
    asked = Asked(request=request, options=AnthropicOptions(), provider_request_id="req_1")
    one = ANTHROPIC_MESSAGES.build_decoder(asked)
    one.decode(Event(orjson.dumps(begin())))
    one.decode(Event(orjson.dumps(end())))
    assert one.finish().provider_request_id == "req_1"


def test_tokens_that_the_provider_keeps_for_an_hour_are_among_those_that_it_wrote():
    kept = {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30}
    written = {"cache_creation_input_tokens": 50, "cache_read_input_tokens": 100}
    chunks = decode(
        begin(input_tokens=1, output_tokens=1, cache_creation=kept, **written),
        end(output_tokens=2),
        {"type": "message_stop"},
    )
    assert chunks[-1].usage == Usage(
        input_tokens=151,
        cached_input_tokens=100,
        cache_write_tokens=50,
        cache_write_1h_tokens=30,
        output_tokens=2,
    )
