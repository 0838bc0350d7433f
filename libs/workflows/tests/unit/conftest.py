"""Workflows as text, checked; what is wrong with them by line."""

import textwrap
from collections.abc import Callable

import pytest

from facilitair_workflows.findings import Findings
from facilitair_workflows.validation import check_workflow
from facilitair_workflows.workflow_files import read_workflow
from facilitair_workflows.yaml_positions import read

AGENTS = {"writer", "critic"}

Faults = list[tuple[int, str]]


@pytest.fixture
def faults_of() -> Callable[[str], Faults]:
    """The faults of the text of a workflow file, by line."""

    def check(text: str) -> Faults:
        findings = Findings(file="workflows/w.yaml")
        root, syntax = read(text.encode())
        assert (root is not None, syntax) == (True, [])
        check_workflow(read_workflow(root, findings), agents=AGENTS, findings=findings)
        return [(fault.line, fault.message) for fault in sorted(findings.faults)]

    return check


@pytest.fixture
def steps(faults_of) -> Callable[..., Faults]:
    """The faults of a workflow with these steps; their first line is line 1."""

    def check(text: str, *, output: str = "a") -> Faults:
        body = textwrap.indent(textwrap.dedent(text).strip("\n"), "  ")
        whole = f"workflow: w\noutput: {output}\nsteps:\n{body}\n"
        return [(line - 3, message) for line, message in faults_of(whole)]

    return check
