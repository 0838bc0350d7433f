"""What is wrong with a workflow beyond its form: order, names, templates, expressions, schemas."""

from collections.abc import Collection
from typing import Final

from msgspec.structs import asdict

from facilitair_events.definitions import Step
from facilitair_workflows.findings import Findings
from facilitair_workflows.output_checks import (
    Report,
    check_expression,
    check_template,
    is_never,
    result_fault,
)
from facilitair_workflows.schema_checks import reference_paths, schema_faults
from facilitair_workflows.scopes import ROOT, Chain, Level, Outline
from facilitair_workflows.suggestions import known_names, near_miss
from facilitair_workflows.workflow_files import WorkflowFile
from facilitair_workflows.yaml_positions import YamlScalar, find, locate

MAX_STEPS: Final = 1000


class _Check:
    """One workflow under examination."""

    def __init__(self, file: WorkflowFile, findings: Findings) -> None:
        self.root = file.root
        self.findings = findings
        self.outline = Outline(file.document.steps)

    def fault(self, chain: Chain, *keys: str | int, message: str) -> None:
        """Add a fault at a key of the step at ``chain``."""
        self.findings.add(locate(self.root, _yaml_path(chain, *keys)), message)

    def reporter(self, chain: Chain, *keys: str) -> Report:
        """Add faults at lines of a text; only a literal block keeps its lines in the file."""
        path = _yaml_path(chain, *keys)
        node = find(self.root, path)
        line = node.line if node else locate(self.root, path)
        literal = isinstance(node, YamlScalar) and node.literal

        def report(line_of_text: int, message: str) -> None:
            at = line + line_of_text if literal else line
            self.findings.add(at, f"{keys[-1]!r}: {message}")

        return report


def check_workflow(file: WorkflowFile, *, agents: Collection[str], findings: Findings) -> None:
    """Add every fault of a workflow whose form was read; ``agents`` are the names that exist."""
    check = _Check(file, findings)
    outline = check.outline
    count = len(outline.places)
    if count > MAX_STEPS:
        check.fault(ROOT, "steps", message=f"{count} steps, at most {MAX_STEPS} are allowed")
        return
    for group, level in outline.levels.items():
        _check_ids(check, group, level=level)
        _check_needs(check, group, level=level)
        _check_order(check, group, level=level)
    _check_group_ids(check)
    for chain, step in outline.places.items():
        _check_step(check, chain, step=step, agents=agents)
    if file.document.output:
        message = result_fault(outline, file.document.steps, output=file.document.output)
        if message is not None:
            check.fault(ROOT, "output", message=message)


def _yaml_path(chain: Chain, *keys: str | int) -> tuple[str | int, ...]:
    path: list[str | int] = []
    for position in chain:
        path += ["steps", position]
    return (*path, *keys)


def _check_ids(check: _Check, group: Chain, *, level: Level) -> None:
    for position, step in enumerate(level.steps):
        first = level.positions.get(step.id, position)
        if first != position:
            line = locate(check.root, _yaml_path((*group, first), "id"))
            message = f"step {step.id!r} is here twice; the first is on line {line}"
            check.fault((*group, position), "id", message=message)


def _check_needs(check: _Check, group: Chain, *, level: Level) -> None:
    elsewhere = {step.id for step in check.outline.places.values()} - set(level.positions)
    for position, step in enumerate(level.steps):
        for index, need in enumerate(step.needs):
            if need in level.positions:
                continue
            message = f"needs the unknown step {need!r}{near_miss(need, level.positions)}"
            if need in elsewhere:
                message = f"needs {need!r}, which is on another level; needs names steps beside it"
            check.fault((*group, position), "needs", index, message=message)


def _check_order(check: _Check, group: Chain, *, level: Level) -> None:
    cycles = level.cycles()
    for cycle in cycles:
        names = [level.steps[position].id for position in (*cycle, cycle[0])]
        message = f"steps wait for each other: {' needs '.join(names)}"
        check.fault((*group, cycle[0]), "needs", message=message)
    in_cycles = {position for cycle in cycles for position in cycle}
    for position in sorted(set(level.stuck) - in_cycles):
        message = f"step {level.steps[position].id!r} is unreachable: it waits for such a circle"
        check.fault((*group, position), "needs", message=message)


def _check_group_ids(check: _Check) -> None:
    """A group has no output, so its id must not hide the output of a step with the same id."""
    outline = check.outline
    groups: dict[str, Chain] = {}
    for chain in sorted(outline.levels):
        name = outline.places[chain].id if chain != ROOT else ""
        if not name:
            continue
        others = [*outline.answers.get(name, []), *([groups[name]] if name in groups else [])]
        for other in others:
            if other[:-1] != chain[:-1]:  # on one level it is a repeated id already
                message = f"group {name!r} shares its id with {outline.path(other)}; rename one"
                check.fault(chain, "id", message=message)
                break
        groups.setdefault(name, chain)


def _check_step(check: _Check, chain: Chain, *, step: Step, agents: Collection[str]) -> None:
    if step.agent is not None and step.agent not in agents:
        advice = near_miss(step.agent, agents) or f"; {known_names(agents)}"
        check.fault(chain, "agent", message=f"unknown agent {step.agent!r}{advice}")
    if step.when is not None:
        report = check.reporter(chain, "when")
        check_expression(check.outline, chain, source=step.when, report=report)
        if is_never(step.when):
            report(1, f"step {step.id!r} is unreachable, because this is never true")
    if step.repeat is not None and step.repeat.until:
        report = check.reporter(chain, "repeat", "until")
        source = step.repeat.until
        check_expression(check.outline, chain, source=source, report=report, at_the_end=True)
    if step.input is not None:
        report = check.reporter(chain, "input")
        check_template(check.outline, chain, source=step.input, report=report)
    if step.output.json_schema is not None:
        _check_schema(check, chain, step=step)
    if step.output.kind != "text":
        _check_endings(check, chain, step=step)


def _check_endings(check: _Check, chain: Chain, *, step: Step) -> None:
    """What was accepted as it is would have to be JSON, and half of it is none."""
    for name, word in asdict(step.endings).items():
        if word == "partial":
            message = f"{name!r} cannot be partial here: a part of a JSON answer is no JSON"
            check.fault(chain, "endings", name, message=message)


def _check_schema(check: _Check, chain: Chain, *, step: Step) -> None:
    for path, message in schema_faults(step.output.json_schema or {}):
        check.fault(chain, "output", "json", *path, message=message)
    node = find(check.root, _yaml_path(chain, "output", "json"))
    for path in reference_paths(node) if node else ():
        message = f"{path[-1]} is not allowed: write the schema out, it must stand alone"
        check.fault(chain, "output", "json", *path, message=message)
