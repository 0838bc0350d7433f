"""What validation lets through is there when it is asked, whatever the order of events."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_events.definitions import Repeat, Step
from facilitair_testing.inbox import Inbox, definition
from facilitair_workflows.documents import WorkflowDocument
from facilitair_workflows.findings import Findings
from facilitair_workflows.scopes import Level, Outline
from facilitair_workflows.templates import render
from facilitair_workflows.validation import check_workflow
from facilitair_workflows.workflow_files import WorkflowFile
from facilitair_workflows.yaml_positions import YamlMap

IDS = ["a", "b", "c", "d"]
LAST = "last"


def steps(*needs):
    return tuple(Step(id=str(index), needs=tuple(map(str, n))) for index, n in enumerate(needs))


@pytest.mark.parametrize(
    ("needs", "cycles"),
    [
        ([[], [0], [0, 1]], []),
        ([[0]], [[0]]),
        ([[1], [0]], [[0, 1]]),
        ([[2], [0], [1]], [[0, 2, 1]]),
        ([[], [2], [1], [4], [3]], [[1, 2], [3, 4]]),
        ([[1, 2], [3], [0], [3]], [[3], [0, 2]]),
    ],
)
def test_cycles_are_found_once_each(needs, cycles):
    assert Level(steps(*needs)).cycles() == cycles


def test_order_follows_needs():
    level = Level(steps([], [0], [1], []))
    assert level.is_before(0, 2)
    assert not level.is_before(2, 0)
    assert not level.is_before(0, 3)


def test_steps_of_one_group_and_of_two_are_compared_where_they_part():
    inner = (Step(id="x"), Step(id="y", needs=("x",)))
    outline = Outline((Step(id="g", steps=inner), Step(id="h", needs=("g",), steps=inner)))
    assert not outline.concurrent((0, 0), (0, 1))
    assert not outline.concurrent((0, 1), (1, 0))
    apart = Outline((Step(id="g", steps=inner), Step(id="h", steps=inner)))
    assert apart.concurrent((0, 1), (1, 0))
    assert apart.path((1, 0)) == "h > x"


@st.composite
def levels(draw, *, inside=False):
    """The steps of a level; each may need any before it, groups are one deep."""
    found = []
    for name in draw(st.lists(st.sampled_from(IDS), unique=True, min_size=1, max_size=4)):
        needs = tuple(step.id for step in found if draw(st.booleans()))
        when = draw(st.sampled_from([None, None, "size(task) > 1000", "iteration > 1"]))
        if not inside and draw(st.booleans()):
            members = draw(levels(inside=True))
            repeat = Repeat(until="iteration >= 3", max=draw(st.integers(1, 3)))
            found.append(
                Step(id=f"group-{name}", needs=needs, when=when, repeat=repeat, steps=members)
            )
        else:
            found.append(Step(id=name, needs=needs, when=when, agent="x", input="{{ task }}"))
    return tuple(found)


def is_accepted(candidate):
    document = WorkflowDocument(
        workflow="w", description="", timeout_s=1.0, output=LAST, steps=candidate
    )
    findings = Findings(file="w")
    file = WorkflowFile(document=document, root=YamlMap(line=1, entries={}))
    check_workflow(file, agents={"x"}, findings=findings)
    return not findings.faults


def naming(candidate, *, chain, name):
    """The steps with the input of one of them replaced."""
    position, *rest = chain
    step = candidate[position]
    if rest:
        step = msgspec.structs.replace(step, steps=naming(step.steps, chain=rest, name=name))
    else:
        step = msgspec.structs.replace(step, input=f"{{{{ outputs.{name} }}}}")
    return (*candidate[:position], step, *candidate[position + 1 :])


def with_names(candidate, *, pick):
    """Let every step name an output that validation allows, where there is one."""
    outline = Outline(candidate)
    for chain, step in outline.places.items():
        if step.agent is None:
            continue
        allowed = [
            named for name in IDS if is_accepted(named := naming(candidate, chain=chain, name=name))
        ]
        if allowed:
            candidate = pick(allowed)
    return candidate


def inputs_of_a_run(wanted, *, pick):
    """What each attempt was asked, by path, when open attempts answer in the picked order."""
    inbox = Inbox()
    inbox.request(wanted)
    while inbox.open_tasks:
        inbox.answer(task := pick(inbox.open_tasks), f"text of {task.path}")
    assert inbox.state.status == "completed"
    return {
        task.path: render(
            task.input,
            {
                "task": "Do it.",
                "outputs": {name: out.text.text.v for name, out in task.outputs.items()},
            },
        )
        for task in inbox.tasks
    }


@given(levels(), st.data())
def test_what_is_accepted_is_there_and_does_not_depend_on_who_answers_first(candidate, data):
    last = Step(id=LAST, agent="x", input="{{ task }}", needs=tuple(s.id for s in candidate))
    candidate = with_names(
        (*candidate, last), pick=lambda allowed: data.draw(st.sampled_from(allowed))
    )
    wanted = definition(*candidate, output=LAST)
    first = inputs_of_a_run(wanted, pick=lambda tasks: tasks[0])
    drawn = inputs_of_a_run(wanted, pick=lambda tasks: data.draw(st.sampled_from(tasks)))
    assert drawn == first
