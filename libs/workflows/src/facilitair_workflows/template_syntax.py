"""What an input template may be made of, and which outputs it names.

Templates choose and format; they do not compute.
There are no calls, no assignments and no arithmetic but + and - on numbers, so the work that one
can cause is bounded by its loops.
"""

from collections.abc import Iterator
from typing import Final

from jinja2 import nodes
from msgspec import Struct

MAX_SOURCE: Final = 16 * 1024
"""Characters; a longer template is refused."""

MAX_DEPTH: Final = 60
"""Levels of nesting in the syntax tree."""

NAMES: Final = frozenset({"task", "inputs", "outputs", "iteration"})

_ALLOWED: Final[tuple[type[nodes.Node], ...]] = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Getattr, nodes.Getitem,
    nodes.Slice, nodes.Const, nodes.If, nodes.For, nodes.CondExpr, nodes.Test, nodes.Filter,
    nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Add, nodes.Sub, nodes.Neg,
    nodes.Tuple, nodes.List, nodes.Keyword,
)  # fmt: skip
_ADVICE: Final[dict[type[nodes.Node], str]] = {
    nodes.Call: "calls are not allowed; use a filter",
    nodes.Concat: "~ is not allowed; write the texts side by side",
    nodes.Include: "include is not allowed; a template stands alone",
    nodes.Import: "import is not allowed; a template stands alone",
    nodes.FromImport: "import is not allowed; a template stands alone",
    nodes.Extends: "extends is not allowed; a template stands alone",
    nodes.Assign: "set is not allowed; name the value where it is used",
    nodes.Macro: "macro is not allowed; write it out",
}


class Reference(Struct, frozen=True):
    """An output that a template names; ``guarded`` when it asks first whether that is there."""

    step: str
    line: int
    guarded: bool


class SyntaxFault(Struct, frozen=True):
    """What is wrong at a line of the template, counted from 1."""

    line: int
    message: str


def faults_of(tree: nodes.Template) -> list[SyntaxFault]:
    """Everything in a template that is not allowed, by line."""
    found = {SyntaxFault(line or 1, message) for line, message in _forbidden(tree, set(), depth=0)}
    return sorted(found, key=lambda fault: (fault.line, fault.message))


def references_of(tree: nodes.Template) -> list[Reference]:
    """Every place where the template names the output of a step."""
    return list(_references(tree, frozenset()))


def inputs_of(tree: nodes.Template) -> frozenset[str] | None:
    """The inputs that the template names, as ``inputs.x``; None where it takes them as a whole."""
    named = [_part_of(node, "inputs") for node in tree.find_all((nodes.Getattr, nodes.Getitem))]
    found = frozenset(name for name in named if name is not None)
    uses = sum(name.name == "inputs" for name in tree.find_all(nodes.Name))
    return found if uses == sum(name is not None for name in named) else None


def _forbidden(node: nodes.Node, local: set[str], *, depth: int) -> Iterator[tuple[int, str]]:
    if depth > MAX_DEPTH:
        yield node.lineno, "nested too deeply"
        return
    if not isinstance(node, _ALLOWED):
        name = type(node).__name__
        yield node.lineno, _ADVICE.get(type(node), f"{name} is not allowed here")
        return
    if isinstance(node, nodes.Name) and node.ctx == "load" and node.name not in NAMES | local:
        yield node.lineno, f"unknown name {node.name!r}; there are {', '.join(sorted(NAMES))}"
    if isinstance(node, nodes.Name) and node.name == "outputs":
        yield node.lineno, "outputs is used by step id only, as in outputs.coder"
    if isinstance(node, nodes.Getattr) and node.attr.startswith("_"):
        yield node.lineno, f"{node.attr!r} begins with an underscore, which is not allowed"
    if isinstance(node, nodes.For):
        local = local | _targets(node) | {"loop"}
        if node.recursive:
            yield node.lineno, "recursive loops are not allowed"
    if isinstance(node, nodes.Getattr | nodes.Getitem) and output_of(node) is not None:
        return
    for child in node.iter_child_nodes():
        yield from _forbidden(child, local, depth=depth + 1)


def _targets(loop: nodes.For) -> set[str]:
    names = {target.name for target in loop.target.find_all(nodes.Name)}
    if isinstance(loop.target, nodes.Name):
        names.add(loop.target.name)
    return names


def output_of(node: nodes.Node) -> str | None:
    """The step id of ``outputs.<id>`` or ``outputs['<id>']``, else None."""
    return _part_of(node, "outputs")


def _part_of(node: nodes.Node, whole: str) -> str | None:
    """The name after a name, as in ``whole.<name>`` or ``whole['<name>']``, else None."""
    if not isinstance(node, nodes.Getattr | nodes.Getitem):
        return None
    if not (isinstance(node.node, nodes.Name) and node.node.name == whole):
        return None
    if isinstance(node, nodes.Getattr):
        return node.attr
    if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
        return node.arg.value
    return None


def _references(node: nodes.Node, present: frozenset[str]) -> Iterator[Reference]:
    """Walk the tree; ``present`` are the ids that are known to be there at this place."""
    step = output_of(node)
    if step is not None:
        yield Reference(step, node.lineno, step in present)
    elif isinstance(node, nodes.If):
        yield from _branches(node, present)
    elif isinstance(node, nodes.CondExpr):
        yield from _references(node.test, present)
        yield from _references(node.expr1, present | _present_if(node.test, outcome=True))
        if node.expr2 is not None:
            yield from _references(node.expr2, present | _present_if(node.test, outcome=False))
    elif isinstance(node, nodes.And | nodes.Or):
        yield from _references(node.left, present)
        outcome = isinstance(node, nodes.And)
        yield from _references(node.right, present | _present_if(node.left, outcome=outcome))
    else:
        asked = _asked(node)
        for child in node.iter_child_nodes():
            yield from _references(child, present | asked)


def _branches(node: nodes.If, present: frozenset[str]) -> Iterator[Reference]:
    yield from _references(node.test, present)
    for child in node.body:
        yield from _references(child, present | _present_if(node.test, outcome=True))
    otherwise = present | _present_if(node.test, outcome=False)
    for child in (*node.elif_, *node.else_):
        yield from _references(child, otherwise)


def _asked(node: nodes.Node) -> frozenset[str]:
    """The id whose absence this node deals with: ``defined`` or ``default`` on it or its part."""
    test = isinstance(node, nodes.Test) and node.name in ("defined", "undefined")
    default = isinstance(node, nodes.Filter) and node.name in ("default", "d")
    if not (test or default) or not isinstance(node, nodes.Test | nodes.Filter):
        return frozenset()
    operand = node.node
    while isinstance(operand, nodes.Getattr | nodes.Getitem):
        step = output_of(operand)
        if step is not None:
            return frozenset({step})
        operand = operand.node
    return frozenset()


def _present_if(test: nodes.Node, *, outcome: bool) -> frozenset[str]:
    """The ids that are there whenever ``test`` has this outcome."""
    if isinstance(test, nodes.Not):
        return _present_if(test.node, outcome=not outcome)
    if isinstance(test, nodes.And | nodes.Or):
        left = _present_if(test.left, outcome=outcome)
        right = _present_if(test.right, outcome=outcome)
        both = isinstance(test, nodes.And) is outcome
        return left | right if both else left & right
    if isinstance(test, nodes.Test) and test.name == ("defined" if outcome else "undefined"):
        return _asked(test)
    return frozenset()
