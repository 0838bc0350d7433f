"""Input templates: Jinja in a sandbox without calls, with bounded loops and output.

Rendered in the worker, checked when a workflow is applied.
"""

import json
import traceback
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any, Final

import jinja2
from jinja2 import nodes, pass_context
from jinja2.filters import FILTERS
from jinja2.runtime import Context, LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from msgspec import Struct

from facilitair_workflows.errors import WorkflowsError
from facilitair_workflows.template_syntax import (
    MAX_SOURCE,
    NAMES,
    Reference,
    SyntaxFault,
    faults_of,
    inputs_of,
    references_of,
)

OUTPUT_LIMIT: Final = 4 * 1024 * 1024
"""Characters that one rendering may give."""

LOOP_LIMIT: Final = 10_000
"""Turns that all loops of one rendering may take together."""

_FILE: Final = "<input>"
_BUDGET: Final = "_budget"
_COUNTED: Final = "_counted"
_MAX_INDENT: Final = 8
_KEPT_FILTERS: Final = (
    "capitalize", "d", "default", "dictsort", "first", "float", "int", "items", "last", "length",
    "list", "lower", "map", "reject", "rejectattr", "reverse", "round", "select", "selectattr",
    "sort", "string", "title", "trim", "truncate", "unique", "upper",
)  # fmt: skip


class TemplateError(WorkflowsError):
    """A template is not allowed, or cannot be rendered on what there is. ``line`` counts from 1."""

    def __init__(self, *, line: int, reason: str) -> None:
        self.line = line
        self.reason = reason
        super().__init__(f"template line {line}: {reason}")


class _Budget(Struct):
    turns: int
    characters: int

    def take_turns(self, count: int) -> None:
        self.turns -= count
        if self.turns < 0:
            raise _RefusedError(reason=f"its loops take more than {LOOP_LIMIT} turns")

    def take_characters(self, count: int) -> None:
        self.characters -= count
        if self.characters < 0:
            raise _RefusedError(reason="it gives more text than is allowed")


class _RefusedError(Exception):
    """A rendering asks for too much, or for something that its values do not have."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason)


class _Environment(ImmutableSandboxedEnvironment):
    """Names reach keys and loop state only; no attribute or method of a Python value."""

    intercepted_binops = frozenset({"+", "-"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, LoopContext):
            return super().getattr(obj, attribute)
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Mapping | str | list | tuple):
            try:
                return obj[argument]
            except (LookupError, TypeError):
                pass
        if isinstance(obj, Undefined):
            return obj  # what is missing stays missing, so that default() works on a longer name
        return self.undefined(hint=f"there is no {argument!r} in it", obj=obj, name=argument)

    def call_binop(  # noqa: PLR0917 - the signature is Jinja's
        self, context: Context, operator: str, left: Any, right: Any
    ) -> Any:
        for value in (left, right):
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise _RefusedError(reason=f"{operator} takes numbers, not {_kind(value)}")
        return super().call_binop(context, operator, left, right)


class _Prepared(Struct, frozen=True):
    template: jinja2.Template
    references: tuple[Reference, ...]
    inputs: frozenset[str] | None


def render(template: str, context: Mapping[str, Any], *, limit: int = OUTPUT_LIMIT) -> str:
    """The text of a template over ``task``, ``inputs``, ``outputs`` and ``iteration``.

    Lists, mappings and truth values appear as JSON.
    Raises TemplateError for a template that is not allowed, for a value that is missing, and for
    more than ``limit`` characters.
    """
    prepared = _prepare(template)
    budget = _Budget(turns=LOOP_LIMIT, characters=limit)
    values = {name: context[name] for name in NAMES if name in context}
    pieces: list[str] = []
    try:
        for piece in prepared.template.generate({**values, _BUDGET: budget}):
            budget.take_characters(len(piece))
            pieces.append(piece)
    except (
        jinja2.TemplateError, _RefusedError, TypeError, ValueError, ArithmeticError,
        LookupError, AttributeError, RecursionError,
    ) as error:  # fmt: skip
        raise TemplateError(line=_line_of(error), reason=_reason(error)) from error
    return "".join(pieces)


def check(template: str) -> list[SyntaxFault]:
    """All that is wrong with the writing of a template; which outputs exist is not looked at."""
    try:
        faults = faults_of(_parsed(template))
        if not faults:
            _prepare(template)
    except TemplateError as error:
        return [SyntaxFault(error.line, error.reason)]
    return faults


def named_outputs(template: str) -> list[Reference]:
    """Every place where a template names an output.

    Raises TemplateError for a template that is not allowed.
    """
    return list(_prepare(template).references)


def references(template: str) -> set[str]:
    """The step ids whose output a template names. Raises TemplateError where it is not allowed."""
    return {reference.step for reference in named_outputs(template)}


def inputs(template: str) -> frozenset[str] | None:
    """The inputs that a template names; None where it takes them as a whole.

    Raises TemplateError for a template that is not allowed.
    """
    return _prepare(template).inputs


@lru_cache(maxsize=1)
def _environment() -> _Environment:
    env = _Environment(
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # prompts are plain text, never HTML
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    env.globals = {}
    env.filters = {name: FILTERS[name] for name in _KEPT_FILTERS}
    own: dict[str, Callable[..., Any]] = {"join": _join, "tojson": _tojson, _COUNTED: _counted}
    env.filters.update(own)
    return env


def _parsed(source: str) -> nodes.Template:
    if len(source) > MAX_SOURCE:
        raise TemplateError(line=1, reason=f"the template is longer than {MAX_SOURCE} characters")
    try:
        return _environment().parse(source)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(line=error.lineno, reason=error.message or "syntax error") from error
    except RecursionError as error:
        raise TemplateError(line=1, reason="nested too deeply") from error
    except (ValueError, OverflowError) as error:
        raise TemplateError(line=1, reason=f"a number is too large: {error}") from error


@lru_cache(maxsize=512)
def _prepare(source: str) -> _Prepared:
    """Parse, check and compile once for each source."""
    tree = _parsed(source)
    faults = faults_of(tree)
    if faults:
        raise TemplateError(line=faults[0].line, reason=faults[0].message)
    found, named = tuple(references_of(tree)), inputs_of(tree)
    for loop in tree.find_all(nodes.For):
        loop.iter = nodes.Filter(loop.iter, _COUNTED, [], [], None, None, lineno=loop.lineno)
    env = _environment()
    try:
        code = env.compile(tree, filename=_FILE)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(line=error.lineno, reason=error.message or "syntax error") from error
    except SyntaxError as error:
        raise TemplateError(line=1, reason="nested too deeply") from error
    return _Prepared(jinja2.Template.from_code(env, code, {}), found, named)


def _line_of(error: BaseException) -> int:
    """The template's line in a traceback that Jinja rewrote."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == _FILE and frame.lineno]
    return lines[-1] if lines else 1


