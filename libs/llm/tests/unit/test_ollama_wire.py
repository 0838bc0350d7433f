import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_llm import ollama_wire
from facilitair_llm.calls import Finished, ReasoningDelta, TextDelta, ToolCallDelta, Usage
from facilitair_llm.errors import ProviderError
from facilitair_llm.framing import Event
from facilitair_llm.json_lines import LineParser
from facilitair_llm.ollama_wire import OLLAMA_CHAT, ChatLinesDecoder

# Written by hand after the page of the public documentation.
DOCUMENTED = b"""\
{"model":"llama3.2","created_at":"2026-08-04T08:52:19.385406455-07:00","message":\
{"role":"assistant","content":"","thinking":"The sky."},"done":false}
{"model":"llama3.2","created_at":"2026-08-04T08:52:19.385406455-07:00","message":\
{"role":"assistant","content":"Blue","images":null},"done":false}
{"model":"llama3.2","created_at":"2026-08-04T08:52:19.385406455-07:00","message":\
{"role":"assistant","content":"","tool_calls":[{"function":{"name":"look","arguments":\
{"up":true}}},{"id":"call_x","function":{"index":1,"name":"look","arguments":{}}}]},"done":false}
{"model":"llama3.2","created_at":"2026-08-04T19:22:45.499127Z","message":{"role":"assistant",\
"content":""},"done":true,"done_reason":"stop","total_duration":4883583458,\
"load_duration":1334875,"prompt_eval_count":26,"prompt_eval_duration":342546000,\
"eval_count":282,"eval_duration":4535599000}
"""


def decoder():
    return ChatLinesDecoder(requested_model="m", provider_request_id=None)


def decode(*documents):
    one = decoder()
    lines = [Event(orjson.dumps(document)) for document in documents]
    return [*(chunk for line in lines for chunk in one.decode(line)), one.finish()]


def say(**message):
    return {"model": "l", "message": {"role": "assistant", **message}, "done": False}


END = {"done": True, "done_reason": "stop"}


def test_the_documented_stream_is_understood():
    one = decoder()
    chunks = [c for event in LineParser().feed(DOCUMENTED) for c in one.decode(event)]
    assert one.done
    assert [*chunks, one.finish()] == [
        ReasoningDelta("The sky."),
        TextDelta("Blue"),
        ToolCallDelta(0, "call_0", "look", '{"up":true}'),
        ToolCallDelta(1, "call_x", "look", "{}"),
        Finished("tool_calls", Usage(input_tokens=26, output_tokens=282), "llama3.2", None),
    ]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("load", "other"),
        ("unload", "other"),
        (None, "stop"),
    ],
)
def test_done_reasons_are_named_as_ours(reason, expected):
    assert decode(END | {"done_reason": reason})[-1].finish_reason == expected


@pytest.mark.parametrize(
    "counts",
    [{}, {"eval_count": 1}, {"prompt_eval_count": 1}, {"eval_count": -1, "prompt_eval_count": 1}],
)
def test_counts_that_did_not_come_are_unknown_and_not_zero(counts):
    assert decode(END | counts)[-1].usage is None


def test_calls_without_a_place_or_with_one_that_is_taken_are_told_apart():
    calls = [{"function": {"name": name, "arguments": {}}} for name in "ab"]
    calls.append({"function": {"name": "c", "index": 0, "arguments": {}}})
    chunks = decode(say(tool_calls=calls[:1]), say(tool_calls=calls[1:]), END)
    assert [(chunk.index, chunk.id) for chunk in chunks[:-1]] == [
        (0, "call_0"),
        (1, "call_1"),
        (2, "call_2"),
    ]


def test_text_in_the_last_line_counts():
    assert decode(say(content="A"), say(content="B") | END)[:-1] == [TextDelta("A"), TextDelta("B")]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("llama runner process has terminated", "unavailable"),
        ("the input length exceeds the context length", "context_length"),
        ({"message": "x", "code": 429}, "rate_limited"),
    ],
)
def test_an_error_in_mid_stream_is_raised_by_its_kind(error, kind):
    with pytest.raises(ProviderError) as caught:
        decode(say(content="x"), {"error": error}, END)
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    "document",
    [
        say(content=4),
        say(thinking=[]),
        say(tool_calls={"a": 1}),
        say(tool_calls=["x"]),
        say(tool_calls=[{"function": {"name": "f", "arguments": [1]}}]),
        {"message": "x"},
    ],
)
def test_what_cannot_be_read_is_malformed(document):
    with pytest.raises(ProviderError) as caught:
        decode(document, END)
    assert caught.value.kind == "malformed"


def test_an_answer_without_its_last_line_is_truncated():
    with pytest.raises(ProviderError) as caught:
        decode(say(content="x"))
    assert caught.value.kind == "truncated"


def test_what_follows_the_end_does_not_count():
    later = {"eval_count": 9, "prompt_eval_count": 9}
    assert decode(END, say(content="x"), END | later) == [Finished("stop", None, "m", None)]


def test_a_key_is_sent_where_there_is_one():
    assert OLLAMA_CHAT.headers("k") == {"Authorization": "Bearer k"}
    assert OLLAMA_CHAT.headers(None) == {}


FIELDS = ["model", "message", "done", "done_reason", "content", "thinking", "tool_calls"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 5) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from([*FIELDS, "function", "arguments", "index", "error", "id"]), inner
        )
    ),
    max_leaves=25,
)
LINES = st.fixed_dictionaries(
    {"message": st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS[4:], JSON))},
    optional={"done": JSON, "model": JSON, "error": JSON},
)


def outcome(lines):
    one = decoder()
    try:
        return [chunk for data in lines for chunk in one.decode(Event(data))], one.done
    except ProviderError as error:
        return str(error)


@given(lines=st.lists((JSON | LINES).map(orjson.dumps) | st.binary(max_size=9), max_size=4))
def test_any_line_gives_chunks_or_a_provider_error_and_the_quick_look_sees_the_same(lines):
    quick = outcome(lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ollama_wire, "text_line", lambda _event: None)
        assert quick == outcome(lines)


def test_a_line_of_absurd_depth_is_malformed():
    data = b'{"message":{"content":"x"},"z":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    with pytest.raises(ProviderError) as caught:
        decoder().decode(Event(data))
    assert caught.value.kind == "malformed"
