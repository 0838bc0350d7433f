"""The reviewer: a verdict on the code in its prompt, found by reading the code."""

import ast
import re

from msgspec import Struct

from facilitair_llm.simulator.analysis import (
    find_defects,
    find_defects_in_tests,
    parse_python,
)
from facilitair_llm.simulator.code_blocks import CodeBlock, find_blocks
from facilitair_llm.simulator.defects import DEFECTS, Finding
from facilitair_llm.simulator.prompts import Prompt

_CODE_START = re.compile(r"^(?:def |async def |class |import |from \w|@\w|\"\"\")", re.MULTILINE)


class Issue(Struct, frozen=True):
    """One thing to change."""

    file: str
    line: int
    problem: str
    fix: str


class Verdict(Struct, frozen=True):
    """What the review came to; approved means that there are no issues."""

    approved: bool
    summary: str
    issues: tuple[Issue, ...]


def review(prompt: Prompt) -> Verdict:
    """Return the verdict on the prompt's Python, the last version of each file."""
    files = python_files(prompt)
    issues = tuple(
        Issue(
            file=name,
            line=finding.line,
            problem=f"{DEFECTS[finding.kind].phrase}: {finding.detail}",
            fix=DEFECTS[finding.kind].fix,
        )
        for name, text in files.items()
        for finding in _findings(name, text)
    )
    if not files:
        missing = Issue(
            file="",
            line=1,
            problem="no code: the prompt holds no Python to review",
            fix="Answer with the code in fenced blocks that name their files.",
        )
        return Verdict(approved=False, summary="There is nothing to review.", issues=(missing,))
    if issues:
        named = ", ".join(dict.fromkeys(issue.problem.partition(":")[0] for issue in issues))
        summary = f"Simulated review of {len(files)} file(s): to be fixed: {named}."
        return Verdict(approved=False, summary=summary, issues=issues)
    summary = f"Simulated review of {len(files)} file(s): nothing to fix."
    return Verdict(approved=True, summary=summary, issues=())


def answer_as_reviewer(prompt: Prompt) -> str:
    """Return the verdict in Markdown."""
    verdict = review(prompt)
    lines = ["Approved." if verdict.approved else "Not approved.", "", verdict.summary]
    lines += [f"- {it.file}:{it.line}: {it.problem}. {it.fix}" for it in verdict.issues]
    return "\n".join(lines)


def python_files(prompt: Prompt) -> dict[str, str]:
    """Return the Python of the prompt by file name; later blocks replace earlier ones.

    Blocks that name no file count only where none does: they quote and explain.
    Without any fenced block the prompt's text counts from the first line that looks like Python.
    """
    blocks = [block for block in find_blocks(prompt.user) if _holds_code(block)]
    if blocks:
        named = [block for block in blocks if block.file]
        return {block.file or "code.py": block.text for block in named or blocks}
    start = _CODE_START.search(prompt.user)
    return {"code.py": prompt.user[start.start() :]} if start is not None else {}


def _holds_code(block: CodeBlock) -> bool:
    """Return whether the block is Python; one that says nothing has to look like it."""
    if block.file or block.language:
        return block.is_python
    return _CODE_START.search(block.text) is not None


def _findings(name: str, text: str) -> list[Finding]:
    return find_defects_in_tests(text) if _are_tests(name, text) else find_defects(text)


def _are_tests(name: str, text: str) -> bool:
    """Return whether the file holds only tests."""
    if name.rpartition("/")[2].startswith("test_") or name.endswith("_test.py"):
        return True
    try:
        tree = parse_python(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    definitions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    return bool(definitions) and all(node.name.lower().startswith("test") for node in definitions)
