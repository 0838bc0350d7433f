"""Which inputs a workflow reads."""

import pytest

from facilitair_events.definitions import Repeat, Step
from facilitair_testing.inbox import definition, step
from facilitair_workflows import expressions, templates
from facilitair_workflows.input_names import input_names


@pytest.mark.parametrize(
    ("template", "named"),
    [
        ("{{ task }}", set()),
        ("{{ inputs.a }} {{ inputs['b'] }} {{ inputs.a.deeper }}", {"a", "b"}),
        ("{% if inputs.c is defined %}{{ inputs.c }}{% endif %}", {"c"}),
        ("{{ inputs.d | default('x') }}", {"d"}),
        ("inputs.e in plain text", set()),
        ("{{ inputs | tojson }}", None),
        ("{{ inputs.a }} {{ inputs }}", None),
        ("{{ inputs[task] }}", None),
        ("{% for k in inputs %}{{ k }}{% endfor %}", None),
    ],
)
def test_a_template_names_its_inputs(template, named):
    assert templates.inputs(template) == named


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("task == 'inputs.no'", set()),
        ("inputs.go == true && has(inputs.other)", {"go", "other"}),
        ("inputs['a'] == 1 || inputs . b == 2", {"a", "b"}),
        ("size(inputs) > 1", None),
        ("'x' in inputs", None),
        ("inputs[task] == 1", None),
    ],
)
def test_an_expression_names_its_inputs(source, named):
    assert expressions.inputs(source) == named


def test_a_workflow_reads_what_any_of_its_steps_reads():
    inner = step("b", input="{{ inputs.deep }}")
    wanted = definition(
        step("a", when="inputs.go == true"),
        Step(id="g", steps=(inner,), repeat=Repeat(until="inputs.enough > 1", max=2)),
        output="a",
    )
    assert input_names(wanted) == {"go", "deep", "enough"}
    assert input_names(definition(step("a"), output="a")) == set()
    assert input_names(definition(step("a", input="{{ inputs | tojson }}"), output="a")) is None
