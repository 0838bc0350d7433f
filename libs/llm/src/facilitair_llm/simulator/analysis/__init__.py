"""Finding faults in Python by reading it: nothing is ever run."""

import ast
import warnings
from collections.abc import Callable, Iterator

from facilitair_llm.simulator.analysis.boundaries import find_missing_empty_cases, find_off_by_one
from facilitair_llm.simulator.analysis.comparisons import (
    find_identity_comparisons,
    find_integer_divisions,
    find_wrong_comparisons,
)
from facilitair_llm.simulator.analysis.flow import (
    find_missing_returns,
    find_swallowed_exceptions,
    find_unclosed_files,
)
from facilitair_llm.simulator.analysis.names import (
    find_mutable_defaults,
    find_shadowed_builtins,
    find_undefined_names,
)
from facilitair_llm.simulator.defects import Finding

MAX_SOURCE_CHARACTERS = 100_000
_Check = Callable[[ast.Module], Iterator[Finding]]
_CHECKS: tuple[_Check, ...] = (
    find_identity_comparisons,
    find_integer_divisions,
    find_missing_empty_cases,
    find_missing_returns,
    find_mutable_defaults,
    find_off_by_one,
    find_shadowed_builtins,
    find_swallowed_exceptions,
    find_unclosed_files,
    find_undefined_names,
    find_wrong_comparisons,
)


def parse_python(source: str) -> ast.Module:
    """Return the tree; raises SyntaxError or ValueError for what is not Python, or too long."""
    if len(source) > MAX_SOURCE_CHARACTERS:
        raise ValueError(len(source))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        return ast.parse(source)


def find_defects(source: str) -> list[Finding]:
    """Return what is wrong with the source, by line; an empty list approves it."""
    return _find(source, _CHECKS)


def find_defects_in_tests(source: str) -> list[Finding]:
    """Return what keeps tests from running; in all else odd values are what tests are for."""
    return _find(source, (find_undefined_names,))


def _find(source: str, checks: tuple[_Check, ...]) -> list[Finding]:
    if len(source) > MAX_SOURCE_CHARACTERS:
        return [Finding(kind="too_long", line=1, detail=f"{len(source)} characters in one file")]
    try:
        tree = parse_python(source)
        found = [finding for check in checks for finding in check(tree)]
    except SyntaxError as error:
        return [Finding(kind="does_not_parse", line=error.lineno or 1, detail=error.msg)]
    except (ValueError, RecursionError, MemoryError) as error:
        return [Finding(kind="does_not_parse", line=1, detail=type(error).__name__)]
    return sorted(found, key=lambda finding: (finding.line, finding.kind, finding.detail))
