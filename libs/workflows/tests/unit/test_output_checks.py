"""What templates and expressions may name: there, certain, and one."""

import textwrap

import pytest


def agent_step(ident, *, needs="", when="", text="x"):
    fields = [f"id: {ident}", "agent: writer", f"input: {text!r}"]
    if needs:
        fields.append(f"needs: [{needs}]")
    if when:
        fields.append(f"when: {when!r}")
    return "- " + "\n  ".join(fields) + "\n"


def group(ident, members, *, needs="", until="true", when=""):
    head = f"- id: {ident}\n  needs: [{needs}]\n  repeat: {{until: {until!r}, max: 3}}\n"
    if when:
        head += f"  when: {when!r}\n"
    return f"{head}  steps:\n{textwrap.indent(''.join(members), '    ')}"


def messages(faults):
    return [message for _, message in faults]


def one(faults):
    assert len(faults) == 1, faults
    return faults[0][1]


A = agent_step("a")


def naming(name):
    return f"{{{{ outputs.{name} }}}}"


def test_a_step_sees_what_it_needs_directly_or_not(steps):
    chain = A + agent_step("b", needs="a") + agent_step("c", needs="b", text=naming("a"))
    assert steps(chain) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nobody", "there is no step 'nobody'"),
        ("aa", "there is no step 'aa' whose output could be named (did you mean 'a'?)"),
        ("b", "'b' is not there yet; add a step that comes after it"),
        ("late", "the output of 'late' is not there yet; add 'late' to needs"),
        ("inner", "the output of 'inner' is not there yet; add 'g' to needs"),
        ("g", "'g' is a group and has no output"),
    ],
)
def test_a_template_of_a_missing_output(steps, name, message):
    text = (
        A
        + agent_step("b", needs="a", text=naming(name))
        + agent_step("late")
        + group("g", [agent_step("inner")])
    )
    assert message.split(";")[0] in one(steps(text))


def test_the_fault_is_at_its_line_in_a_literal_block(steps):
    text = "- id: a\n  agent: writer\n  input: |\n    one\n    two {{ outputs.z }}\n    {{ who }}\n"
    assert [line for line, _ in steps(text)] == [6]
    text = text.replace("{{ who }}", "{{ task }}")
    assert [line for line, _ in steps(text)] == [5]


def test_the_fault_is_at_the_key_of_a_text_on_one_line(steps):
    assert [line for line, _ in steps("- id: a\n  agent: writer\n  input: '{{ ('")] == [3]


def test_members_of_a_needed_group_are_seen(steps):
    text = group("g", [A]) + agent_step("b", needs="g", text=naming("a"))
    assert steps(text) == []


def test_a_member_sees_what_its_group_needs(steps):
    text = A + group("g", [agent_step("b", text=naming("a"))], needs="a")
    assert steps(text) == []
    text = A + group("g", [agent_step("b", text=naming("a"))])
    assert "may run" in one(steps(text)) or "not there yet" in one(steps(text))


@pytest.mark.parametrize(
    ("use", "refused"),
    [
        (naming("b"), True),
        ("{{ outputs.b | default('') }}", False),
        ("{% if outputs.b is defined %}{{ outputs.b }}{% endif %}", False),
    ],
)
def test_an_optional_output_must_be_asked_for_in_a_template(steps, use, refused):
    """A step with ``when`` may be skipped, and what needs it runs all the same."""
    text = A + agent_step("b", needs="a", when="outputs.a == 'x'")
    text += agent_step("c", needs="b", text=use)
    faults = steps(text)
    assert bool(faults) is refused
    if refused:
        assert "may be missing here; ask first" in one(faults)


@pytest.mark.parametrize(
    ("use", "refused"),
    [
        ("outputs.b == 'x'", True),
        ("has(outputs.b) && outputs.b == 'x'", False),
        ("has(outputs.b.done)", True),
        ("'b' in outputs && outputs.b == 'x'", False),
        ("has(outputs.a) && outputs.b == 'x'", True),
    ],
)
def test_an_optional_output_must_be_asked_for_in_an_expression(steps, use, refused):
    text = A + agent_step("b", needs="a", when="outputs.a == 'x'")
    text += f'- id: c\n  agent: writer\n  input: x\n  needs: [b]\n  when: "{use}"\n'
    assert bool(steps(text)) is refused


