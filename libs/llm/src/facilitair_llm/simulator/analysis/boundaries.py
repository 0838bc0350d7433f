"""Checks of first and last elements."""

import ast
from collections.abc import Iterator

from facilitair_llm.simulator.analysis.trees import (
    Function,
    called_name,
    dotted,
    functions_of,
    is_number,
    length_of,
    mentions,
    own_nodes,
)
from facilitair_llm.simulator.defects import Finding

_EMPTY_ERRORS = frozenset({"IndexError", "ValueError", "ZeroDivisionError", "StatisticsError"})


def find_off_by_one(tree: ast.Module) -> Iterator[Finding]:
    """Yield loops that miss the last element, go past it, or skip the first."""
    for node in ast.walk(tree):
        if isinstance(node, ast.For) and isinstance(node.target, ast.Name):
            yield from _range_faults(node, index=node.target.id)
        if isinstance(node, ast.For | ast.comprehension):
            yield from _slice_faults(node, tree)
        if isinstance(node, ast.While):
            yield from _while_faults(node)
        if isinstance(node, ast.Subscript) and length_of(node.slice) == dotted(node.value) != "":
            yield _off(node, "is past the last element")


def find_missing_empty_cases(tree: ast.Module) -> Iterator[Finding]:
    """Yield uses of an element of what may be empty and was never asked about."""
    for function in functions_of(tree):
        nodes = list(own_nodes(function))
        guarded = set(_guarded_names(function, nodes))
        handled = _handles_emptiness(nodes)
        for node in nodes:
            name = _needs_an_element(node)
            if name and not handled and name not in guarded and name in _variables(function):
                yield Finding(
                    kind="missing_empty_case",
                    line=getattr(node, "lineno", function.lineno),
                    detail=f"{function.name} fails where {name} is empty",
                )


def _range_faults(loop: ast.For, *, index: str) -> Iterator[Finding]:
    if called_name(loop.iter) != "range" or not isinstance(loop.iter, ast.Call):
        return
    arguments = loop.iter.args
    if not arguments or len(arguments) > 2:  # noqa: PLR2004 - a step means something else is meant
        return
    stop = arguments[-1]
    if _is_root(stop):
        yield _off(loop.iter, "leaves the root itself out")
        return
    name, shift = _length_with_shift(stop)
    if not name or not _indexes(loop, name=name, index=index):
        return
    if shift > 0 and not _shifts(loop, index=index, operator=ast.Sub):
        yield _off(loop.iter, f"goes past the last element of {name}")
    elif shift < 0 and not _shifts(loop, index=index, operator=ast.Add):
        yield _off(loop.iter, f"misses the last element of {name}")
    starts_at_one = len(arguments) == 2 and is_number(arguments[0], 1)  # noqa: PLR2004
    if starts_at_one and shift == 0 and not _shifts(loop, index=index, operator=ast.Sub):
        yield _off(loop.iter, f"skips the first element of {name}")


def _while_faults(loop: ast.While) -> Iterator[Finding]:
    test = loop.test
    if not isinstance(test, ast.Compare) or len(test.ops) != 1:
        return
    name, left = length_of(test.comparators[0]), test.left
    counts = isinstance(test.ops[0], ast.LtE) and isinstance(left, ast.Name)
    if name and counts and _indexes(loop, name=name, index=ast.unparse(left)):
        yield _off(test, f"goes past the last element of {name}")
    is_square = isinstance(left, ast.BinOp) and isinstance(left.op, ast.Mult | ast.Pow)
    if isinstance(test.ops[0], ast.Lt) and is_square and isinstance(left, ast.BinOp):
        divides = any(
            isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Mod)
            and ast.unparse(node.right) == ast.unparse(left.left)
            for node in ast.walk(loop)
        )
        if divides:
            yield _off(test, "leaves the root itself out")


def _slice_faults(loop: ast.For | ast.comprehension, tree: ast.Module) -> Iterator[Finding]:
    """Look at `for x in xs[:-1]` and `xs[1:]` where the element left out is used nowhere."""
    node = loop.iter
    if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Slice):
        return
    name = dotted(node.value)
    lower, upper = node.slice.lower, node.slice.upper
    if not name or node.slice.step is not None:
        return
    misses_last = lower is None and upper is not None and is_number(upper, -1)
    misses_first = upper is None and lower is not None and is_number(lower, 1)
    left_out = -1 if misses_last else 0
    if not (misses_last or misses_first) or _takes(tree, name=name, index=left_out):
        return
    yield _off(node, f"misses the {'last' if misses_last else 'first'} element of {name}")


