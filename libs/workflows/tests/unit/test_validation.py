"""Every rule for workflows has a case that it refuses, with the line."""

import pytest

from facilitair_workflows.validation import MAX_STEPS


def only(faults: list[tuple[int, str]]) -> tuple[int, str]:
    assert len(faults) == 1, faults
    return faults[0]


A = "- {id: a, agent: writer, input: x}\n"

VALID = """
- id: a
  agent: writer
  input: "{{ task }}"
- id: loop
  needs: [a]
  repeat: {until: outputs.b.done, max: 2}
  steps:
    - id: b
      agent: critic
      input: "{{ outputs.a }} {{ outputs.c | default('') }}"
      output: {json: {type: object, properties: {done: {type: boolean}}}, corrections: 1}
    - id: c
      agent: writer
      needs: [b]
      when: "!outputs.b.done"
      input: "{{ outputs.b.done }} {{ outputs.a }}"
      timeout: 90s
      on_error: {retry: {max_attempts: 2, max_lost: 1, backoff: 500ms, factor: 3, max_backoff: 2s}}
- id: d
  agent: writer
  needs: [loop]
  input: "{{ outputs.b }}{% if outputs.c is defined %}{{ outputs.c }}{% endif %}"
"""


def test_a_workflow_without_faults_has_none(steps):
    assert steps(VALID) == []


@pytest.mark.parametrize(
    ("line", "key", "message"),
    [
        ("workflow: [w]", "workflow", "must be a text, is a list"),
        ("workflow: 5", "workflow", "is a number; put it in quotes"),
        ("workflow: W!", "workflow", "is not a name"),
        ("workflow:", "workflow", "is empty"),
        ("description: {a: 1}", "description", "must be a text, is a mapping"),
        ("timeout: 10", "timeout", "did you mean 10s?"),
        ("timeout: soon", "timeout", "must be a duration"),
        ("timeout: 8d", "timeout", "must be from 1s to 604800s"),
        ("output: [a]", "output", "must be a text"),
        ("output: b", "output", "names no step: 'b'"),
        ("steps: {a: 1}", "steps", "must be a list"),
        ("steps: []", "steps", "is empty"),
        ("stepz: []", "stepz", "did you mean 'steps'?"),
        ("qqq: []", "qqq", "there are workflow, description"),
    ],
)
def test_fields_of_a_workflow(line, key, message, faults_of):
    lines = {
        "workflow": "workflow: w",
        "output": "output: a",
        "steps": "steps: [{id: a, agent: writer, input: x}]",
    }
    lines[key] = line
    number = list(lines).index(key) + 1
    at, found = only(faults_of("\n".join(lines.values())))
    assert at == number
    assert message in found


@pytest.mark.parametrize("missing", ["workflow", "output", "steps"])
def test_a_workflow_needs_its_fields(missing, faults_of):
    lines = {"workflow": "w", "output": "a", "steps": "[{id: a, agent: writer, input: x}]"}
    del lines[missing]
    text = "\n".join(f"{key}: {value}" for key, value in lines.items())
    assert only(faults_of(text)) == (1, f"the workflow has no {missing!r}")


def test_a_file_must_be_a_mapping(faults_of):
    assert "must be a mapping" in only(faults_of("- a\n"))[1]


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("needs: a", "must be a list"),
        ("needs: [1]", "must hold texts, has a number; put it in quotes"),
        ("needs: [[a]]", "must hold texts, has a list"),
        ("when: true", "is true or false; put it in quotes"),
        ("when: ' '", "is empty"),
        ("agent: [writer]", "must be a text"),
        ("input: ''", "is empty"),
        ("output: json", "must be text, or a mapping"),
        ("output: {corrections: 1}", "has no 'json'"),
        ("output: {json: x}", "must be a mapping"),
        ("output: {json: {}, corrections: 11}", "from 0 to 10"),
        ("output: {json: {}, corrections: 1.5}", "whole number"),
        ("output: {jsn: {}, json: {}}", "did you mean 'json'?"),
        ("timeout: 25h", "from 1s to 86400s"),
        ("timeout: 0s", "from 1s to 86400s"),
        ("on_error: {}", "has no 'retry'"),
        ("on_error: {retri: 1, retry: {}}", "did you mean 'retry'?"),
        ("on_error: {retry: {max_attempts: 0}}", "from 1 to 20"),
        ("on_error: {retry: {max_attempts: true}}", "must be a whole number, is true or false"),
        ("on_error: {retry: {max_lost: -1}}", "from 0 to 100"),
        ("on_error: {retry: {backoff: 2h}}", "from 0s to 3600s"),
        ("on_error: {retry: {backoff: 2}}", "did you mean 2s?"),
        ("on_error: {retry: {factor: 0.5}}", "from 1 to 10"),
        ("on_error: {retry: {max_backoff: 2h}}", "from 0s to 3600s"),
        ("on_error: {retry: {tries: 1}}", "there are max_attempts"),
        ("on_error: {retry: {jitter: 1.5}}", "from 0 to 1"),
        ("on_error: {retry: {jitter: much}}", "must be a number"),
        ("on_error: {retry: {deadline: 10}}", "did you mean 10s?"),
        ("on_error: {retry: {deadline: 8d}}", "from 1s to 604800s"),
        ("endings: partial", "must be a mapping"),
        ("endings: {lenght: partial}", "did you mean 'length'?"),
        ("endings: {length: fallback}", "must be one of fail, continue, larger, partial"),
        ("endings: {refusal: partal}", "did you mean 'partial'?"),
        ("endings: {content_filter: continue}", "must be one of fail, fallback, partial"),
        ("endings: {cut: larger}", "must be one of retry, continue, partial, fail"),
        ("endings: {cut: 1}", "must be a text"),
        ("endings: {max: 21}", "from 0 to 20"),
        ("time_out: 5s", "did you mean 'timeout'?"),
    ],
)
def test_fields_of_a_step(field, message, steps):
    fields = {"id": "id: a", "agent": "agent: writer", "input": "input: x"}
    fields[field.partition(":")[0]] = field
    text = "- " + "\n  ".join(fields.values())
    line, found = only(steps(text))
    assert line == list(fields.values()).index(field) + 1
    assert message in found


