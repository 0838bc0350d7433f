from decimal import Decimal

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_llm import openai_wire
from facilitair_llm.calls import (
    ChatMessage,
    ChatRequest,
    Finished,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolDefinition,
    Usage,
)
from facilitair_llm.dialects import Asked
from facilitair_llm.errors import ProviderError
from facilitair_llm.framing import Event
from facilitair_llm.json_answers import is_strict_schema
from facilitair_llm.openai_requests import OpenAIOptions, encode_request
from facilitair_llm.openai_wire import OPENAI_CHAT, ChatStreamDecoder

REQUEST = ChatRequest(model="m", messages=(ChatMessage(role="user", content="hi"),))
CLOSED = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}


def encode(request=REQUEST, **options):
    return orjson.loads(encode_request(request, OpenAIOptions(**options)))


def decode(*documents, done=True):
    decoder = ChatStreamDecoder(requested_model="m", provider_request_id=None)
    events = [orjson.dumps(document) for document in documents] + [b"[DONE]"] * done
    chunks = [chunk for data in events for chunk in decoder.decode(Event(data=data))]
    return [*chunks, decoder.finish()]


def delta(*, finish=None, **fields):
    return {"id": "c1", "model": "m-1", "choices": [{"delta": fields, "finish_reason": finish}]}


STOP = delta(finish="stop")
COUNTED = Usage(
    input_tokens=7,
    output_tokens=5,
    cached_input_tokens=2,
    cache_write_tokens=1,
    reasoning_tokens=3,
)


def test_a_plain_request_asks_for_a_stream_with_usage_and_leaves_the_rest_to_the_provider():
    assert encode() == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"temperature": 0.0}, "temperature", 0.0),
        ({"max_output_tokens": 9}, "max_tokens", 9),
        ({"stop": ("a", "b")}, "stop", ["a", "b"]),
        ({"seed": 0}, "seed", 0),
        (
            {"response_schema": CLOSED},
            "response_format",
            {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": CLOSED, "strict": True},
            },
        ),
        (
            {"tools": (ToolDefinition(name="t", description="d", parameters=CLOSED),)},
            "tools",
            [
                {
                    "type": "function",
                    "function": {"name": "t", "description": "d", "parameters": CLOSED},
                }
            ],
        ),
    ],
)
def test_every_knob_of_a_request_reaches_the_wire(change, field, value):
    assert encode(msgspec.structs.replace(REQUEST, **change))[field] == value


def test_the_name_of_the_output_limit_is_the_providers():
    limited = msgspec.structs.replace(REQUEST, max_output_tokens=9)
    body = encode(limited, output_limit_field="max_completion_tokens")
    assert body["max_completion_tokens"] == 9
    assert "max_tokens" not in body