def test_members_of_an_optional_group_are_optional(steps):
    text = A + group("g", [agent_step("b")], needs="a", when="outputs.a == 'x'")
    text += agent_step("c", needs="g", text=naming("b"))
    assert "may be missing" in one(steps(text))


def test_an_earlier_iteration_is_optional(steps):
    def body(use):
        members = [agent_step("b", text=use), agent_step("c", needs="b")]
        return group("g", members) + A

    assert "may be missing" in one(steps(body(naming("c"))))
    assert "may be missing" in one(steps(body(naming("b"))))
    assert steps(body("{{ outputs.c | default('') }}{{ outputs.b | default('') }}")) == []


def test_until_sees_the_members_and_what_the_group_needs(steps):
    members = [agent_step("b"), agent_step("c", when="iteration > 1")]
    assert steps(A + group("g", members, needs="a", until="outputs.b == outputs.a")) == []
    assert "may be missing" in one(steps(A + group("g", members, until="outputs.c == 'x'")))
    assert "not there yet" in one(
        steps(group("g", members, until="outputs.a == 'x'") + agent_step("a", needs="g"))
    )


def test_the_inner_step_shadows_the_outer(steps):
    inner = [agent_step("critic"), agent_step("a", needs="critic", text=naming("a"))]
    text = A + group("g", inner, needs="a") + agent_step("end", needs="g", text=naming("a"))
    assert steps(text) == []


def test_steps_of_one_id_in_unrelated_groups_are_ambiguous_when_named(steps):
    groups = group("g", [agent_step("b")]) + group("h", [agent_step("b")])
    assert steps(A + groups) == []
    named = agent_step("c", needs="g, h", text=naming("b"))
    message = one(steps(A + groups + named))
    assert "ambiguous: g > b and h > b may run at the same time" in message
    ordered = group("g", [agent_step("b")]) + group("h", [agent_step("b")], needs="g")
    assert steps(A + ordered + named) == []


def test_a_twin_that_runs_at_the_same_time_is_ambiguous(steps):
    text = A + group("g", [agent_step("b")], needs="a")
    text += group("h", [agent_step("b"), agent_step("c", needs="b", text=naming("b"))], needs="a")
    assert "ambiguous: g > b may run at the same time as this" in one(steps(text))


def test_a_neighbour_that_is_not_needed_is_ambiguous_in_a_loop(steps):
    members = [agent_step("b"), agent_step("c", text="{{ outputs.b | default('') }}")]
    assert "may run at the same time as this" in one(steps(A + group("g", members)))


def test_a_group_does_not_share_its_id(steps):
    text = A + group("g", [agent_step("g")])
    assert "group 'g' shares its id with g > g" in one(steps(text))
    text = A + group("g", [group("h", [agent_step("b")])]) + group("h", [agent_step("c")])
    assert "shares its id" in one(steps(text))


def test_the_result_is_one_step_with_an_output(steps):
    both = group("g", [agent_step("b")]) + group("h", [agent_step("b")])
    assert "ambiguous" in one(steps(both, output="b"))
    assert "names the group 'g'" in one(steps(both, output="g"))
    assert "names no step: 'bb' (did you mean 'b'?)" in one(steps(both, output="bb"))
    assert steps(A + group("g", [A.replace("x", "y")], needs="a")) == []


@pytest.mark.parametrize("key", ["when", "until"])
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("outputs.", "not a CEL expression"),
        ("'text'", "must be true or false"),
        ("who == 1", "not a CEL expression"),
        ("outputs.nobody == 'x'", "there is no step 'nobody'"),
        ("x" * 3000, "longer than"),
    ],
)
def test_expressions_that_cannot_be_used(steps, key, source, message):
    if key == "when":
        text = f'{A}- id: b\n  agent: writer\n  input: x\n  when: "{source}"\n'
    else:
        members = "[{id: b, agent: writer, input: x}]"
        text = f'{A}- id: g\n  steps: {members}\n  repeat:\n    max: 1\n    until: "{source}"\n'
    faults = steps(text)
    assert {line for line, _ in faults} == {len(text.splitlines())}
    assert any(f"'{key}': " in found and message in found for found in messages(faults))
