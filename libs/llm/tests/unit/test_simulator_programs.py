import ast
import random
import subprocess
import sys
from itertools import product

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_llm.simulator.analysis import find_defects, parse_python
from facilitair_llm.simulator.architect import answer_as_architect
from facilitair_llm.simulator.code_blocks import find_blocks
from facilitair_llm.simulator.coder import answer_as_coder
from facilitair_llm.simulator.defects import DEFECTS, named_defects
from facilitair_llm.simulator.programs import FAMILIES, family_for
from facilitair_llm.simulator.programs.program import build_program, fault_for
from facilitair_llm.simulator.prompts import Prompt
from facilitair_llm.simulator.reviewer import answer_as_reviewer, review

SHAPES = [
    "Write a function that {verb}s whether a {noun} is {adjective}, with tests",
    "Implement {noun} {verb}ing for {adjective} {other}s",
    "Please {verb} the {adjective} {noun} of each {other}",
    "{verb} {noun}",
    "Build a {noun} that {verb}s {other}s and returns the {adjective} ones",
    "I need {adjective} {noun}s. They should {verb} every {other}.",
]
VERBS = (
    "check validate convert reverse sum average count parse load manage store juggle sort import"
)
NOUNS = "number string list file inventory triangle Größe queue class sum test json input été log"
ADJECTIVES = "odd empty balanced recursive 3-dimensional lambda None"
OTHERS = "word order row banana self"

# Runs the tests of many folders in one process: each folder holds one module and its tests.
RUNNER = """
import sys, unittest
failed = []
for folder in sys.argv[1:]:
    sys.path.insert(0, folder)
    known = set(sys.modules)
    suite = unittest.TestLoader().discover(folder, top_level_dir=folder)
    result = unittest.TextTestRunner(stream=open("/dev/null", "w")).run(suite)
    if not result.wasSuccessful() or result.testsRun < 3:
        failed.append((folder, *(text for _, text in result.failures + result.errors)))
    sys.path.remove(folder)
    for name in set(sys.modules) - known:
        del sys.modules[name]
for entry in failed:
    print(*entry, sep="\\n")
sys.exit(bool(failed))
"""


def generate_tasks(count):
    parts = list(product(SHAPES, VERBS.split(), NOUNS.split(), ADJECTIVES.split(), OTHERS.split()))
    chosen = random.Random(4).sample(parts, count)
    return [
        shape.format(verb=verb, noun=noun, adjective=adjective, other=other)
        for shape, verb, noun, adjective, other in chosen
    ] + [
        "",
        "???",
        "为什么",
        "x" * 5000,
        "a list of numbers " * 300,
        "Sort it.\n\nSecond paragraph.",
    ]


TASKS = generate_tasks(320)


def first_prompt(task):
    return Prompt(system="Role: coder", user=f"Task: {task}\n\nPlan:\n\n{plan(task)}\n")


def plan(task):
    return answer_as_architect(Prompt(system="Role: architect", user=f"Task: {task}"))


def reviewed(answer, task):
    return Prompt(system="Role: reviewer", user=f"Task: {task}\n\nThe code:\n\n{answer}\n")


def second_prompt(task, feedback):
    return Prompt(system="Role: coder", user=f"{first_prompt(task).user}\nFeedback:\n\n{feedback}")


def test_the_first_answer_has_one_fault_and_the_second_none():
    seen = set()
    for task in TASKS:
        first = answer_as_coder(first_prompt(task))
        verdict = review(reviewed(first, task))
        assert not verdict.approved, task
        assert len({issue.problem.partition(":")[0] for issue in verdict.issues}) == 1, task
        seen.add(verdict.issues[0].problem.partition(":")[0])
        feedback = msgspec.json.encode(verdict).decode()
        second = answer_as_coder(second_prompt(task, f"{first}\n\n```json\n{feedback}\n```"))
        assert second != first
        assert review(reviewed(f"{first}\n\n{second}", task)).approved, task
        assert answer_as_coder(first_prompt(task)) == first
    assert len(seen) == 10