def test_tool_calls_and_their_answers_are_sent_back():
    call = ToolCall(id="1", name="f", arguments="{}")
    asked = ChatMessage(role="assistant", content="", tool_calls=(call,))
    answer = ChatMessage(role="tool", content="4", name="f", tool_call_id="1")
    body = encode(msgspec.structs.replace(REQUEST, messages=(asked, answer)))
    assert body["messages"][0]["tool_calls"] == [
        {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    ]
    assert body["messages"][1] == {
        "role": "tool",
        "content": "4",
        "name": "f",
        "tool_call_id": "1",
    }


@pytest.mark.parametrize(
    "schema",
    [
        CLOSED | {"required": []},
        CLOSED | {"additionalProperties": True},
        {"type": "object"},
        CLOSED | {"properties": {"a": {"type": "array", "items": {"type": "object"}}}},
        {"anyOf": [CLOSED, {"type": "object"}]},
    ],
)
def test_a_schema_that_strict_mode_would_refuse_is_not_sent_as_strict(schema):
    assert is_strict_schema(CLOSED)
    assert not is_strict_schema(schema)


def test_text_usage_and_model_of_a_whole_answer():
    usage = {
        "prompt_tokens": 7,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    chunks = decode(
        delta(role="assistant", content=""),
        delta(reasoning_content="hm"),
        delta(content="Hel"),
        delta(content="lo"),
        STOP,
        {"choices": [], "usage": usage},
    )
    assert chunks == [
        ReasoningDelta("hm"),
        TextDelta("Hel"),
        TextDelta("lo"),
        Finished("stop", COUNTED, "m-1", "c1"),
    ]


def test_the_last_of_several_usages_counts_and_null_is_no_usage():
    first, second = ({"prompt_tokens": n, "completion_tokens": n} for n in (1, 2))
    chunks = decode(STOP | {"usage": first}, STOP | {"usage": second}, STOP | {"usage": None})
    assert chunks[-1].usage == Usage(input_tokens=2, output_tokens=2)


@pytest.mark.parametrize(
    "usage", [None, {}, {"prompt_tokens": 1}, {"prompt_tokens": -1, "completion_tokens": 1}, "x"]
)
def test_an_unreadable_usage_is_unknown_and_not_zero(usage):
    assert decode(STOP | {"usage": usage})[-1].usage is None


def test_tool_calls_keep_the_index_they_came_with():
    first = {"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}
    chunks = decode(
        delta(tool_calls=[first, {"index": 1, "id": "b", "function": {"name": "g"}}]),
        delta(tool_calls=[{"index": 1, "function": {"arguments": "{}"}}]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": "[1"}}]),
        delta(finish="tool_calls"),
    )
    assert chunks[:-1] == [
        ToolCallDelta(0, "a", "f", ""),
        ToolCallDelta(1, "b", "g", ""),
        ToolCallDelta(1, None, None, "{}"),
        ToolCallDelta(0, None, None, "[1"),
    ]
    assert chunks[-1].finish_reason == "tool_calls"


def test_whole_tool_calls_without_an_index_are_told_apart_by_their_ids():
    calls = [{"id": name, "function": {"name": name, "arguments": "{}"}} for name in "ab"]
    chunks = decode(delta(tool_calls=calls[:1]), delta(tool_calls=calls[1:]), STOP)
    assert [chunk.index for chunk in chunks[:-1]] == [0, 1]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("stop", "stop"),
        ("eos", "stop"),
        ("length", "length"),
        ("function_call", "tool_calls"),
        ("content_filter", "content_filter"),
        ("weird", "other"),
    ],
)
def test_finish_reasons_are_named_as_ours(reason, expected):
    assert decode(delta(finish=reason))[-1].finish_reason == expected


def test_a_refusal_is_text_and_says_so_in_the_finish_reason():
    chunks = decode(delta(refusal="I will not."), STOP)
    assert chunks[0] == TextDelta("I will not.")
    assert chunks[-1].finish_reason == "refusal"


def test_an_answer_without_done_is_whole_once_its_finish_reason_came():
    assert decode(delta(content="x"), STOP, done=False)[-1].finish_reason == "stop"


@pytest.mark.parametrize("done", [False, True])
def test_an_answer_without_finish_reason_is_truncated(done):
    with pytest.raises(ProviderError) as caught:
        decode(delta(content="x"), done=done)
    assert caught.value.kind == "truncated"


def test_what_follows_done_does_not_count():
    decoder = ChatStreamDecoder(requested_model="m", provider_request_id=None)
    decoder.decode(Event(data=b"[DONE]"))
    assert decoder.decode(Event(data=orjson.dumps(delta(content="x")))) == []


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ({"error": {"message": "x", "code": "rate_limit_exceeded"}}, "rate_limited"),
        ({"error": {"message": "x", "code": 502}}, "unavailable"),
        ({"error": "broken"}, "unavailable"),
        (delta(finish="error"), "unavailable"),
        ([], "malformed"),
        ({"choices": ["x"]}, "malformed"),
        (delta(content=["x"]), "malformed"),
        (delta(tool_calls=True), "malformed"),
        (delta(tool_calls=["x"]), "malformed"),
        (delta(tool_calls=[{"function": {"arguments": 4}}]), "malformed"),
    ],
)
def test_an_error_in_mid_stream_is_raised_by_its_kind(document, kind):
    with pytest.raises(ProviderError) as caught:
        decode(delta(content="x"), document, STOP)
    assert caught.value.kind == kind


@pytest.mark.parametrize("data", [b"", b"{", b'{"a":"\xff"}', b"\x00", b"null", b'{"a":1}{'])
def test_an_event_that_is_not_an_object_is_malformed(data):
    decoder = ChatStreamDecoder(requested_model="m", provider_request_id=None)
    with pytest.raises(ProviderError) as caught:
        decoder.decode(Event(data=data))
    assert caught.value.kind == "malformed"


def test_an_event_named_error_is_an_error_without_an_error_object():
    decoder = ChatStreamDecoder(requested_model="m", provider_request_id=None)
    with pytest.raises(ProviderError) as caught:
        decoder.decode(
            Event(data=b'{"message":"too much","type":"overloaded_error"}', name="error")
        )
    assert caught.value.kind == "overloaded"


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ({"x_groq": {"error": "over capacity"}, "choices": []}, "unavailable"),
        ({"object": "error", "message": "no", "code": 400}, "invalid_request"),
    ],
    ids=["Groq", "old vLLM"],
)
def test_errors_in_other_places_are_found(document, kind):
    with pytest.raises(ProviderError) as caught:
        decode(delta(content="x"), document, STOP)
    assert caught.value.kind == kind


def test_usage_in_groqs_place_counts():
    usage = {"prompt_tokens": 2, "completion_tokens": 3}
    assert decode(STOP | {"x_groq": {"usage": usage}})[-1].usage == Usage(
        input_tokens=2, output_tokens=3
    )


