"""The bytes of requests, in each dialect; equal requests give equal bytes."""

from pathlib import Path

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_llm.anthropic_requests import AnthropicOptions
from facilitair_llm.calls import ChatMessage, ChatRequest, Image, ToolCall, ToolDefinition
from facilitair_llm.dialect_registry import BUILT_IN
from facilitair_llm.errors import ProviderError
from facilitair_llm.json_answers import instruction, is_closed_schema
from facilitair_llm.ollama_requests import OllamaOptions
from facilitair_llm.openai_requests import OpenAIOptions

GOLDEN = Path(__file__).parent / "golden"
PNG = Image(url="data:image/png;base64,iVBORw0KGgo=")
WEB = Image(url="https://example.com/cat.png")
CLOSED = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
OPEN = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}}
FIND = ToolDefinition(name="find", description="Finds things.", parameters=CLOSED)
ASK = ChatRequest(model="m", messages=(ChatMessage(role="user", content="hi"),))
FULL = ChatRequest(
    model="some-model",
    messages=(
        ChatMessage(role="system", content="You are brief."),
        ChatMessage(role="user", content="What is this?", name="ada", images=(PNG,)),
        ChatMessage(
            role="assistant",
            content="Let me look.",
            tool_calls=(
                ToolCall(id="call_1", name="find", arguments='{"a":"grüße"}'),
                ToolCall(id="call_2", name="find", arguments=""),
            ),
        ),
        ChatMessage(role="tool", content="a cat", tool_call_id="call_1"),
        ChatMessage(role="tool", content="a dog", tool_call_id="call_2"),
        ChatMessage(role="user", content="So?"),
    ),
    temperature=0.5,
    max_output_tokens=100,
    stop=("END",),
    seed=7,
    response_schema=CLOSED,
    tools=(FIND,),
)


def encode(dialect, request, options=None):
    found = BUILT_IN[dialect]
    return found.encode(request, found.options() if options is None else options)


def body(dialect, request, options=None):
    return orjson.loads(encode(dialect, request, options))


@pytest.mark.parametrize("dialect", BUILT_IN)
def test_a_request_with_everything_has_these_bytes(dialect):
    golden = (GOLDEN / f"{dialect}.json").read_bytes()
    assert encode(dialect, FULL) == golden.rstrip(b"\n")


MESSAGES = st.builds(
    ChatMessage,
    role=st.sampled_from(["system", "user", "assistant", "tool"]),
    content=st.text(max_size=4),
    tool_calls=st.lists(
        st.builds(ToolCall, st.text(max_size=2), st.text(max_size=2), st.text(max_size=4)),
        max_size=1,
    ).map(tuple),
    images=st.just(msgspec.UNSET) | st.just((PNG,)),
)
REQUESTS = st.builds(
    ChatRequest,
    model=st.just("m"),
    messages=st.lists(MESSAGES, max_size=4).map(tuple),
    response_schema=st.sampled_from([None, CLOSED, OPEN]),
    tools=st.sampled_from([(), (FIND,)]),
)


@pytest.mark.parametrize("dialect", BUILT_IN)
@given(request=REQUESTS)
def test_equal_requests_give_equal_bytes(dialect, request):
    again = msgspec.json.decode(msgspec.json.encode(request), type=ChatRequest)
    assert encode(dialect, request) == encode(dialect, again)


def test_a_message_without_images_has_the_digest_it_always_had():
    assert b"images" not in msgspec.json.encode(ASK)


def with_images(*images):
    message = ChatMessage(role="user", content="what?", images=images)
    return msgspec.structs.replace(ASK, messages=(message,))


