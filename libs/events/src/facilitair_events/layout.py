"""Where topics and definitions are declared: in files of the checkout, not of the package."""

from pathlib import Path
from typing import Final, Literal, get_args

from facilitair_events.errors import LayoutError

DefinitionKind = Literal["agent", "workflow", "prompt", "model"]
DEFINITION_KINDS: Final[tuple[DefinitionKind, ...]] = get_args(DefinitionKind)

_MARK: Final = Path("schemas") / "topics"


def checkout_root(start: Path | None = None) -> Path:
    """The nearest folder above ``start`` (default: this file) that holds ``schemas/topics``.

    Raises LayoutError when there is none, e.g. when the package was installed without its checkout.
    """
    origin = (start or Path(__file__)).resolve()
    for folder in (origin, *origin.parents):
        if (folder / _MARK).is_dir():
            return folder
    raise LayoutError(
        reason=f"no folder above {origin} holds {_MARK.as_posix()}: "
        "Facilitair runs from its checkout, install its members with `make init`"
    )


def topics_dir() -> Path:
    """The folder of the topic files. Raises LayoutError."""
    return checkout_root() / _MARK


def asyncapi_file() -> Path:
    """The generated AsyncAPI document of all topics. Raises LayoutError."""
    return checkout_root() / _MARK.parent / "asyncapi.json"


def definitions_dir(kind: DefinitionKind) -> Path:
    """The folder of the definitions of one kind; it need not exist. Raises LayoutError."""
    if kind not in DEFINITION_KINDS:
        kinds = ", ".join(DEFINITION_KINDS)
        raise LayoutError(reason=f"no definitions of kind {kind!r}: use one of {kinds}")
    return checkout_root() / f"{kind}s"
