"""The architect: a plan with the names the coder will use."""

import ast

from facilitair_llm.simulator.analysis import parse_python
from facilitair_llm.simulator.analysis.trees import functions_of
from facilitair_llm.simulator.programs import family_for
from facilitair_llm.simulator.programs.program import build_program
from facilitair_llm.simulator.prompts import Prompt


def answer_as_architect(prompt: Prompt) -> str:
    """Return a short plan in Markdown, without code blocks."""
    program = build_program(family_for(prompt.task), prompt.task, fault=None)
    tree = parse_python(program.module)
    lines = [
        f"# Plan: {program.names.subject.replace('_', ' ')} (simulated)",
        "",
        f"One module `{program.module_file}` and its tests `{program.tests_file}`.",
        "",
        "Parts:",
    ]
    lines += [f"- class `{node.name}`" for node in tree.body if isinstance(node, ast.ClassDef)]
    lines += [
        f"- `{describe_signature(function)}`"
        for function in functions_of(tree)
        if function.name != "__init__"
    ]
    lines += ["", "Edge cases:"]
    lines += [f"- {case}" for case in program.family.edge_cases]
    return "\n".join(lines)


def describe_signature(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """Return name, parameters and result of the function as Python writes them."""
    result = f" -> {ast.unparse(function.returns)}" if function.returns is not None else ""
    return f"{function.name}({ast.unparse(function.args)}){result}"
