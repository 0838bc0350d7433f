"""Small questions to a syntax tree that several checks ask."""

import ast
from collections.abc import Iterator

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions_of(tree: ast.AST) -> Iterator[Function]:
    """Yield all functions and methods."""
    for node in ast.walk(tree):
        if isinstance(node, Function):
            yield node


def own_nodes(function: Function) -> Iterator[ast.AST]:
    """Yield the nodes of a function's body without those of functions and classes inside it."""
    pending: list[ast.AST] = list(function.body)
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, Function | ast.ClassDef | ast.Lambda):
            pending.extend(ast.iter_child_nodes(node))


def called_name(node: ast.AST) -> str:
    """Return `f` for a call of `f` or `x.f`, and an empty text for anything else."""
    if not isinstance(node, ast.Call):
        return ""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def length_of(node: ast.AST) -> str:
    """Return `x` for `len(x)` where x is a name or attribute, else an empty text."""
    if called_name(node) == "len" and isinstance(node, ast.Call) and len(node.args) == 1:
        return dotted(node.args[0])
    return ""


def dotted(node: ast.AST) -> str:
    """Return `a` or `a.b` for a name or attribute, else an empty text."""
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""


def is_number(node: ast.AST, *values: int) -> bool:
    """Return whether the node is one of the numbers, a minus sign included."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return is_number(node.operand, *(-value for value in values))
    return isinstance(node, ast.Constant) and type(node.value) is int and node.value in values


def mentions(node: ast.AST, name: str) -> bool:
    """Return whether the name or attribute occurs anywhere in the node."""
    return any(dotted(inner) == name for inner in ast.walk(node))
