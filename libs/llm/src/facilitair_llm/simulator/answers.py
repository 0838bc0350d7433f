"""What the simulator says: one text for one request, whoever asks and whenever."""

import re
from typing import Any

import msgspec
import orjson

from facilitair_llm.simulator.architect import answer_as_architect
from facilitair_llm.simulator.coder import answer_as_coder
from facilitair_llm.simulator.documenter import answer_as_documenter, answer_as_tester
from facilitair_llm.simulator.naming import words_of
from facilitair_llm.simulator.prompts import Prompt
from facilitair_llm.simulator.reviewer import answer_as_reviewer, review
from facilitair_llm.simulator.structured import fill_schema

VERDICT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "approved": {"type": "boolean"},
        "summary": {"type": "string"},
        "issues": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "file": {"type": "string"},
                    "line": {"type": "integer"},
                    "problem": {"type": "string"},
                    "fix": {"type": "string"},
                },
            },
        },
    },
}
"""What a reviewer answers with who is asked for JSON without being given a schema."""

_ASKS_FOR_JSON = re.compile(r"\bJSON\b")
_MAX_ECHOED_WORDS = 12
_ROLE_ANSWERS = {
    "architect": answer_as_architect,
    "coder": answer_as_coder,
    "reviewer": answer_as_reviewer,
    "tester": answer_as_tester,
    "documenter": answer_as_documenter,
}


def answer(prompt: Prompt, *, response_schema: dict[str, Any] | None, wants_json: bool) -> str:
    """Return the answer of the prompt's role; JSON where schema, request or prompt ask for it."""
    role = prompt.role
    if role == "reviewer":
        wants_json = wants_json or _ASKS_FOR_JSON.search(prompt.system + prompt.user) is not None
    if response_schema is None and not wants_json:
        return _ROLE_ANSWERS.get(role, answer_as_assistant)(prompt)
    known: dict[str, Any]
    if role == "reviewer":
        known = msgspec.to_builtins(review(prompt))
        known["issues"] = list(known["issues"])
        known["text"] = known["summary"]
    else:
        known = {"text": _ROLE_ANSWERS.get(role, answer_as_assistant)(prompt)}
    schema = response_schema if response_schema is not None else _default_schema(role)
    return orjson.dumps(fill_schema(schema, known), option=orjson.OPT_INDENT_2).decode()


def answer_as_assistant(prompt: Prompt) -> str:
    """Return a short answer that uses the prompt's words and says that it is simulated."""
    words = list(dict.fromkeys(words_of(prompt.task)))[:_MAX_ECHOED_WORDS]
    about = ", ".join(words) if words else "nothing that has words"
    return (
        f"This answer is simulated: no model was asked. You wrote about {about}. "
        "Set ANTHROPIC_API_KEY, OPENAI_API_KEY or OLLAMA_HOST to ask a real model."
    )


def _default_schema(role: str) -> dict[str, Any]:
    if role == "reviewer":
        return VERDICT_SCHEMA
    return {"type": "object", "properties": {"text": {"type": "string"}}}
