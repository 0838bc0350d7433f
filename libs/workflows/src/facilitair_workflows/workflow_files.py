"""A workflow file: friendly keys in, a document out. Names are not looked up here."""

from typing import Final

import msgspec
from msgspec import Struct

from facilitair_events.definitions import Output, Repeat, Step
from facilitair_workflows.budget_fields import read_budget, read_usd
from facilitair_workflows.documents import WorkflowDocument
from facilitair_workflows.fields import DAY_S, HOUR_S, STEP_ID, Fields, kind_of
from facilitair_workflows.findings import Findings
from facilitair_workflows.policy_fields import read_endings, read_retry
from facilitair_workflows.yaml_positions import YamlMap, YamlNode, YamlScalar, plain

MAX_REPEAT: Final = 100
MAX_CORRECTIONS: Final = 10

_WORKFLOW_KEYS: Final = ("workflow", "description", "timeout", "budget", "output", "steps")
_AGENT_ONLY: Final = ("agent", "input", "output", "timeout", "on_error", "endings")
_GROUP_ONLY: Final = ("repeat", "steps")
_STEP_KEYS: Final = ("id", "needs", "when", "budget", *_AGENT_ONLY, *_GROUP_ONLY)


class WorkflowFile(Struct, frozen=True, kw_only=True):
    """A workflow as written: what it says, and the tree that knows the lines.

    What was wrong is left out of the document; a step without a usable id has the id ``""``.
    """

    document: WorkflowDocument
    root: YamlNode


def read_workflow(root: YamlNode, findings: Findings) -> WorkflowFile:
    """Read a workflow; every fault of its form goes to ``findings``."""
    if not isinstance(root, YamlMap):
        findings.add(root.line, f"a workflow must be a mapping, is {kind_of(root)}")
        root = YamlMap(line=root.line, entries={})
        return WorkflowFile(document=_empty(), root=root)
    fields = Fields(root, known=_WORKFLOW_KEYS, what="the workflow", findings=findings)
    nodes = fields.sequence("steps", required=True)
    steps = tuple(_read_step(node, findings) for node in nodes.items) if nodes else ()
    budget = read_budget(fields)
    document = WorkflowDocument(
        workflow=fields.name("workflow", required=True) or "",
        description=fields.text("description") or "",
        timeout_s=fields.duration_s("timeout", low_s=1, high_s=7 * DAY_S) or HOUR_S,
        output=fields.text("output", required=True) or "",
        steps=steps,
        budget_usd=budget.usd,
        on_budget=budget.on_exceeded,
    )
    return WorkflowFile(document=document, root=root)


def _empty() -> WorkflowDocument:
    return WorkflowDocument(workflow="", description="", timeout_s=HOUR_S, output="", steps=())


def _read_step(node: YamlNode, findings: Findings) -> Step:
    if not isinstance(node, YamlMap):
        findings.add(node.line, f"a step must be a mapping, is {kind_of(node)}")
        return Step(id="")
    ident = node.entries.get("id")
    named = ident is not None and isinstance(ident.value, YamlScalar)
    what = f"step {ident.value.value!r}" if named else "the step"  # type: ignore[union-attr]
    fields = Fields(node, known=_STEP_KEYS, what=what, findings=findings)
    step = Step(
        id=fields.name("id", pattern=STEP_ID, required=True) or "",
        needs=tuple(text for text, _ in fields.texts("needs")),
        when=fields.text("when"),
        budget_usd=read_usd(fields, "budget"),
    )
    if fields.has("repeat") or fields.has("steps"):
        return _read_group(fields, step)
    return _read_agent_step(fields, step)


def _read_group(fields: Fields, step: Step) -> Step:
    for key in _AGENT_ONLY:
        if fields.has(key):
            fields.fault(key, f"{key!r} is for a step with an agent; {fields.what} is a group")
    nodes = fields.sequence("steps", required=True)
    return msgspec.structs.replace(
        step,
        repeat=_read_repeat(fields),
        steps=tuple(_read_step(node, fields.findings) for node in nodes.items) if nodes else (),
    )


def _read_repeat(group: Fields) -> Repeat:
    """The loop of a group; an empty ``until`` stands for one that was at fault."""
    node = group.mapping("repeat", required=True)
    if node is None:
        return Repeat(until="", max=1)
    what = f"repeat of {group.what}"
    fields = Fields(node, known=("until", "max"), what=what, findings=group.findings)
    fields.value("max", required=True)
    return Repeat(
        until=fields.text("until", required=True) or "",
        max=fields.integer("max", low=1, high=MAX_REPEAT) or 1,
    )


def _read_agent_step(fields: Fields, step: Step) -> Step:
    defaults = Step(id="")
    return msgspec.structs.replace(
        step,
        agent=fields.text("agent", required=True),
        input=fields.text("input", required=True),
        output=_read_output(fields),
        timeout_s=fields.duration_s("timeout", low_s=1, high_s=DAY_S) or defaults.timeout_s,
        retry=read_retry(fields),
        endings=read_endings(fields),
    )


def _read_output(step: Fields) -> Output:
    """``text``, or a mapping with a JSON Schema; the schema itself is checked later."""
    node = step.value("output")
    if node is None or (isinstance(node, YamlScalar) and node.value == "text"):
        return Output()
    if not isinstance(node, YamlMap):
        step.fault("output", "'output' must be text, or a mapping with 'json' and its schema")
        return Output()
    what = f"output of {step.what}"
    fields = Fields(node, known=("json", "corrections"), what=what, findings=step.findings)
    schema = fields.mapping("json", required=True)
    corrections = fields.integer("corrections", low=0, high=MAX_CORRECTIONS)
    return Output(
        kind="json",
        json_schema=plain(schema) if schema else {},
        corrections=Output().corrections if corrections is None else corrections,
    )
