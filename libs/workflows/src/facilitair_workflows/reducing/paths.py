"""Step paths: step ids and iteration numbers joined by dots, as in ``review.2.coder``.

Step ids hold no dot, so ids and numbers alternate and a path can be read by itself.
"""

from facilitair_events.definitions import Definition, Step


def child(group_path: str, step_id: str, *, iteration: int) -> str:
    """The path of a member of a group in one iteration."""
    return f"{group_path}.{iteration}.{step_id}"


def parent(path: str) -> tuple[str, int] | None:
    """The group path and iteration that a path lies in; None at the top level."""
    parts = path.split(".")
    if len(parts) == 1:
        return None
    return ".".join(parts[:-2]), int(parts[-2])


def place(path: str) -> str:
    """The path without iteration numbers: what it is called in the definition."""
    return ".".join(path.split(".")[::2]) if "." in path else path


def places(definition: Definition) -> dict[str, Step]:
    """Every step of a definition by its place."""
    found: dict[str, Step] = {}
    _collect(found, definition.steps, prefix="")
    return found


def _collect(found: dict[str, Step], level: tuple[Step, ...], *, prefix: str) -> None:
    for step in level:
        found[prefix + step.id] = step
        _collect(found, step.steps, prefix=f"{prefix}{step.id}.")
