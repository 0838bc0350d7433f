"""Checks of comparisons and divisions."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise

from facilitair_llm.simulator.analysis.trees import (
    Function,
    called_name,
    functions_of,
    length_of,
    own_nodes,
)
from facilitair_llm.simulator.defects import Finding

_LARGEST = re.compile(
    r"(?:^|_|\b)(?:max|maximum|largest|longest|biggest|highest|greatest|latest|most)(?:_|\b|$)"
)
_SMALLEST = re.compile(
    r"(?:^|_|\b)(?:min|minimum|smallest|shortest|lowest|least|earliest|fewest)(?:_|\b|$)"
)
_MEANS = frozenset({"average", "mean", "ratio", "percent", "percentage", "rate", "fraction"})
_BOUND = re.compile(r"\bat (least|most) (\w+)")
_WRONG_AT_BOUND: dict[str, tuple[type[ast.cmpop], ...]] = {
    "least": (ast.Gt, ast.LtE),
    "most": (ast.Lt, ast.GtE),
}
_MIRRORED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.Gt,
    ast.LtE: ast.GtE,
    ast.Gt: ast.Lt,
    ast.GtE: ast.LtE,
}


def find_identity_comparisons(tree: ast.Module) -> Iterator[Finding]:
    """Yield `is` with a literal: whether two equal values are one object is left to chance."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare):
            continue
        sides = [node.left, *node.comparators]
        for operator, (left, right) in zip(node.ops, pairwise(sides), strict=True):
            if isinstance(operator, ast.Is | ast.IsNot) and (
                _is_literal(left) or _is_literal(right)
            ):
                yield Finding(
                    kind="identity_comparison",
                    line=node.lineno,
                    detail=f"{ast.unparse(node)} asks for one object, not for equal values",
                )


def find_integer_divisions(tree: ast.Module) -> Iterator[Finding]:
    """Yield `//` where the fraction matters: means, ratios, functions that return a float."""
    for function in functions_of(tree):
        returns_float = function.returns is not None and ast.unparse(function.returns) == "float"
        wants_fraction = returns_float or not _MEANS.isdisjoint(function.name.split("_"))
        nodes = list(own_nodes(function))
        lengths = {
            ast.unparse(node.targets[0])
            for node in nodes
            if isinstance(node, ast.Assign) and length_of(node.value)
        }
        for node in nodes:
            if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.FloorDiv):
                continue
            divides_sum = called_name(node.left) == "sum" and bool(length_of(node.right))
            is_index = bool(length_of(node.left)) or ast.unparse(node.left) in lengths
            if divides_sum or (wants_fraction and not is_index):
                yield Finding(
                    kind="integer_division",
                    line=node.lineno,
                    detail=f"{ast.unparse(node)} in {function.name} drops the fraction",
                )


def find_wrong_comparisons(tree: ast.Module) -> Iterator[Finding]:
    """Yield comparisons that contradict themselves, the function's name or its docstring."""
    for function in functions_of(tree):
        yield from _against_name(function)
        yield from _against_docstring(function)
    for node in ast.walk(tree):
        if (isinstance(node, ast.Compare) and _is_constant(node)) or (
            isinstance(node, ast.BoolOp) and _contradicts_itself(node)
        ):
            yield _wrong(node, "always gives the same")


def _against_name(function: Function) -> Iterator[Finding]:
    """Look at `if a < b: b = a`: it keeps the smaller, whatever the function is called."""
    wants_large = _LARGEST.search(function.name) is not None
    wants_small = _SMALLEST.search(function.name) is not None
    if wants_large == wants_small:
        return
    for node in own_nodes(function):
        if not isinstance(node, ast.If) or not isinstance(node.test, ast.Compare):
            continue
        kept = _kept_side(node)
        if kept is None:
            continue
        keeps_large = kept in {ast.Gt, ast.GtE}
        if keeps_large != wants_large:
            yield _wrong(node.test, f"makes {function.name} keep the wrong one")


