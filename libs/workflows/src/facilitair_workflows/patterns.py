"""Patterns of output schemas, matched in linear time: the text is a model's, and may be long.

Python's own matcher takes exponential time for patterns like ``^(a+)+$``, and nothing can interrupt
it. CEL's is RE2, which has no look-around and no back references and never backtracks.
"""

from functools import lru_cache
from typing import Any, Final

from cel_expr_python import cel

from facilitair_workflows.errors import PatternError

SOURCE_LIMIT: Final = 1000
"""Characters; a longer pattern is refused."""


@lru_cache(maxsize=1)
def _matching() -> Any:
    variables = {"text": cel.Type.STRING, "pattern": cel.Type.STRING}
    return cel.NewEnv(variables=variables).compile("text.matches(pattern)")


def matches(pattern: str, text: str) -> bool:
    """Whether the pattern is found anywhere in the text. Raises PatternError for one of no use."""
    if len(pattern) > SOURCE_LIMIT:
        raise PatternError(pattern=pattern, reason=f"it is longer than {SOURCE_LIMIT} characters")
    result = _matching().eval(data={"text": text, "pattern": pattern})
    if result.type() == cel.Type.ERROR:
        reason = str(result.value()).rpartition("invalid regular expression: ")[2]
        raise PatternError(pattern=pattern, reason=reason)
    return bool(result.value())


def fault(pattern: str) -> str | None:
    """Why a pattern cannot be used, in words; None when it can."""
    try:
        matches(pattern, "")
    except PatternError as error:
        return str(error)
    return None