def _off(node: ast.expr, problem: str) -> Finding:
    return Finding(kind="off_by_one", line=node.lineno, detail=f"{ast.unparse(node)} {problem}")


def _is_root(node: ast.expr) -> bool:
    if called_name(node) == "isqrt":
        return True
    if called_name(node) != "int" or not isinstance(node, ast.Call) or len(node.args) != 1:
        return False
    inner = node.args[0]
    is_power = isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Pow)
    return called_name(inner) == "sqrt" or is_power


def _length_with_shift(node: ast.expr) -> tuple[str, int]:
    """Return (x, -1) for `len(x) - 1`, (x, 1) for `len(x) + 1`, (x, 0) for `len(x)`."""
    if isinstance(node, ast.BinOp) and is_number(node.right, 1):
        shift = 1 if isinstance(node.op, ast.Add) else -1
        if isinstance(node.op, ast.Add | ast.Sub):
            return length_of(node.left), shift
    return length_of(node), 0


def _indexes(loop: ast.For | ast.While, *, name: str, index: str) -> bool:
    return any(
        isinstance(node, ast.Subscript)
        and dotted(node.value) == name
        and isinstance(node.slice, ast.Name)
        and node.slice.id == index
        for node in ast.walk(loop)
    )


def _shifts(loop: ast.For, *, index: str, operator: type[ast.operator]) -> bool:
    """Return whether the loop also looks at the neighbour: `x[i + 1]` or `x[i - 1]`."""
    return any(
        isinstance(node, ast.BinOp)
        and isinstance(node.op, operator)
        and isinstance(node.left, ast.Name)
        and node.left.id == index
        for statement in loop.body
        for node in ast.walk(statement)
    )


def _takes(tree: ast.Module, *, name: str, index: int) -> bool:
    return any(
        isinstance(node, ast.Subscript)
        and dotted(node.value) == name
        and is_number(node.slice, index)
        for node in ast.walk(tree)
    )


def _variables(function: Function) -> set[str]:
    """Return parameters and variables that are not bound to a literal with elements."""
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    names = {argument.arg for argument in every}
    if arguments.vararg is not None:
        names.add(arguments.vararg.arg)
    for node in own_nodes(function):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            full = isinstance(node.value, ast.List | ast.Tuple | ast.Constant) and ast.unparse(
                node.value
            ) not in {"[]", "()", "''"}
            if not full:
                names.add(dotted(node.targets[0]))
        elif isinstance(node, ast.Attribute) and dotted(node).startswith("self."):
            names.add(dotted(node))
    return names


def _needs_an_element(node: ast.AST) -> str:
    """Return `x` for `x[0]`, `x[-1]`, `max(x)`, `min(x)` and a division by `len(x)`."""
    if isinstance(node, ast.Subscript) and is_number(node.slice, 0, -1):
        return dotted(node.value) if isinstance(node.ctx, ast.Load) else ""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.FloorDiv):
        return length_of(node.right)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1:
        has_default = any(keyword.arg == "default" for keyword in node.keywords)
        picks = node.func.id in {"max", "min"} and not has_default
        return dotted(node.args[0]) if picks else ""
    return ""


def _guarded_names(function: Function, nodes: list[ast.AST]) -> Iterator[str]:
    """Yield what some test of the function asks about, itself or by its length."""
    tests = [
        node.test for node in nodes if isinstance(node, ast.If | ast.While | ast.IfExp | ast.Assert)
    ]
    tests += [
        condition for node in nodes if isinstance(node, ast.comprehension) for condition in node.ifs
    ]
    tests += [node for node in nodes if isinstance(node, ast.BoolOp)]
    lengths = {
        dotted(node.targets[0]): length_of(node.value)
        for node in nodes
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and length_of(node.value)
    }
    for name in _variables(function):
        counted = {counter for counter, what in lengths.items() if what == name}
        if any(mentions(test, word) for test in tests for word in {name, *counted}):
            yield name


def _handles_emptiness(nodes: list[ast.AST]) -> bool:
    return any(
        isinstance(node, ast.ExceptHandler)
        and (node.type is None or any(mentions(node.type, error) for error in _EMPTY_ERRORS))
        for node in nodes
    )
