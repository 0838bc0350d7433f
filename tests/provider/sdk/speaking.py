"""Talks to a provider with the SDKs of OpenAI and Anthropic; runs in their own environment.

Prints one JSON object: what each of them made of each model's answer.
"""

import json
import sys

import anthropic
import openai

ASKED = [{"role": "user", "content": "What is a fox?"}]


def by_openai(url, model):
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="sk-x", max_retries=0)
    seen = {"text": "", "thoughts": "", "calls": {}, "finish": None, "usage": None, "model": None}
    try:
        stream = client.chat.completions.create(
            model=model, messages=ASKED, stream=True, stream_options={"include_usage": True}
        )
        for chunk in stream:
            seen["model"] = chunk.model
            if chunk.usage is not None:
                usage = chunk.usage
                seen["usage"] = [
                    usage.prompt_tokens,
                    usage.completion_tokens,
                    usage.prompt_tokens_details.cached_tokens,
                    usage.completion_tokens_details.reasoning_tokens,
                ]
            for choice in chunk.choices:
                seen["finish"] = choice.finish_reason or seen["finish"]
                seen["text"] += choice.delta.content or ""
                seen["thoughts"] += getattr(choice.delta, "reasoning_content", None) or ""
                for call in choice.delta.tool_calls or []:
                    known = seen["calls"].setdefault(call.index, [None, None, ""])
                    known[0] = call.id or known[0]
                    known[1] = call.function.name or known[1]
                    known[2] += call.function.arguments or ""
    except Exception as error:  # noqa: BLE001 - whatever an SDK raises is what is told
        seen["error"] = said(error)
    seen["calls"] = [seen["calls"][index] for index in sorted(seen["calls"])]
    return seen


def by_anthropic(url, model):
    client = anthropic.Anthropic(base_url=url, api_key="sk-x", max_retries=0)
    seen = {"text": "", "thoughts": "", "calls": [], "finish": None, "usage": None, "model": None}
    try:
        with client.messages.stream(model=model, max_tokens=64, messages=ASKED) as stream:
            message = stream.get_final_message()
    except Exception as error:  # noqa: BLE001 - as above
        seen["error"] = said(error)
        return seen
    for block in message.content:
        if block.type == "text":
            seen["text"] += block.text
        elif block.type == "thinking":
            seen["thoughts"] += block.thinking
        elif block.type == "tool_use":
            seen["calls"].append([block.id, block.name, json.dumps(block.input)])
    usage = message.usage
    cached = usage.cache_read_input_tokens or 0
    details = getattr(usage, "output_tokens_details", None)
    thinking = getattr(details, "thinking_tokens", None) or 0
    seen["usage"] = [usage.input_tokens + cached, usage.output_tokens, cached, thinking]
    seen["finish"], seen["model"] = message.stop_reason, message.model
    return seen


def said(error):
    response = getattr(error, "response", None)
    waits = None if response is None else response.headers.get("retry-after")
    return [type(error).__name__, getattr(error, "status_code", None), waits]


if __name__ == "__main__":
    url, *models = sys.argv[1:]
    sys.stdout.write(
        json.dumps(
            {
                "openai": {model: by_openai(url, model) for model in models},
                "anthropic": {model: by_anthropic(url, model) for model in models},
            }
        )
    )
