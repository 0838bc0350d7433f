"""The coder: a program named after the task, first with one fault, then without it."""

from facilitair_llm.simulator.code_blocks import fence
from facilitair_llm.simulator.defects import named_defects
from facilitair_llm.simulator.programs import family_for
from facilitair_llm.simulator.programs.program import Program, build_program, fault_for
from facilitair_llm.simulator.prompts import Prompt


def program_for(prompt: Prompt) -> Program:
    """Return the program; its fault is gone once the prompt names it outside task and code."""
    family = family_for(prompt.task)
    fault = fault_for(family, prompt.task)
    remaining = None if fault in named_defects(prompt.around_task) else fault
    return build_program(family, prompt.task, fault=remaining)


def answer_as_coder(prompt: Prompt) -> str:
    """Return Markdown with two blocks, `python <file>`: the module and its tests."""
    program = program_for(prompt)
    subject = program.names.subject.replace("_", " ")
    return "\n\n".join(
        (
            f"Simulated code for {subject}: the names are the task's, the rules are made up.",
            fence(program.module, language="python", file=program.module_file),
            f"The tests run with `python -m unittest {program.tests_file}`.",
            fence(program.tests, language="python", file=program.tests_file),
        )
    )
