"""CEL expressions of ``when`` and ``until``: checked at apply time, evaluated by the reducer.

The library is pinned exactly, because an upgrade that changed an answer would change history (R6).
It is bounded by itself: recursion 32, 10,000 iterations.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from cel_expr_python import cel

from facilitair_workflows.errors import ExpressionError

SOURCE_LIMIT: Final = 2048
"""Characters; a longer source is refused."""

_STRING: Final = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"")
_SELECTED: Final = re.compile(r"\boutputs\s*\.\s*([A-Za-z_]\w*)")
_INDEXED: Final = re.compile(r"\boutputs\s*\[\s*(['\"])([^'\"]*)\1\s*\]")

_INPUTS: Final = re.compile(r"\binputs\b")
_INPUT_SELECTED: Final = re.compile(r"\binputs\s*\.\s*([A-Za-z_]\w*)")
_INPUT_INDEXED: Final = re.compile(r"\binputs\s*\[\s*(['\"])([^'\"]*)\1\s*\]")


@lru_cache(maxsize=1)
def _environment() -> Any:
    return cel.NewEnv(
        variables={
            "task": cel.Type.STRING,
            "inputs": cel.Type.DYN,
            "outputs": cel.Type.DYN,
            "iteration": cel.Type.INT,
        }
    )


@lru_cache(maxsize=1024)
def _compiled(source: str) -> Any:
    return _environment().compile(source)


def references(source: str) -> set[str]:
    """The step ids whose output an expression names, by selection or by a literal index."""
    indexed = {match.group(2) for match in _INDEXED.finditer(source)}
    selected = {match.group(1) for match in _SELECTED.finditer(_STRING.sub("''", source))}
    return indexed | selected


def inputs(source: str) -> frozenset[str] | None:
    """The inputs that an expression names; None where it takes them as a whole."""
    plain = _STRING.sub("''", source)
    indexed = {match.group(2) for match in _INPUT_INDEXED.finditer(source)}
    selected = {match.group(1) for match in _INPUT_SELECTED.finditer(plain)}
    named = len(_INPUT_SELECTED.findall(plain)) + len(_INPUT_INDEXED.findall(source))
    return frozenset(indexed | selected) if len(_INPUTS.findall(plain)) <= named else None


def check(source: str, output_ids: set[str]) -> list[str]:
    """What is wrong with an expression, in words; empty when nothing is.

    ``output_ids`` are the steps whose output may be named.
    """
    if len(source) > SOURCE_LIMIT:
        return [f"the expression is longer than {SOURCE_LIMIT} characters"]
    try:
        compiled = _compiled(source)
    except RuntimeError as error:
        return [f"not a CEL expression: {str(error).splitlines()[0]}"]
    faults = [
        f"names the output of {name!r}, which no earlier step here has"
        for name in sorted(references(source) - output_ids)
    ]
    if compiled.return_type() not in (cel.Type.BOOL, cel.Type.DYN):
        faults.append(f"must be true or false, is {compiled.return_type().name()}")
    return faults


def evaluate(source: str, context: Mapping[str, Any]) -> bool:
    """Whether the expression is true for ``task``, ``inputs``, ``outputs`` and ``iteration``.

    Raises ExpressionError when it cannot be evaluated or is neither true nor false.
    The library returns run-time errors as values, so the type is looked at first.
    """
    result = _compiled(source).eval(data=dict(context))
    if result.type() == cel.Type.ERROR:
        raise ExpressionError(source=source, reason=str(result.value()))
    value = result.value()
    if value is not True and value is not False:
        raise ExpressionError(
            source=source, reason=f"gave {result.type().name()}, not true or false"
        )
    return bool(value)