def test_images_are_sent_as_each_dialect_refers_to_them():
    parts = body("openai-chat", with_images(PNG, WEB))["messages"][0]["content"]
    assert [part.get("image_url", {}).get("url") for part in parts] == [PNG.url, WEB.url, None]
    blocks = body("anthropic-messages", with_images(PNG, WEB))["messages"][0]["content"]
    assert [block.get("source") for block in blocks] == [
        {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="},
        {"type": "url", "url": WEB.url},
        None,
    ]
    message = body("ollama-chat", with_images(PNG))["messages"][0]
    assert (message["content"], message["images"]) == ("what?", ["iVBORw0KGgo="])


@pytest.mark.parametrize("dialect", BUILT_IN)
@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://h/x.png", "data:image/png,x", ""])
def test_an_image_that_nobody_could_load_is_refused_before_anything_is_sent(dialect, url):
    with pytest.raises(ProviderError) as caught:
        encode(dialect, with_images(Image(url=url)))
    assert (caught.value.kind, caught.value.sent) == ("invalid_request", False)


def test_ollama_is_not_sent_references_that_it_does_not_load():
    with pytest.raises(ProviderError, match="data: URLs"):
        encode("ollama-chat", with_images(WEB))


@pytest.mark.parametrize("name", ["temperature", "seed", "stop", "stream_options", "name"])
def test_what_a_server_of_the_openai_dialect_refuses_is_left_out(name):
    found = body("openai-chat", FULL, OpenAIOptions(omit=(name,)))
    assert name not in found
    assert ("name" in found["messages"][1]) == (name != "name")
    assert name in body("openai-chat", FULL) or name == "name"


@pytest.mark.parametrize("name", ["temperature", "stop"])
def test_what_a_server_of_the_messages_dialect_refuses_is_left_out(name):
    field = {"stop": "stop_sequences"}.get(name, name)
    assert field in body("anthropic-messages", FULL)
    assert field not in body("anthropic-messages", FULL, AnthropicOptions(omit=(name,)))


@pytest.mark.parametrize("name", ["temperature", "seed", "stop"])
def test_what_an_ollama_refuses_is_left_out(name):
    assert name in body("ollama-chat", FULL)["options"]
    assert name not in body("ollama-chat", FULL, OllamaOptions(omit=(name,)))["options"]


def test_ollama_is_told_its_window_and_how_long_to_keep_the_model():
    options = OllamaOptions(num_ctx=16384, keep_alive="30m")
    found = body("ollama-chat", ASK, options)
    assert (found["options"], found["keep_alive"]) == ({"num_ctx": 16384}, "30m")
    assert body("ollama-chat", ASK, OllamaOptions(keep_alive=0))["keep_alive"] == 0
    assert not {"options", "keep_alive", "format", "tools"} & set(body("ollama-chat", ASK))


def asking(schema, *tools):
    return msgspec.structs.replace(ASK, response_schema=schema, tools=tools)


def test_json_is_asked_for_as_the_server_can():
    words = instruction(CLOSED)
    schema = body("openai-chat", asking(CLOSED))
    assert schema["response_format"]["type"] == "json_schema"
    assert words not in str(schema["messages"])
    by_object = body("openai-chat", asking(CLOSED), OpenAIOptions(json_output="object"))
    assert by_object["response_format"] == {"type": "json_object"}
    assert by_object["messages"][0] == {"role": "system", "content": words}
    in_words = body("openai-chat", asking(CLOSED), OpenAIOptions(json_output="words"))
    assert "response_format" not in in_words
    assert in_words["messages"][0]["content"] == words
    assert body("ollama-chat", asking(CLOSED))["format"] == CLOSED


def test_the_words_come_after_the_system_prompt_that_is_there():
    system = ChatMessage(role="system", content="Be kind.")
    request = msgspec.structs.replace(asking(OPEN), messages=(system, *ASK.messages))
    found = body("openai-chat", request, OpenAIOptions(json_output="words"))
    assert found["messages"][0]["content"] == f"Be kind.\n\n{instruction(OPEN)}"
    assert len(found["messages"]) == 2


@pytest.mark.parametrize(
    ("request_", "options", "how"),
    [
        (asking(CLOSED), AnthropicOptions(), "output_config"),
        (asking(CLOSED, FIND), AnthropicOptions(), "output_config"),
        (asking(OPEN), AnthropicOptions(), "tool_choice"),
        (asking(CLOSED), AnthropicOptions(json_output="tool"), "tool_choice"),
        (asking(OPEN, FIND), AnthropicOptions(), "system"),
        (asking({"type": "array"}), AnthropicOptions(json_output="tool"), "system"),
        (asking(CLOSED), AnthropicOptions(json_output="words"), "system"),
    ],
)
def test_json_is_asked_of_anthropic_by_the_best_that_takes_the_schema(request_, options, how):
    found = body("anthropic-messages", request_, options)
    assert {"output_config", "tool_choice", "system"} & set(found) == {how}
    if how == "tool_choice":
        assert found["tools"][0]["input_schema"] == request_.response_schema
        assert found["tool_choice"] == {"type": "tool", "name": found["tools"][0]["name"]}


@pytest.mark.parametrize(
    ("schema", "closed"),
    [
        (CLOSED, True),
        (CLOSED | {"required": []}, True),
        (OPEN, False),
        (CLOSED | {"properties": {"not": {"type": "string"}}}, True),
        (CLOSED | {"properties": {"a": {"type": "integer", "minimum": 1}}}, False),
        (CLOSED | {"properties": {"a": {"type": "array", "items": OPEN}}}, False),
        ({"anyOf": [CLOSED, {"type": "object"}]}, False),
        ({"type": "array", "items": CLOSED}, True),
    ],
)
def test_a_schema_that_structured_output_would_refuse_is_known(schema, closed):
    assert is_closed_schema(schema) is closed


def test_anthropic_gets_a_limit_always():
    assert body("anthropic-messages", ASK)["max_tokens"] == AnthropicOptions().max_output_tokens
    options = AnthropicOptions(max_output_tokens=5)
    assert body("anthropic-messages", ASK, options)["max_tokens"] == 5
    limited = msgspec.structs.replace(ASK, max_output_tokens=9)
    assert body("anthropic-messages", limited, options)["max_tokens"] == 9


def test_turns_alternate_for_anthropic_and_system_prompts_are_one():
    messages = tuple(
        ChatMessage(role=role, content=content)
        for role, content in [
            ("system", "a"),
            ("user", "b"),
            ("user", "c"),
            ("system", "d"),
            ("assistant", ""),
            ("user", "e"),
        ]
    )
    found = body("anthropic-messages", msgspec.structs.replace(ASK, messages=messages))
    assert found["system"] == "a\n\nd"
    assert [message["role"] for message in found["messages"]] == ["user", "assistant", "user"]
    assert [block["text"] for block in found["messages"][0]["content"]] == ["b", "c"]


@pytest.mark.parametrize("arguments", ["{broken", "[1]", "4"])
def test_arguments_that_are_no_object_are_sent_back_as_they_were_written(arguments):
    call = ToolCall(id="c", name="f", arguments=arguments)
    message = ChatMessage(role="assistant", content="", tool_calls=(call,))
    request = msgspec.structs.replace(ASK, messages=(message,))
    sent = {"unreadable_arguments": arguments}
    turn = body("anthropic-messages", request)["messages"][0]["content"]
    assert turn == [{"type": "tool_use", "id": "c", "name": "f", "input": sent}]
    (called,) = body("ollama-chat", request)["messages"][0]["tool_calls"]
    assert called["function"]["arguments"] == sent
    (as_text,) = body("openai-chat", request)["messages"][0]["tool_calls"]
    assert as_text["function"]["arguments"] == arguments


def test_ollama_is_told_which_tool_answers():
    found = body("ollama-chat", FULL)["messages"]
    assert [(m["tool_call_id"], m["tool_name"]) for m in found if m["role"] == "tool"] == [
        ("call_1", "find"),
        ("call_2", "find"),
    ]
