"""Whether what templates and expressions name is there, once, by the time they are asked."""

import re
from collections.abc import Callable

from facilitair_events.definitions import Step
from facilitair_workflows import expressions, templates
from facilitair_workflows.errors import ExpressionError
from facilitair_workflows.fields import STEP_ID
from facilitair_workflows.scopes import Chain, Outline, Visible
from facilitair_workflows.suggestions import near_miss

Report = Callable[[int, str], None]
"""Takes a line of the source, counted from 1, and what is wrong there."""


def check_template(outline: Outline, chain: Chain, *, source: str, report: Report) -> None:
    """Report what is wrong with the input template of the step at ``chain``."""
    wrong = templates.check(source)
    for fault in wrong:
        report(fault.line, fault.message)
    if wrong:
        return
    visible = outline.visible_from(chain)
    faults: dict[str, str | None] = {}
    for reference in templates.named_outputs(source):
        name = reference.step
        if name not in faults:
            faults[name] = _fault_of(outline, chain, name=name, visible=visible)
        message = faults[name]
        if message is None and not reference.guarded:
            advice = f"ask first with {{% if outputs.{name} is defined %}}, or use | default('')"
            message = _maybe_missing(outline, name, visible=visible, advice=advice)
        if message is not None:
            report(reference.line, message)


def check_expression(
    outline: Outline, chain: Chain, *, source: str, report: Report, at_the_end: bool = False
) -> None:
    """Report what is wrong with ``when``, or with ``until`` when ``at_the_end``."""
    named = expressions.references(source)
    for wrong in expressions.check(source, named):
        report(1, wrong)
    visible = outline.visible_from(chain, at_the_end=at_the_end)
    for name in sorted(named):
        quoted = f"outputs.{name}" if "-" not in name else f"outputs['{name}']"
        advice = f"ask first, as in '{name}' in outputs && {quoted} …"
        message = _fault_of(outline, chain, name=name, visible=visible)
        if message is None and not _asks(source, name):
            message = _maybe_missing(outline, name, visible=visible, advice=advice)
        if message is not None:
            report(1, message)


def is_never(when: str) -> bool:
    """Whether an expression is false whatever the collaboration does."""
    try:
        return not expressions.evaluate(when, {})
    except (ExpressionError, RuntimeError):
        return False  # it depends on something, or it is no expression, which is reported elsewhere


def clash(outline: Outline, name: str, *, chains: list[Chain]) -> str | None:
    """Why it is not certain which of several steps with one id answered last; None when it is."""
    for position, first in enumerate(chains):
        for second in chains[position + 1 :]:
            if outline.concurrent(first, second):
                one, other = outline.path(first), outline.path(second)
                return (
                    f"the output of {name!r} is ambiguous: {one} and {other} may run at the same "
                    "time; rename one, or let one need the other"
                )
    return None


def _fault_of(outline: Outline, chain: Chain, *, name: str, visible: list[Visible]) -> str | None:
    answers = outline.answers.get(name, [])
    seen = {one.chain for one in visible}
    here = [answer for answer in answers if answer in seen]
    if not here:
        return _missing(outline, chain, name=name, visible=visible)
    for answer in answers:
        if answer != chain and outline.concurrent(answer, chain):
            return (
                f"the output of {name!r} is ambiguous: {outline.path(answer)} may run at the same "
                "time as this; add it to needs, or rename it"
            )
    return clash(outline, name, chains=here)


def _missing(outline: Outline, chain: Chain, *, name: str, visible: list[Visible]) -> str:
    places = outline.places
    if any(step.id == name and group in outline.levels for group, step in places.items()):
        return f"{name!r} is a group and has no output; name one of its steps"
    if outline.answers.get(name):
        return f"the output of {name!r} is not there yet; add {_to_need(outline, chain, name=name)}"
    known = {places[one.chain].id for one in visible}
    return f"there is no step {name!r} whose output could be named{near_miss(name, known)}"


def _to_need(outline: Outline, chain: Chain, *, name: str) -> str:
    """The step to add to ``needs``: it, or the group beside this step that holds it."""
    answer = outline.answers[name][0]
    level = chain[:-1]
    if answer == chain or answer[: len(level)] != level:
        return "a step that comes after it"
    return f"{outline.places[answer[: len(level) + 1]].id!r} to needs"


def _maybe_missing(
    outline: Outline, name: str, *, visible: list[Visible], advice: str
) -> str | None:
    certain = any(one.certain and outline.places[one.chain].id == name for one in visible)
    return None if certain else f"the output of {name!r} may be missing here; {advice}"


def _asks(source: str, name: str) -> bool:
    """Whether a CEL expression tests that an output is there."""
    if not STEP_ID.fullmatch(name):
        return False
    has = rf"\bhas\s*\(\s*outputs\s*\.\s*{name}\s*\)"
    inside = rf"(['\"]){name}\1\s+in\s+outputs\b"
    return re.search(has, source) is not None or re.search(inside, source) is not None


def result_fault(outline: Outline, steps: tuple[Step, ...], *, output: str) -> str | None:
    """Why the workflow's ``output`` names no result; None when it does."""
    chains = outline.answers.get(output, [])
    if chains:
        return clash(outline, output, chains=chains)
    if any(step.id == output for step in outline.places.values()):
        return f"'output' names the group {output!r}, which has no output; name one of its steps"
    if not steps:
        return None
    return f"'output' names no step: {output!r}{near_miss(output, outline.answers)}"