def test_the_corrected_code_passes_the_tests_it_brings(tmp_path):
    folders = []
    for number, task in enumerate(TASKS):
        program = build_program(family_for(task), task, fault=None)
        folder = tmp_path / f"t{number}"
        folder.mkdir()
        (folder / program.module_file).write_text(program.module)
        (folder / program.tests_file).write_text(program.tests)
        folders.append(str(folder))
    command = [sys.executable, "-W", "ignore", "-c", RUNNER, *folders]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_each_slot_puts_exactly_its_own_fault_into_code_that_still_parses(family):
    for task in ("Sort the scores of a player", "", "Import a file"):
        clean = build_program(family, task, fault=None)
        assert find_defects(clean.module) == []
        assert find_defects(clean.tests) == []
        names = [node.name for node in parse_python(clean.module).body if hasattr(node, "name")]
        assert len(names) == len(set(names))
        for kind in family.slots:
            broken = build_program(family, task, fault=kind)
            assert parse_python(broken.module)
            assert {finding.kind for finding in find_defects(broken.module)} == {kind}
            assert broken.tests == clean.tests


def test_every_kind_of_fault_can_come_and_only_known_ones():
    kinds = {kind for family in FAMILIES for kind in family.slots}
    assert len(kinds) == 10
    assert kinds < set(DEFECTS)
    assert {fault_for(family, task) for family in FAMILIES for task in TASKS} == kinds


def test_feedback_in_plain_words_is_understood_too():
    for task in TASKS[:20]:
        first = answer_as_coder(first_prompt(task))
        feedback = answer_as_reviewer(reviewed(first, task))
        assert feedback.startswith("Not approved.")
        second = answer_as_coder(second_prompt(task, feedback))
        assert answer_as_reviewer(reviewed(second, task)).startswith("Approved.")


def test_feedback_on_something_else_leaves_the_fault_in():
    task = "Check whether a number is odd"
    fault = fault_for(family_for(task), task)
    other = next(kind for kind in DEFECTS if kind != fault)
    first = answer_as_coder(first_prompt(task))
    assert answer_as_coder(second_prompt(task, f"{DEFECTS[other].phrase}: look again")) == first
    assert answer_as_coder(second_prompt(task, f"{DEFECTS[fault].phrase}: look again")) != first


def test_a_task_that_names_a_fault_is_not_feedback():
    task = "Explain what a missing return is, then an off by one, then a wrong comparison"
    assert not review(reviewed(answer_as_coder(first_prompt(task)), task)).approved


def test_the_sections_of_the_shipped_workflow_are_understood():
    system = "Role: {}\n\nListen to the reviewer."
    task = "Check whether a number is odd.\n\nMind the missing return and the off by one."
    common = f"<task>\n{task}\n</task>\n\n<design>\n{plan(task)}\n</design>\n\n"
    code = answer_as_coder(Prompt(system=system.format("coder"), user=common + "Write it."))
    for approved in (False, True):
        shown = f"{common}<code>\n{code}\n</code>\n\n"
        verdict = review(Prompt(system=system.format("reviewer"), user=shown + "Review it."))
        assert verdict.approved == approved
        issues = "\n".join(f"- {it.file}: {it.problem} {it.fix}" for it in verdict.issues)
        feedback = f"<review>\n{verdict.summary}\n{issues}\n</review>\n\nSolve every issue."
        code = answer_as_coder(Prompt(system=system.format("coder"), user=shown + feedback))


def test_blocks_name_language_and_file_and_the_names_are_the_tasks():
    answer = answer_as_coder(Prompt(system="", user="Check whether a triangle is isosceles"))
    blocks = find_blocks(answer)
    assert [(block.language, block.file) for block in blocks] == [
        ("python", "isosceles_tools.py"),
        ("python", "test_isosceles_tools.py"),
    ]
    assert "def is_isosceles(" in blocks[0].text
    assert "from isosceles_tools import" in blocks[1].text


def test_the_plan_names_what_the_code_defines_and_no_fault():
    for task in TASKS[:50]:
        program = build_program(family_for(task), task, fault=None)
        text = plan(task)
        functions = [
            node.name
            for node in ast.walk(parse_python(program.module))
            if isinstance(node, ast.FunctionDef) and node.name != "__init__"
        ]
        assert all(name in text for name in functions)
        assert program.module_file in text
        assert find_blocks(text) == []
        assert not named_defects(text)


@given(task=st.text(max_size=200))
def test_any_task_gives_code_that_parses(task):
    answer = answer_as_coder(Prompt(system="", user=task))
    for block in find_blocks(answer):
        assert block.file.endswith(".py")
        assert parse_python(block.text).body
    assert len(find_blocks(answer)) == 2