def _reason(error: BaseException) -> str:
    if isinstance(error, jinja2.UndefinedError):
        return f"a value is missing: {error.message}"
    return str(error) or type(error).__name__


def _kind(value: Any) -> str:
    if isinstance(value, Undefined):
        return "a missing value"
    return {str: "a text", bool: "a truth value"}.get(type(value), "a list or an object")


def _shown(value: Any) -> Any:
    """What ``{{ value }}`` becomes: texts and numbers as they are, anything else as JSON."""
    if isinstance(value, str | int | float | Undefined) and not isinstance(value, bool):
        return value
    return _json(value, indent=None)


def _json(value: Any, *, indent: int | None) -> str:
    if isinstance(value, Iterator):
        value = list(value)
    return json.dumps(value, ensure_ascii=False, indent=indent, default=_not_json)


def _not_json(value: Any) -> str:
    if isinstance(value, Undefined):
        return str(value)  # raises UndefinedError with the name
    raise _RefusedError(reason=f"{type(value).__name__} cannot be shown")


def _tojson(value: Any, indent: int | None = None) -> str:
    """JSON as it is, without the escapes for HTML that Jinja's own filter makes."""
    if indent is not None and not 0 <= indent <= _MAX_INDENT:
        raise _RefusedError(reason=f"tojson takes an indent of 0 to {_MAX_INDENT}")
    return _json(value, indent=indent)


@pass_context
def _join(context: Context, value: Any, separator: str = "") -> str:  # noqa: PLR0917 - a filter
    """Items as one text; it counts against the budget, since a separator may be long."""
    pieces = [str(_shown(item)) for item in value]
    size = sum(map(len, pieces)) + len(separator) * max(0, len(pieces) - 1)
    context[_BUDGET].take_characters(size)
    return separator.join(pieces)


@pass_context
def _counted(context: Context, value: Any) -> list[Any]:
    """What a loop goes over, as a list, after its turns are taken from the budget."""
    if isinstance(value, str):
        raise _RefusedError(reason="a loop goes over a list or an object, not over a text")
    budget: _Budget = context[_BUDGET]
    items = list(islice(value, budget.turns + 1))
    budget.take_turns(len(items))
    return items
