"""Records of ``catalog``: immutable versions of definitions, and labels that point at them."""

from typing import Any, Literal

from msgspec import Struct

CatalogKind = Literal["agent", "workflow", "prompt", "model", "tool", "experiment", "logic"]


class VersionPublished(Struct, frozen=True, kw_only=True):
    """One immutable version of a definition; ``version`` is the first 12 hex digits of ``digest``.

    Key ``tenant:version:kind:name:version``; tenant ``platform`` holds what every tenant may use.
    """

    kind: CatalogKind
    name: str
    version: str
    digest: str
    document: dict[str, Any]


class LabelMoved(Struct, frozen=True, kw_only=True):
    """``label`` of a definition now means ``version``. Key ``tenant:label:kind:name:label``."""

    kind: CatalogKind
    name: str
    label: str
    version: str
