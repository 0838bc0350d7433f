"""What files say about money reaches the definition, and what is no amount is refused."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from facilitair_events.definitions import Definition
from facilitair_testing.inbox import MODEL
from facilitair_workflows.documents import (
    AgentDocument,
    Documents,
    PromptDocument,
    WorkflowDocument,
)
from facilitair_workflows.findings import Findings
from facilitair_workflows.resolution import resolve
from facilitair_workflows.workflow_files import read_workflow
from facilitair_workflows.yaml_positions import read

STEPS = "steps:\n- id: a\n  agent: x\n  input: y\n"


def of(text: str) -> tuple[WorkflowDocument, list[str]]:
    findings = Findings(file="w.yaml")
    root, _ = read(f"workflow: w\noutput: a\n{text}".encode())
    assert root is not None
    document = read_workflow(root, findings).document
    return document, [str(fault) for fault in findings.faults]


@pytest.mark.parametrize(
    ("written", "usd", "on_budget"),
    [
        ("", None, "finish"),
        ("budget: 2.50\n", Decimal("2.5"), "finish"),
        ("budget: '0.10'\n", Decimal("0.10"), "finish"),
        ("budget: 3\n", Decimal(3), "finish"),
        ("budget: {usd: 0.1}\n", Decimal("0.1"), "finish"),
        ("budget: {usd: 1, on_exceeded: pause}\n", Decimal(1), "pause"),
        ("budget: {on_exceeded: cheaper}\n", None, "cheaper"),
    ],
)
def test_a_workflow_has_a_budget(written: str, usd: Decimal | None, on_budget: str) -> None:
    document, faults = of(written + STEPS)
    assert faults == []
    assert (document.budget_usd, document.on_budget) == (usd, on_budget)


def test_steps_and_groups_have_budgets() -> None:
    group = (
        "steps:\n- id: g\n  budget: 2\n  repeat: {until: 'true', max: 2}\n"
        "  steps:\n  - id: a\n    agent: x\n    input: y\n    budget: 0.5\n"
    )
    document, faults = of(group)
    assert faults == []
    [outer] = document.steps
    assert (outer.budget_usd, outer.steps[0].budget_usd) == (Decimal(2), Decimal("0.5"))


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("budget: much\n", "must be an amount of USD"),
        ("budget: true\n", "must be an amount of USD"),
        ("budget: [1]\n", "must be an amount of USD"),
        ("budget: nan\n", "must be an amount of USD"),
        ("budget: 0\n", "must be over 0 and at most 1000000, is 0"),
        ("budget: -1\n", "must be over 0"),
        ("budget: 1000001\n", "must be over 0 and at most 1000000"),
        ("budget: '0.0000000001'\n", "has more than 9 digits"),
        ("budget: {}\n", "says nothing"),
        ("budget: {usd: 1, on_exceeded: stop}\n", "must be one of finish, pause, cheaper"),
        ("budget: {eur: 1}\n", "unknown key 'eur'"),
    ],
)
def test_what_is_no_budget_is_refused(written: str, told: str) -> None:
    _, faults = of(written + STEPS)
    assert any(told in fault for fault in faults), faults


def resolved(**more: Any) -> Definition:
    document = of(STEPS)[0]
    fields = {name: getattr(document, name) for name in document.__struct_fields__}
    agent = AgentDocument(agent="x", role="r", description="", prompt="p", models=("default",))
    documents = Documents(
        workflows={"w": WorkflowDocument(**(fields | more))},
        agents={"x": agent},
        prompts={"p": PromptDocument(prompt="p", text="You are.")},
    )
    return resolve(
        catalog=documents.records(), workflow="w", default_model=MODEL, models={}, overrides={}
    )


def test_the_definition_carries_the_budget_and_its_version_says_so() -> None:
    found = resolved(budget_usd=Decimal("2.5"), on_budget="pause")
    assert (found.budget_usd, found.on_budget) == (Decimal("2.5"), "pause")
    assert found.version != resolved().version
    assert found.digest != resolved().digest


def test_a_workflow_without_a_budget_is_the_version_that_it_was() -> None:
    plain = msgspec.to_builtins(of(STEPS)[0])
    assert set(plain) == {"workflow", "description", "timeout_s", "output", "steps"}
    assert "budget_usd" not in plain["steps"][0]
