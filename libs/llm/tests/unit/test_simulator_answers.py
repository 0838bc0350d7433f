import time

import jsonschema
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_llm.simulator.answers import VERDICT_SCHEMA, answer
from facilitair_llm.simulator.code_blocks import find_blocks, without_python_blocks
from facilitair_llm.simulator.prompts import Prompt
from facilitair_llm.simulator.requests import read_request
from facilitair_llm.simulator.structured import fill_schema
from facilitair_llm.simulator.tokens import split_tokens

CLEAN = '''```python a.py
"""A module."""

def double(number: int) -> int:
    """Return twice the number."""
    return number * 2


class Box:
    """Holds things."""

    def size(self) -> int:
        """Return how many."""
        return 0
```
'''
BROKEN = "```python a.py\ndef double(number, seen=[]):\n    return number * 2\n```\n"


def ask(system, user, *, schema=None, wants_json=False):
    prompt = Prompt(system=system, user=user)
    return answer(prompt, response_schema=schema, wants_json=wants_json)


@pytest.mark.parametrize(
    ("system", "role"),
    [
        ("You help.\nRole: coder\nListen to the reviewer.", "coder"),
        ("**Role**: Software architect", "architect"),
        ("role: reviewer", "reviewer"),
        ("Role: tester", "tester"),
        ("You are the architect of a team with a coder and a reviewer.", "architect"),
        ("You are a senior developer.", "coder"),
        ("You review code. Do a code review.", "reviewer"),
        ("You write documentation.", "documenter"),
        ("You are a helpful poet.", "assistant"),
        ("Role: poet\nYou write documentation.", "documenter"),
        ("", "assistant"),
    ],
)
def test_the_role_is_in_the_system_prompt(system, role):
    assert Prompt(system=system, user="I am an architect, Role: coder").role == role


@pytest.mark.parametrize(
    "user",
    [
        "Sort numbers",
        "Task: Sort numbers",
        "Task:\nSort\nnumbers\n\nPlan:\n\nNo.",
        "# Task\n\nSort numbers\n\n## Plan\nNo.",
        "## The task at hand\nSort numbers\n\nmore",
        "Intro.\n\n**Task:** Sort numbers\n\nFeedback: none",
        "<task>\nSort numbers\n</task>\n<plan>Task: no</plan>",
        "The task: Sort numbers",
        "Sort numbers\n\nTasks are done.",
    ],
)
def test_the_task_is_found_in_any_shape_of_prompt(user):
    assert Prompt(system="", user=user).task == "Sort numbers"


def test_the_reviewer_answers_in_json_when_prompt_schema_or_request_ask_for_it():
    for options in ({"schema": VERDICT_SCHEMA}, {"wants_json": True}, {}):
        system = "Role: reviewer" + ("" if options else "\nAnswer in JSON.")
        good = orjson.loads(ask(system, CLEAN, **options))
        bad = orjson.loads(ask(system, BROKEN, **options))
        assert (good["approved"], good["issues"]) == (True, [])
        assert bad["approved"] is False
        assert bad["issues"][0]["file"] == "a.py"
        assert bad["issues"][0]["line"] == 1
        assert "mutable default" in bad["issues"][0]["problem"]
        assert bad["issues"][0]["fix"]


def test_the_reviewer_judges_the_last_version_of_each_file():
    system = "Role: reviewer"
    assert ask(system, BROKEN + CLEAN).startswith("Approved.")
    assert ask(system, CLEAN + BROKEN).startswith("Not approved.")
    other = BROKEN.replace("a.py", "b.py")
    assert "b.py:1: mutable default" in ask(system, other + CLEAN)


@pytest.mark.parametrize(
    "user",
    [
        "Look:\n\ndef f(x, seen=[]):\n    return x",
        "```\ndef f(x, seen=[]):\n    return x\n```",
        "~~~py\ndef f(x, seen=[]):\n    return x\n~~~",
    ],
)
def test_the_reviewer_reads_code_without_a_file_name_too(user):
    assert "mutable default" in ask("Role: reviewer", user)


def test_code_that_a_task_quotes_is_not_reviewed_beside_files():
    quoted = "<task>\nFix this:\n\n```python\ndef f(x, seen=[]):\n    return x\n```\n</task>\n"
    assert ask("Role: reviewer", quoted + CLEAN).startswith("Approved.")
    assert ask("Role: reviewer", quoted).startswith("Not approved.")


@pytest.mark.parametrize("user", ["No code at all.", "```json\n{}\n```", ""])
def test_the_reviewer_does_not_approve_what_is_not_there(user):
    assert ask("Role: reviewer", user).startswith("Not approved.")


