"""Checks of what names stand for."""

import ast
import builtins
from collections.abc import Iterator

from facilitair_llm.simulator.analysis.trees import called_name, functions_of
from facilitair_llm.simulator.defects import Finding

_BUILTINS = frozenset(dir(builtins))
_SHADOWABLE = frozenset(
    name for name in _BUILTINS if name.islower() and not name.startswith("_")
) - {
    "copyright",
    "credits",
    "exit",
    "license",
    "quit",
}
_IMPLICIT = frozenset({"__name__", "__file__", "__doc__", "__class__", "__path__", "__spec__"})
_MUTABLE_MAKERS = frozenset(
    {"list", "dict", "set", "bytearray", "defaultdict", "deque", "Counter", "OrderedDict"}
)


def find_mutable_defaults(tree: ast.Module) -> Iterator[Finding]:
    """Yield defaults that all calls of the function would share."""
    for function in functions_of(tree):
        defaults = [*function.args.defaults, *function.args.kw_defaults]
        for default in defaults:
            made = isinstance(
                default,
                ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp,
            )
            if default is not None and (made or called_name(default) in _MUTABLE_MAKERS):
                yield Finding(
                    kind="mutable_default",
                    line=default.lineno,
                    detail=f"{function.name} shares the default {ast.unparse(default)} "
                    "between its calls",
                )


def find_shadowed_builtins(tree: ast.Module) -> Iterator[Finding]:
    """Yield names of variables, parameters and functions that hide a builtin."""
    inside_classes = {
        id(member)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for statement in node.body
        for member in _class_level(statement)
    }
    reported: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in inside_classes:
            continue
        name = _bound_name(node)
        if name in _SHADOWABLE and name not in reported:
            reported.add(name)
            yield Finding(
                kind="shadowed_builtin",
                line=getattr(node, "lineno", 1),
                detail=f"the name {name} hides the builtin {name}",
            )


def find_undefined_names(tree: ast.Module) -> Iterator[Finding]:
    """Yield names that are read and bound nowhere in the file."""
    known = _BUILTINS | _IMPLICIT
    bound = {_bound_name(node) for node in ast.walk(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            return
        bound |= set(_imported_or_declared(node))
    reported: set[str] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load):
            continue
        if node.id not in known and node.id not in bound and node.id not in reported:
            reported.add(node.id)
            yield Finding(
                kind="undefined_name",
                line=node.lineno,
                detail=f"{node.id} is used and defined nowhere",
            )


def _class_level(statement: ast.stmt) -> Iterator[ast.AST]:
    """Yield what binds an attribute of a class: it hides nothing outside it."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        yield statement
    elif isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        yield from targets


def _bound_name(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return "" if isinstance(node.ctx, ast.Load) else node.id
    if isinstance(node, ast.arg):
        return node.arg
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return node.name
    return ""


def _imported_or_declared(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        for alias in node.names:
            yield alias.asname or alias.name.partition(".")[0]
    elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
        yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest
    elif isinstance(node, ast.Global | ast.Nonlocal):
        yield from node.names
