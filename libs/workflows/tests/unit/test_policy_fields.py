"""What files say about trouble reaches the step, knob by knob."""

import pytest

from facilitair_events.definitions import Endings, Retry, Step
from facilitair_workflows.findings import Findings
from facilitair_workflows.workflow_files import read_workflow
from facilitair_workflows.yaml_positions import read


def step_of(fields: str) -> Step:
    text = f"workflow: w\noutput: a\nsteps:\n- id: a\n  agent: x\n  input: y\n  {fields}\n"
    findings = Findings(file="w.yaml")
    root, _ = read(text.encode())
    assert root is not None
    [step] = read_workflow(root, findings).document.steps
    assert findings.faults == []
    return step


@pytest.mark.parametrize(
    ("fields", "retry"),
    [
        ("timeout: 5s", Retry()),
        ("on_error: {retry: {jitter: 0}}", Retry(jitter=0)),
        ("on_error: {retry: {deadline: 90s}}", Retry(deadline_s=90)),
        ("on_error: {retry: {backoff: 0s, max_lost: 0}}", Retry(backoff_s=0, max_lost=0)),
        (
            "on_error: {retry: {max_attempts: 2, factor: 3, max_backoff: 5s}}",
            Retry(max_attempts=2, factor=3, max_backoff_s=5),
        ),
    ],
)
def test_retry(fields: str, retry: Retry) -> None:
    assert step_of(fields).retry == retry


@pytest.mark.parametrize(
    ("fields", "endings"),
    [
        ("timeout: 5s", Endings()),
        ("endings: {}", Endings()),
        ("endings: {length: larger, max: 0}", Endings(length="larger", max=0)),
        ("endings: {refusal: fallback, cut: fail}", Endings(refusal="fallback", cut="fail")),
        ("endings: {content_filter: partial}", Endings(content_filter="partial")),
    ],
)
def test_endings(fields: str, endings: Endings) -> None:
    assert step_of(fields).endings == endings