def _kept_side(node: ast.If) -> type[ast.cmpop] | None:
    """Return how what is kept compares with what it replaces, seen from the new value."""
    test = node.test
    if (
        not isinstance(test, ast.Compare)
        or len(test.ops) != 1
        or type(test.ops[0]) not in _MIRRORED
    ):
        return None
    left, right = _inner(test.left), _inner(test.comparators[0])
    for statement in node.body:
        targets = {ast.unparse(target) for target in _targets(statement)}
        if right in targets:
            return type(test.ops[0])
        if left in targets:
            return _MIRRORED[type(test.ops[0])]
    return None


def _targets(statement: ast.stmt) -> list[ast.expr]:
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return []
    target = statement.targets[0]
    return target.elts if isinstance(target, ast.Tuple) else [target]


def _inner(node: ast.expr) -> str:
    """Return the text of `x` for x, `len(x)` and `abs(x)`."""
    if isinstance(node, ast.Call) and called_name(node) in {"len", "abs"} and len(node.args) == 1:
        return ast.unparse(node.args[0])
    return ast.unparse(node)


def _against_docstring(function: Function) -> Iterator[Finding]:
    """Compare `at least N` and `at most N` of the docstring with the comparisons with N."""
    for direction, bound in _BOUND.findall(ast.get_docstring(function) or ""):
        for node in own_nodes(function):
            if not isinstance(node, ast.Compare):
                continue
            sides = [node.left, *node.comparators]
            for operator, (left, right) in zip(node.ops, pairwise(sides), strict=True):
                seen: type[ast.cmpop] | None = None
                if ast.unparse(right) == bound:
                    seen = type(operator)
                elif ast.unparse(left) == bound:
                    seen = _MIRRORED.get(type(operator))
                if seen in _WRONG_AT_BOUND[direction]:
                    yield _wrong(node, f"contradicts 'at {direction} {bound}' of {function.name}")


def _is_literal(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return node.value is not None and not isinstance(node.value, bool | type(...))
    return isinstance(node, ast.List | ast.Dict | ast.Set | ast.Tuple)


def _is_constant(node: ast.Compare) -> bool:
    """Return whether a value is compared with itself."""
    return (
        len(node.ops) == 1
        and isinstance(node.left, ast.Name | ast.Attribute)
        and ast.unparse(node.left) == ast.unparse(node.comparators[0])
    )


def _contradicts_itself(node: ast.BoolOp) -> bool:
    """Return whether `x < 1 and x > 5` or `x != 1 or x != 2` stands there."""
    if isinstance(node.op, ast.Or):
        unequal = [part for part in node.values if _compares(part, ast.NotEq)]
        lefts = [ast.unparse(part.left) for part in unequal if isinstance(part, ast.Compare)]
        rights = {
            ast.unparse(part.comparators[0]) for part in unequal if isinstance(part, ast.Compare)
        }
        return len(lefts) > 1 and len(set(lefts)) == 1 and len(rights) == len(lefts)
    below = {**_limits(node, ast.Lt), **_limits(node, ast.LtE)}
    above = {**_limits(node, ast.Gt), **_limits(node, ast.GtE)}
    return any(name in above and above[name] > limit for name, limit in below.items())


def _limits(node: ast.BoolOp, operator: type[ast.cmpop]) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in node.values:
        if isinstance(part, ast.Compare) and _compares(part, operator):
            right = part.comparators[0]
            if isinstance(right, ast.Constant) and isinstance(right.value, int | float):
                found[ast.unparse(part.left)] = right.value
    return found


def _compares(node: ast.expr, operator: type[ast.cmpop]) -> bool:
    return (
        isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], operator)
    )


def _wrong(node: ast.expr, problem: str) -> Finding:
    return Finding(
        kind="wrong_comparison", line=node.lineno, detail=f"{ast.unparse(node)} {problem}"
    )
