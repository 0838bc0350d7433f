"""Checks of where control goes: returns, exceptions, files."""

import ast
from collections.abc import Iterator

from facilitair_llm.simulator.analysis.trees import (
    Function,
    called_name,
    dotted,
    functions_of,
    own_nodes,
)
from facilitair_llm.simulator.defects import Finding

_FILE_OWNERS = frozenset({"enter_context", "enter_async_context", "closing"})


def find_missing_returns(tree: ast.Module) -> Iterator[Finding]:
    """Yield functions that promise a value and can end without one."""
    for function in functions_of(tree):
        nodes = list(own_nodes(function))
        if any(isinstance(node, ast.Yield | ast.YieldFrom) for node in nodes):
            continue
        returns = any(isinstance(node, ast.Return) and node.value is not None for node in nodes)
        promised = returns if function.returns is None else _promises_a_value(function.returns)
        if promised and not _is_stub(function) and _can_fall_through(function.body):
            yield Finding(
                kind="missing_return",
                line=function.lineno,
                detail=f"{function.name} can end without returning a value",
            )


def find_swallowed_exceptions(tree: ast.Module) -> Iterator[Finding]:
    """Yield handlers that do nothing with what they caught."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and all(map(_does_nothing, node.body)):
            caught = "every exception" if node.type is None else ast.unparse(node.type)
            yield Finding(
                kind="swallowed_exception",
                line=node.lineno,
                detail=f"{caught} is caught and dropped",
            )


def find_unclosed_files(tree: ast.Module) -> Iterator[Finding]:
    """Yield files that are opened and not closed on every path."""
    owned: set[int] = set()
    closed_in_finally: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.With | ast.AsyncWith):
            owned |= {id(item.context_expr) for item in node.items}
        elif called_name(node) in _FILE_OWNERS and isinstance(node, ast.Call):
            owned |= {id(argument) for argument in node.args}
        elif isinstance(node, ast.Try):
            closed_in_finally |= set(_closed_names(node.finalbody))
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Assign)
            and len(node.targets) == 1
            and dotted(node.targets[0]) in closed_in_finally
        ):
            owned.add(id(node.value))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and id(node) not in owned and _opens_a_file(node):
            yield Finding(
                kind="unclosed_file",
                line=node.lineno,
                detail=f"{ast.unparse(node)} is not closed on every path",
            )


def _promises_a_value(annotation: ast.expr) -> bool:
    return ast.unparse(annotation).strip("'\"") not in {"None", "NoReturn", "Never"}


def _is_stub(function: Function) -> bool:
    """Return whether the body is only a docstring, `...` or `raise`: an abstract method."""
    return all(
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        for statement in function.body
    ) and any("abstract" in ast.unparse(decorator) for decorator in function.decorator_list)


def _can_fall_through(body: list[ast.stmt]) -> bool:
    """Return whether control can reach the end of the statements."""
    return not any(_never_goes_on(statement) for statement in body)


def _never_goes_on(statement: ast.stmt) -> bool:
    match statement:
        case ast.Return() | ast.Raise() | ast.Continue() | ast.Break():
            return True
        case ast.If():
            both = bool(statement.orelse)
            return both and not (
                _can_fall_through(statement.body) or _can_fall_through(statement.orelse)
            )
        case ast.With() | ast.AsyncWith():
            return not _can_fall_through(statement.body)
        case ast.While(test=ast.Constant(value=value)) if value:
            return not any(isinstance(node, ast.Break) for node in ast.walk(statement))
        case ast.Try():
            return _try_never_goes_on(statement)
        case ast.Match():
            last = statement.cases[-1]
            default = isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None
            covers_all = default and last.guard is None
            return covers_all and not any(_can_fall_through(case.body) for case in statement.cases)
    return False


def _try_never_goes_on(statement: ast.Try) -> bool:
    if statement.finalbody and not _can_fall_through(statement.finalbody):
        return True
    if any(_can_fall_through(handler.body) for handler in statement.handlers):
        return False
    return not _can_fall_through([*statement.body, *statement.orelse])


def _does_nothing(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Pass | ast.Continue):
        return True
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _closed_names(statements: list[ast.stmt]) -> Iterator[str]:
    for statement in statements:
        for node in ast.walk(statement):
            if called_name(node) == "close" and isinstance(node, ast.Call):
                function = node.func
                if isinstance(function, ast.Attribute):
                    yield dotted(function.value)


def _opens_a_file(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Name):
        return call.func.id == "open"
    if not isinstance(call.func, ast.Attribute) or call.func.attr != "open":
        return False
    return dotted(call.func.value) in {"io", "codecs", "gzip", "bz2", "lzma"} or (
        "path" in dotted(call.func.value).lower() or called_name(call.func.value) == "Path"
    )
