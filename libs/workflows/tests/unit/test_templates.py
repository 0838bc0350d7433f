"""Templates: what they can say, what they are refused, what they may cost."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_workflows.templates import (
    LOOP_LIMIT,
    TemplateError,
    check,
    named_outputs,
    references,
    render,
)

CONTEXT = {
    "task": "sort a list",
    "inputs": {"language": "python", "n": 2},
    "outputs": {
        "coder": "x = 1",
        "reviewer": {"approved": False, "issues": ["slow", "wrong"], "items": 3},
        "lore-memory": "once",
    },
    "iteration": 2,
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ task }}", "sort a list"),
        ("{{ outputs.coder }}\n", "x = 1\n"),
        ("{{ outputs['lore-memory'] }}", "once"),
        ("{{ outputs.reviewer.approved }}", "false"),
        ("{{ outputs.reviewer.issues }}", '["slow", "wrong"]'),
        ("{{ outputs.reviewer.issues | join(', ') }}", "slow, wrong"),
        ("{{ outputs.reviewer.items }}", "3"),
        ("{{ inputs.missing | default('none') }}", "none"),
        ("{{ inputs.missing.deeper | default('none') }}", "none"),
        ("{{ iteration + 1 }}", "3"),
        ("{{ task[:4] }}", "sort"),
        ("{{ inputs | tojson }}", '{"language": "python", "n": 2}'),
        ("{{ '<b> & é' | tojson }}", '"<b> & é"'),
        ("{% for i in outputs.reviewer.issues %}\n- {{ i }}\n{% endfor %}\n", "- slow\n- wrong\n"),
        ("{% if outputs.other is defined %}yes{% else %}no{% endif %}", "no"),
        ("{{ 'a' if iteration > 1 else 'b' }}", "a"),
    ],
)
def test_a_template_gives_its_text(template, text):
    assert render(template, CONTEXT) == text


def test_a_context_value_is_never_a_template():
    assert render("{{ task }}", {"task": "{{ outputs }} {% include 'x' %}"}) == (
        "{{ outputs }} {% include 'x' %}"
    )


def test_a_key_named_like_a_method_is_the_key():
    context = {"outputs": {"items": "mine", "get": "too"}}
    assert render("{{ outputs.items }} {{ outputs.get }}", context) == "mine too"


@pytest.mark.parametrize(
    "template",
    [
        "{{ task.__class__ }}",
        "{{ task['__class__'] }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ task | attr('__class__') }}",
        "{{ [task] | map(attribute='__class__') | list }}",
        "{{ task.upper }}",
        "{{ task.format }}",
        "{{ inputs.items }}",
        "{{ task.upper() }}",
        "{{ ''.format_map }}",
        "{{ range(10) }}",
        "{{ cycler }}",
        "{{ lipsum() }}",
        "{{ self }}",
        "{{ config }}",
        "{{ _budget }}",
        "{{ outputs }}",
        "{{ outputs[task] }}",
        "{% for key in outputs %}{% endfor %}",
        "{% include 'x' %}",
        "{% import 'x' as y %}",
        "{% from 'x' import y %}",
        "{% extends 'x' %}",
        "{% block a %}{% endblock %}",
        "{% macro a() %}{% endmacro %}",
        "{% call task() %}{% endcall %}",
        "{% filter upper %}a{% endfilter %}",
        "{% set a = 1 %}",
        "{% with a = 1 %}{% endwith %}",
        "{% autoescape true %}{% endautoescape %}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{% for x in [1] %}{{ loop._iterable }}{% endfor %}",
        "{{ 'a' * 10 }}",
        "{{ 9 ** 9 }}",
        "{{ 'a' % 1 }}",
        "{{ task ~ task }}",
        "{{ task + task }}",
        "{{ {'a': 1} }}",
    ],
)
def test_the_sandbox_refuses(template):
    with pytest.raises(TemplateError):
        render(template, CONTEXT)


@pytest.mark.parametrize(
    ("template", "line", "reason"),
    [
        ("a\n\n{{ inputs.missing }}", 3, "'missing'"),
        ("a\n{{ outputs.nobody }}", 2, "'nobody'"),
        ("a\n{% for x in [1] %}\n{{ x.deep }}\n{% endfor %}", 3, "'deep'"),
        ("a\n{{ (", 2, "unexpected"),
        ("a\n{{ task | shout }}", 2, "shout"),
        ("a\n{{ task is round }}", 2, "round"),
        ("a\n{{ task.upper() }}", 2, "filter"),
        ("a\n{{ who }}", 2, "'who'"),
        ("\n{{ -task }}", 2, "unary"),
    ],
)
def test_an_error_names_the_line(template, line, reason):
    with pytest.raises(TemplateError) as caught:
        render(template, CONTEXT)
    assert caught.value.line == line
    assert reason in str(caught.value)


def test_output_is_bounded():
    assert render("{{ task }}", {"task": "x" * 10}, limit=10) == "x" * 10
    with pytest.raises(TemplateError, match="more text"):
        render("{{ task }}", {"task": "x" * 11}, limit=10)


def test_a_long_separator_counts_as_output():
    context = {"task": "s" * 100, "outputs": {"a": list(range(100))}}
    with pytest.raises(TemplateError, match="more text"):
        render("{{ outputs.a | join(task) | length }}", context, limit=1000)


def test_loops_are_bounded_together():
    context = {"outputs": {"a": list(range(LOOP_LIMIT // 10))}}
    loop = "{% for x in outputs.a %}{% endfor %}"
    assert render(loop * 10, context) == ""
    with pytest.raises(TemplateError, match="turns"):
        render(loop * 11, context)
    nested = "{% for x in outputs.a %}{% for y in outputs.a %}{% endfor %}{% endfor %}"
    with pytest.raises(TemplateError, match="turns"):
        render(nested, context)


def test_the_bounds_are_those_of_one_rendering():
    context = {"outputs": {"a": list(range(LOOP_LIMIT))}}
    for _ in range(2):
        assert render("{% for x in outputs.a %}{% endfor %}", context) == ""


def test_a_loop_over_a_text_is_refused():
    with pytest.raises(TemplateError, match="not over a text"):
        render("{% for c in task %}{% endfor %}", CONTEXT)


@pytest.mark.parametrize(
    "template",
    [
        "x" * 20_000,
        "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
        "{{ " + "not " * 3000 + "1 }}",
        "{{ " + " and ".join(["1"] * 200) + " }}",
        "{% if 1 %}" * 200 + "{% endif %}" * 200,
        "{% for a in [1] %}" * 25 + "{% endfor %}" * 25,
        "{{ " + "9" * 5000 + " }}",
        "{{ '' | tojson(1000) }}",
    ],
)
def test_an_oversized_template_is_refused(template):
    with pytest.raises(TemplateError):
        render(template, CONTEXT)


def test_check_finds_everything_at_once():
    faults = check("{{ who }}\n{{ task.upper() }}\n{{ outputs }}")
    assert [fault.line for fault in faults] == [1, 2, 3]
    assert check("{{ task }}") == []


def test_references_are_the_outputs_named():
    template = "{{ outputs.a }}{% if outputs['b-c'].x %}{% endif %}{{ outputs.d | default(1) }}"
    assert references(template) == {"a", "b-c", "d"}


@pytest.mark.parametrize(
    ("template", "guarded"),
    [
        ("{{ outputs.a }}", False),
        ("{{ outputs.a.b }}", False),
        ("{% if outputs.a %}{% endif %}", False),
        ("{{ outputs.a | default('') }}", True),
        ("{{ outputs.a.b | d('') }}", True),
        ("{{ outputs.a is defined }}", True),
        ("{% if outputs.a is defined %}{{ outputs.a.b }}{% endif %}", True),
        ("{% if outputs.a is not defined %}{% else %}{{ outputs.a }}{% endif %}", True),
        ("{% if outputs.a is undefined %}{% elif outputs.a.b %}{% endif %}", True),
        ("{% if outputs.a is defined and outputs.a.b %}{% endif %}", True),
        ("{% if outputs.a is undefined or outputs.a.b %}{% endif %}", True),
        ("{{ outputs.a if outputs.a is defined else '' }}", True),
        ("{{ '' if outputs.a is undefined else outputs.a }}", True),
        ("{% if outputs.a is undefined %}{{ outputs.a }}{% endif %}", False),
        ("{% if outputs.a is defined %}{% else %}{{ outputs.a }}{% endif %}", False),
        ("{% if outputs.a is defined or task %}{{ outputs.a }}{% endif %}", False),
        ("{% if outputs.a is defined %}{% endif %}{{ outputs.a }}", False),
        ("{% if outputs.b is defined %}{{ outputs.a }}{% endif %}", False),
    ],
)
def test_a_reference_knows_whether_it_is_guarded(template, guarded):
    named = [reference for reference in named_outputs(template) if reference.step == "a"]
    assert all(reference.guarded for reference in named) is guarded


@given(st.text(max_size=200) | st.text(alphabet="{}%# ().|'outpsk[]0+-~\n", max_size=80))
def test_any_text_gives_a_text_or_a_template_error(template):
    with contextlib.suppress(TemplateError):
        assert isinstance(render(template, CONTEXT), str)
