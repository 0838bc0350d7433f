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


def siblings(definition: Definition, path: str) -> tuple[Step, ...]:
    """The steps of the level that a path lies on."""
    level = definition.steps
    for step_id in path.split(".")[:-1:2]:
        level = _named(level, step_id).steps
    return level


def step_at(definition: Definition, path: str) -> Step:
    """The definition of the step that a path names. Raises KeyError for an unknown path."""
    return _named(siblings(definition, path), path.rsplit(".", maxsplit=1)[-1])


def _named(level: tuple[Step, ...], step_id: str) -> Step:
    for step in level:
        if step.id == step_id:
            return step
    raise KeyError(step_id)
