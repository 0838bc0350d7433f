"""What the repository ships: it loads, it resolves, and its texts say what they must."""

import re
from pathlib import Path

import jsonschema
import pytest

from facilitair_events.definitions import Model
from facilitair_workflows.loading import load_directory
from facilitair_workflows.resolution import resolve
from facilitair_workflows.templates import render

ROOT = Path(__file__).parents[4]
MODEL = Model(name="simulated", provider="simulator", simulated=True)
VERDICT = {
    "approved": False,
    "summary": "One thing is wrong.",
    "issues": [{"file": "primes.py", "problem": "1 is no prime.", "fix": "Return False."}],
}


@pytest.fixture(scope="module")
def documents():
    return load_directory(ROOT)


@pytest.fixture(scope="module")
def code(documents):
    return resolve(
        catalog=documents.records(),
        workflow="code",
        default_model=MODEL,
        models={},
        overrides={},
    )


def context(**outputs):
    return {"task": "THE TASK", "inputs": {}, "outputs": outputs, "iteration": 1}


def steps_of(definition):
    return {step.id: step for step in definition.steps}


def test_every_workflow_resolves_on_the_default_model(documents):
    assert set(documents.workflows) == {"code", "answer"}
    for name in documents.workflows:
        definition = resolve(
            catalog=documents.records(),
            workflow=name,
            default_model=MODEL,
            models={},
            overrides={},
        )
        assert all(agent.models == (MODEL,) for agent in definition.agents.values())


def test_every_prompt_has_the_role_of_its_agent(documents):
    for agent in documents.agents.values():
        text = documents.prompts[agent.prompt].text
        assert re.search(rf"^Role: {agent.role}$", text, re.MULTILINE)


def test_every_agent_and_prompt_is_used(documents):
    used = {
        step.agent
        for workflow in documents.workflows.values()
        for step in (*workflow.steps, *(s for group in workflow.steps for s in group.steps))
    } - {None}
    assert used == set(documents.agents)
    assert {agent.prompt for agent in documents.agents.values()} == set(documents.prompts)


def test_code_runs_in_the_order_of_its_description(code):
    steps = steps_of(code)
    assert list(steps) == ["architect", "coder", "review", "documenter"]
    assert steps["coder"].needs == ("architect",)
    assert steps["review"].needs == ("coder",)
    assert steps["documenter"].needs == ("review",)
    assert [step.id for step in steps["review"].steps] == ["reviewer", "coder"]
    assert code.output == "coder"


def test_the_last_review_is_about_the_final_code(code):
    review = steps_of(code)["review"]
    fix = review.steps[1]
    assert review.repeat.max == 3
    assert fix.when == f"!outputs.reviewer.approved && iteration < {review.repeat.max}"


def test_the_verdict_has_a_schema_that_takes_verdicts_only(code):
    reviewer = steps_of(code)["review"].steps[0]
    schema = reviewer.output.json_schema
    jsonschema.validate(VERDICT, schema)
    for broken in (
        {**VERDICT, "approved": "yes"},
        {**VERDICT, "extra": 1},
        {**VERDICT, "issues": ["text"]},
        {"approved": True},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, schema)


def test_each_agent_of_code_gets_what_it_works_on(code):
    steps = steps_of(code)
    reviewer, fix = steps["review"].steps
    first = context(architect="THE DESIGN", coder="THE CODE")
    again = context(architect="THE DESIGN", coder="THE CODE", reviewer=VERDICT)
    assert "THE TASK" in render(steps["architect"].input, context())
    assert "THE DESIGN" in render(steps["coder"].input, first)
    assert "THE CODE" in render(reviewer.input, first)
    assert "earlier-review" not in render(reviewer.input, first)
    for template in (reviewer.input, fix.input, steps["documenter"].input):
        text = render(template, again)
        assert "- primes.py: 1 is no prime. Return False." in text
        assert "THE CODE" in text


def test_the_readme_says_when_the_review_did_not_approve(code):
    documenter = steps_of(code)["documenter"]
    refused = context(architect="d", coder="c", reviewer=VERDICT)
    approved = context(
        architect="d", coder="c", reviewer={"approved": True, "summary": "Good.", "issues": []}
    )
    assert "did not approve" in render(documenter.input, refused)
    assert "did not approve" not in render(documenter.input, approved)


def test_answer_asks_exactly_the_task(documents):
    (step,) = documents.workflows["answer"].steps
    assert render(step.input, context()) == "THE TASK"


def test_what_may_be_longer_than_one_answer_is_continued(code):
    steps = steps_of(code)
    members = {step.id: step for step in steps["review"].steps}
    long = (steps["coder"], members["coder"], steps["documenter"])
    assert [step.endings.length for step in long] == ["continue"] * 3
    assert members["reviewer"].endings.length == "fail"