@pytest.mark.parametrize("name", ["length", "refusal", "content_filter", "cut"])
def test_a_part_of_json_is_refused_where_it_is_written(name, steps):
    text = f"""
    - id: a
      agent: writer
      input: x
      output: {{json: {{type: object}}}}
      endings:
        max: 1
        {name}: partial
    """
    line, message = only(steps(text))
    assert line == 7
    assert f"{name!r} cannot be partial here" in message


def test_all_other_endings_of_json_are_allowed(steps):
    endings = "{length: continue, refusal: fallback, content_filter: fallback, cut: continue}"
    text = f"- {{id: a, agent: writer, input: x, output: {{json: {{}}}}, endings: {endings}}}"
    assert steps(text) == []


def test_faults_of_policies_are_told_together(steps):
    text = """
    - id: a
      agent: writer
      input: x
      on_error:
        retry:
          jitter: 2
          deadline: soon
      endings:
        length: never
        max: -1
    """
    assert [line for line, _ in steps(text)] == [6, 7, 9, 10]


@pytest.mark.parametrize("ident", ["A", "a.b", "a:b", "a|b", "-a", "a b", "x" * 64])
def test_step_ids(ident, steps):
    text = f"{A}- id: '{ident}'\n  agent: writer\n  input: x"
    line, message = only(steps(text))
    assert (line, "is not a name" in message) == (2, True)


@pytest.mark.parametrize("missing", ["id", "agent", "input"])
def test_a_step_needs_its_fields(missing, steps):
    fields = {"id": "b", "agent": "writer", "input": "x"}
    del fields[missing]
    inner = ", ".join(f"{key}: {value}" for key, value in fields.items())
    line, message = only(steps(f"{A}- {{{inner}}}"))
    assert (line, f"has no {missing!r}" in message) == (2, True)


def test_a_step_must_be_a_mapping(steps):
    assert only(steps(f"{A}- b")) == (2, "a step must be a mapping, is a text")


@pytest.mark.parametrize(
    ("repeat", "message"),
    [
        ("{until: 'true', max: 0}", "from 1 to 100"),
        ("{until: 'true', max: 101}", "from 1 to 100"),
        ("{until: 'true', max: many}", "must be a whole number, is a text"),
        ("{until: 'true'}", "has no 'max'"),
        ("{max: 2}", "has no 'until'"),
        ("{until: true, max: 2}", "put it in quotes"),
        ("{until: 'true', max: 2, maxx: 2}", "did you mean 'max'?"),
        ("3", "must be a mapping"),
    ],
)
def test_repeat(repeat, message, steps):
    text = f"- id: g\n  repeat: {repeat}\n  steps:\n    - {{id: a, agent: writer, input: x}}"
    line, found = only(steps(text))
    assert (line, message in found) == (2, True), found


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("agent: writer", "'agent' is for a step with an agent"),
        ("input: x", "'input' is for a step with an agent"),
        ("output: text", "'output' is for a step with an agent"),
        ("timeout: 5s", "'timeout' is for a step with an agent"),
        ("on_error: {retry: {}}", "'on_error' is for a step with an agent"),
        ("endings: {cut: fail}", "'endings' is for a step with an agent"),
    ],
)
def test_a_group_has_no_fields_of_an_agent(field, message, steps):
    text = f"""
    - id: g
      {field}
      repeat: {{until: 'true', max: 1}}
      steps: [{{id: a, agent: writer, input: x}}]
    """
    line, found = only(steps(text))
    assert (line, message in found) == (2, True)


