"""Inputs: those that a workflow reads are taken, one that nobody reads is refused by name."""

import shutil

import httpx
import pytest

from facilitair_events.layout import checkout_root

WORKFLOW = """
workflow: {name}
description: Answers in a tone.
output: assistant
steps:
  - id: assistant
    agent: assistant
    input: "{template}"
"""


@pytest.fixture
def definitions(tmp_path):
    folder = tmp_path / "definitions"
    for name in ("agents", "models", "prompts", "workflows"):
        shutil.copytree(checkout_root() / name, folder / name)
    for name, template in {
        "tailored": "{{ task }} in {{ inputs.language }}, {{ inputs.tone }}",
        "open": "{{ task }} {{ inputs | tojson }}",
    }.items():
        text = WORKFLOW.format(name=name, template=template)
        (folder / "workflows" / f"{name}.yaml").write_text(text)
    return folder


@pytest.fixture
async def http(start, tmp_path, definitions):
    async with (
        start(tmp_path / "home", definitions=definitions) as gateway,
        httpx.AsyncClient(base_url=gateway.url, timeout=60) as client,
    ):
        yield client


async def submit(http, workflow, **inputs):
    body = {"task": "Do it.", "workflow": workflow, "inputs": inputs}
    return await http.post("/v1/collaborations", json=body)


async def test_inputs_that_are_read_are_in_the_request(http, orchestrator, stage):
    answer = await submit(http, "tailored", language="python", tone="dry")
    assert answer.status_code == 202, answer.text
    (request,) = await stage.inbox()
    assert request.inputs == {"language": "python", "tone": "dry"}


async def test_an_input_that_nobody_reads_is_refused_and_the_others_are_named(http, stage):
    answer = await submit(http, "tailored", langage="python", tone="dry")
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["code"], error["field"]) == ("unknown_input", "inputs.langage")
    assert "did you mean 'language'" in error["message"]
    assert "it reads language, tone" in error["message"]
    assert await stage.inbox() == []


async def test_a_workflow_without_inputs_says_so(http):
    answer = await submit(http, "answer", language="python")
    assert answer.status_code == 422
    assert "it reads none" in answer.json()["detail"]


async def test_a_workflow_that_takes_them_as_a_whole_takes_any(http, orchestrator):
    assert (await submit(http, "open", whatever=1, more=[2])).status_code == 202


async def test_many_unknown_inputs_do_not_make_a_long_answer(http):
    answer = await submit(http, "answer", **{f"name-{n}" + "x" * 500: 1 for n in range(100)})
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == 20
    assert len(answer.content) < 20_000
