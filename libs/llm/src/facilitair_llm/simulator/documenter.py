"""The documenter: a README about the code in its prompt, and a test plan for the tester."""

import ast

from facilitair_llm.simulator.analysis import parse_python
from facilitair_llm.simulator.analysis.trees import Function
from facilitair_llm.simulator.architect import describe_signature
from facilitair_llm.simulator.prompts import Prompt
from facilitair_llm.simulator.reviewer import python_files


def answer_as_documenter(prompt: Prompt) -> str:
    """Return Markdown that names every function with the first line of its docstring."""
    files = python_files(prompt)
    lines = ["# What this is (simulated)", ""]
    if not files:
        return "\n".join([*lines, "There is no code in the prompt to write about."])
    for name, text in files.items():
        tree = _parsed(text)
        if tree is None:
            lines += [f"`{name}` cannot be read as Python.", ""]
        elif "test" in name:
            lines += [f"## `{name}`", "", f"Run it with `python -m unittest {name}`.", ""]
        else:
            lines += [f"## `{name}`", "", _first_line(tree) or "No description.", ""]
            lines += [*_describe(tree), ""]
    return "\n".join(lines).rstrip()


def answer_as_tester(prompt: Prompt) -> str:
    """Return which functions of the prompt's code want tests; nothing is run."""
    named = [
        f"- `{name}`: `{function.name}`"
        for name, text in python_files(prompt).items()
        for function in ast.walk(_parsed(text) or ast.Module(body=[], type_ignores=[]))
        if isinstance(function, Function)
    ]
    listed = named or ["- nothing: there is no code in the prompt"]
    return "\n".join(["Simulated test plan; no test was run. To be tested:", "", *listed])


def _describe(tree: ast.Module) -> list[str]:
    lines = []
    for node in tree.body:
        if isinstance(node, Function):
            lines.append(f"- `{describe_signature(node)}`: {_first_line(node) or 'no docstring.'}")
        elif isinstance(node, ast.ClassDef):
            lines.append(f"- class `{node.name}`: {_first_line(node) or 'no docstring.'}")
            lines += [
                f"  - `{describe_signature(method)}`: {_first_line(method) or 'no docstring.'}"
                for method in node.body
                if isinstance(method, Function) and not method.name.startswith("_")
            ]
    return lines or ["It defines no functions."]


def _first_line(node: ast.Module | ast.ClassDef | Function) -> str:
    return (ast.get_docstring(node) or "").partition("\n")[0]


def _parsed(text: str) -> ast.Module | None:
    try:
        return parse_python(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