def test_a_group_needs_both_repeat_and_steps(steps):
    assert "has no 'steps'" in only(steps(f"{A}- id: g\n  repeat: {{until: 'true', max: 1}}"))[1]
    assert (
        "has no 'repeat'" in only(steps("- id: g\n  steps: [{id: a, agent: writer, input: x}]"))[1]
    )


def test_ids_are_unique_on_a_level(steps):
    line, message = only(steps(A + A))
    assert (line, message) == (2, "step 'a' is here twice; the first is on line 4")


def test_needs_of_an_unknown_step(steps):
    line, message = only(
        steps("- id: alpha\n  agent: writer\n  input: x\n  needs:\n    - alphb", output="alpha")
    )
    assert (line, message) == (5, "needs the unknown step 'alphb' (did you mean 'alpha'?)")


def test_needs_of_a_step_on_another_level(steps):
    text = f"""
    {A.strip()}
    - id: g
      repeat: {{until: 'true', max: 1}}
      steps:
        - {{id: b, agent: writer, input: x, needs: [a]}}
    """
    line, message = only(steps(text))
    assert (line, "on another level" in message) == (5, True)


def test_a_cycle_is_named(steps):
    text = """
    - {id: a, agent: writer, input: x, needs: [c]}
    - {id: b, agent: writer, input: x, needs: [a]}
    - {id: c, agent: writer, input: x, needs: [b]}
    """
    assert only(steps(text)) == (1, "steps wait for each other: a needs c needs b needs a")


def test_a_step_that_needs_itself(steps):
    text = "- {id: a, agent: writer, input: x, needs: [a]}"
    assert only(steps(text)) == (1, "steps wait for each other: a needs a")


def test_every_cycle_is_found_and_what_is_behind_one_is_unreachable(steps):
    text = """
    - {id: a, agent: writer, input: x}
    - {id: b, agent: writer, input: x, needs: [d, c]}
    - {id: c, agent: writer, input: x, needs: [b]}
    - {id: d, agent: writer, input: x, needs: [e]}
    - {id: e, agent: writer, input: x, needs: [d]}
    - {id: f, agent: writer, input: x, needs: [a, e]}
    """
    assert [line for line, _ in steps(text)] == [2, 4, 6]
    assert "'f' is unreachable" in steps(text)[2][1]


def test_a_step_that_never_runs_is_unreachable(steps):
    for when in ("false", "1 > 2", "false && outputs.a == 'x'"):
        text = f'{A}- id: b\n  agent: writer\n  input: x\n  needs: [a]\n  when: "{when}"'
        line, message = only(steps(text))
        assert (line, "unreachable" in message) == (6, True)


def test_an_unknown_agent(steps):
    line, message = only(steps("- id: a\n  input: x\n  agent: writter"))
    assert (line, message) == (3, "unknown agent 'writter' (did you mean 'writer'?)")
    assert "defined: critic, writer" in only(steps("- {id: a, input: x, agent: zzz}"))[1]


def test_too_many_steps(steps):
    many = "\n".join(f"- {{id: s{n}, agent: writer, input: x}}" for n in range(MAX_STEPS))
    assert steps(many, output="s1") == []
    line, message = only(steps(f"{many}\n{A}"))
    assert (line, "1001 steps" in message) == (0, True)


def test_many_ordered_steps_are_checked_in_time(steps):
    chain = "\n".join(
        f"- {{id: s{n}, agent: writer, input: '{{{{ outputs.s{n - 1} }}}}', needs: [s{n - 1}]}}"
        for n in range(1, MAX_STEPS)
    )
    assert steps(f"- {{id: s0, agent: writer, input: x}}\n{chain}", output="s5") == []


@pytest.mark.parametrize(
    ("schema", "line", "message"),
    [
        ("type: objekt", 5, "not a JSON Schema"),
        ("type: array\n      items: 5", 6, "not a JSON Schema"),
        ("properties:\n        a: {type: [x]}", 6, "not a JSON Schema"),
        ("pattern: '('", 5, "not a JSON Schema"),
        ("minLength: -1", 5, "not a JSON Schema"),
        ("$ref: http://127.0.0.1/x", 5, "must stand alone"),
        ("properties:\n        a: {$ref: '#'}", 6, "must stand alone"),
        ("allOf: [{$dynamicRef: '#x'}]", 5, "must stand alone"),
    ],
)
def test_a_schema_that_cannot_be_used(schema, line, message, steps):
    text = f"- id: a\n  agent: writer\n  input: x\n  output:\n    json:\n      {schema}"
    at, found = only(steps(text))
    assert (at, message in found) == (line + 1, True), found


def test_a_property_may_be_called_ref(steps):
    schema = "{properties: {$ref: {type: string}}, enum: [{$ref: x}]}"
    assert steps(f"- {{id: a, agent: writer, input: x, output: {{json: {schema}}}}}") == []