def test_odd_values_in_tests_are_not_faults_but_tests_that_cannot_run_are():
    tests = "```python test_a.py\ndef test_x(xs=[]):\n    assert {}\n```"
    assert ask("Role: reviewer", CLEAN + tests.format("xs[0] is 5")).startswith("Approved.")
    assert "undefined name" in ask("Role: reviewer", CLEAN + tests.format("helper()"))


def test_the_documenter_names_functions_methods_and_what_they_are_for():
    text = ask("Role: documenter", CLEAN)
    for part in ("a.py", "double(number: int) -> int", "Return twice the number.", "Box", "size"):
        assert part in text
    assert "no code" in ask("Role: documenter", "Hello.")
    assert "cannot be read" in ask("Role: documenter", "```python a.py\ndef\n```")


def test_the_tester_names_what_wants_tests_and_says_that_nothing_ran():
    text = ask("Role: tester", CLEAN)
    assert "`double`" in text
    assert "no test was run" in text


def test_anybody_else_gets_a_short_answer_with_the_prompts_words_that_says_simulated():
    text = ask("You are a poet.", "Tell me about submarine gardening.")
    assert "submarine" in text
    assert "gardening" in text
    assert "simulated" in text


@given(system=st.text(max_size=40), user=st.text(max_size=200), wants_json=st.booleans())
def test_any_prompt_has_an_answer_and_always_the_same(system, user, wants_json):
    first = ask(system, user, wants_json=wants_json)
    assert first
    assert ask(system, user, wants_json=wants_json) == first


LEAVES = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "maxLength": 3},
        {"type": "string", "minLength": 300},
        {"type": "integer", "minimum": 3},
        {"type": "number", "maximum": -1},
        {"type": "boolean"},
        {"type": "null"},
        {"type": ["null", "string"]},
        {"enum": ["low", "high"]},
        {"const": 4},
        {"anyOf": [{"type": "null"}, {"type": "integer"}]},
        {"$ref": "#/$defs/thing"},
    ]
)
NAMES = st.sampled_from(["approved", "issues", "summary", "line", "other", "passed", "comments"])
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds(
            lambda item: {"type": "array", "items": item, "minItems": 2, "maxItems": 2}, inner
        )
        | st.builds(
            lambda named: {
                "type": "object",
                "properties": named,
                "required": sorted(named),
                "additionalProperties": False,
            },
            st.dictionaries(NAMES, inner, max_size=4),
        )
    ),
    max_leaves=8,
)


@given(schema=SCHEMAS, system=st.sampled_from(["Role: reviewer", "Role: coder", "x"]))
def test_an_answer_to_a_schema_obeys_the_schema(schema, system):
    whole = schema | {"$defs": {"thing": {"type": "object", "required": ["name"]}}}
    jsonschema.validate(orjson.loads(ask(system, BROKEN * 2, schema=whole)), whole)


def test_a_schema_with_other_names_gets_the_verdict_under_them():
    schema = {
        "required": ["passed", "needs_changes", "comments", "score"],
        "properties": {
            "passed": {"type": "boolean"},
            "needs_changes": {"type": "boolean"},
            "comments": {"type": "array", "items": {"type": "string"}},
            "score": {"type": "integer", "minimum": 1},
        },
    }
    found = orjson.loads(ask("Role: reviewer", BROKEN, schema=schema))
    assert found["passed"] is False
    assert found["needs_changes"] is True
    assert "mutable default" in found["comments"][0]
    assert found["score"] == 1


def test_a_schema_that_refers_to_itself_ends():
    schema = {"type": "object", "properties": {"a": {"$ref": "#"}}}
    assert isinstance(fill_schema(schema, {}), dict)
    assert fill_schema({"$ref": "#"}, {}) is not ...


@pytest.mark.parametrize(
    "piece",
    [
        "```a\n",
        "````\n~~~\n",
        "<task>",
        "[[simulator:",
        "#",
        "# a\n",
        "_",
        "*",
        " ",
        "\n",
        "x",
        "task ",
    ],
)
@pytest.mark.parametrize("role", ["coder", "reviewer", "poet"])
def test_no_long_prompt_takes_long(piece, role):
    message = {"role": "user", "content": piece * (400_000 // len(piece))}
    system = {"role": "system", "content": f"Role: {role}"}
    body = orjson.dumps({"model": "m", "messages": [system, message]})
    began = time.process_time()
    asked = read_request(body, script_header=None)
    assert answer(asked.prompt, response_schema=None, wants_json=False)
    assert time.process_time() - began < 5  # quadratic time would be minutes


@given(text=st.text(max_size=300))
def test_tokens_joined_are_the_text(text):
    assert "".join(split_tokens(text)) == text


@given(text=st.text(st.sampled_from("`~ab \n"), max_size=80))
def test_any_mixture_of_fences_is_read_and_cut_out(text):
    assert len(without_python_blocks(text)) <= len(text)
    assert all(f"{block.text}" in text for block in find_blocks(text))