def test_thinking_that_only_the_total_counts_is_output():
    hidden = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 40}
    told = hidden | {"completion_tokens_details": {"reasoning_tokens": 25}}
    for usage in (hidden, told):
        assert decode(STOP | {"usage": usage})[-1].usage == Usage(
            input_tokens=10, output_tokens=30, reasoning_tokens=25
        )


def test_a_stop_after_tool_calls_is_for_the_calls():
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": {"x": 1}}}
    chunks = decode(delta(tool_calls=[call]), STOP)
    assert chunks[0] == ToolCallDelta(0, "a", "f", '{"x":1}')
    assert chunks[-1].finish_reason == "tool_calls"


def test_an_event_of_absurd_depth_is_malformed():
    deep = b"[" * 200_000 + b"]" * 200_000
    decoder = ChatStreamDecoder(requested_model="m", provider_request_id=None)
    with pytest.raises(ProviderError) as caught:
        decoder.decode(Event(data=b'{"choices":[{"delta":{"content":"x"}}],"z":' + deep + b"}"))
    assert caught.value.kind == "malformed"


def nullable(values):
    return st.one_of(values, st.none(), st.just(False))


DELTAS = st.fixed_dictionaries(
    {},
    optional={
        "content": nullable(st.text(max_size=4)),
        "role": st.just("assistant"),
        "refusal": nullable(st.text(max_size=2)),
        "reasoning": nullable(st.text(max_size=2)),
        "tool_calls": nullable(st.just([])),
        "other": st.integers(-5, 5),
    },
)
EVENTS = st.fixed_dictionaries(
    {
        "choices": st.lists(
            st.fixed_dictionaries(
                {"delta": DELTAS},
                optional={
                    "finish_reason": nullable(st.sampled_from(["stop", "length"])),
                    "index": st.integers(0, 3),
                },
            ),
            max_size=2,
        )
    },
    optional={
        "model": nullable(st.text(max_size=3)),
        "id": nullable(st.text(max_size=3)),
        "usage": nullable(st.just({"prompt_tokens": 1, "completion_tokens": 2})),
        "error": nullable(st.just("")),
        "x_groq": nullable(st.sampled_from([{"id": "r"}, {"error": "e"}])),
    },
)


@given(documents=st.lists(EVENTS, max_size=4))
def test_the_quick_look_at_a_text_sees_what_the_long_one_sees(documents):
    quick = outcome(documents)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openai_wire, "text_event", lambda _event: None)
        assert quick == outcome(documents)


def outcome(documents):
    try:
        return decode(*documents, STOP)
    except ProviderError as error:
        return error.kind


FIELDS = ["choices", "delta", "content", "tool_calls", "function", "arguments", "index", "usage"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*FIELDS, "id", "error", "model"]), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(document=JSON)
def test_any_json_gives_chunks_or_a_provider_error(document):
    decoder = ChatStreamDecoder(requested_model="m", provider_request_id=None)
    try:
        decoder.decode(Event(data=orjson.dumps(document)))
        decoder.decode(Event(data=orjson.dumps({"choices": [{"delta": document}]})))
    except ProviderError as error:
        assert error.message  # noqa: PT017 - either outcome is right, no other exception is


@pytest.mark.parametrize(
    ("told", "cost"),
    [
        ({"cost": 0.00014}, "0.00014"),
        ({"cost": 0}, "0"),
        ({"cost": 1e-7, "is_byok": False}, "1E-7"),
        (
            {"cost": 0.01, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.2}},
            "0.21",
        ),
        ({"cost": 0.01, "is_byok": True}, None),
        ({"cost": 0.01, "is_byok": True, "cost_details": None}, None),
        ({"cost": -1}, None),
        ({"cost": 1e-300}, None),
        ({"cost": 10**7}, None),
        ({"cost": "0.01"}, None),
        ({"cost": True}, None),
        ({}, None),
    ],
)
def test_a_provider_that_is_asked_tells_what_a_call_was_charged(told, cost):
    usage = {"prompt_tokens": 2, "completion_tokens": 1} | told
    events = [delta(content="x"), STOP, {"choices": [], "usage": usage}]
    for tells in (True, False):
        decoder = ChatStreamDecoder(requested_model="m", provider_request_id=None, tells_cost=tells)
        for document in events:
            decoder.decode(Event(data=orjson.dumps(document)))
        found = decoder.finish().cost_usd
        assert found == (Decimal(cost) if tells and cost is not None else None)


def test_the_option_of_a_server_says_whether_it_tells_costs():
    request = ChatRequest(model="m", messages=())
    for cost, expected in (("usage", Decimal("0.5")), ("prices", None)):
        asked = Asked(request=request, options=OpenAIOptions(cost=cost))
        decoder = OPENAI_CHAT.build_decoder(asked)
        usage = {"prompt_tokens": 2, "completion_tokens": 1, "cost": 0.5}
        decoder.decode(Event(data=orjson.dumps(STOP | {"usage": usage})))
        assert decoder.finish().cost_usd == expected
