"""A JSON value for any JSON Schema, filled from what is known and obeying the schema's types."""

from typing import Any

MAX_DEPTH = 12
MAX_ITEMS = 50
_SYNONYMS: dict[str, str] = {
    "accepted": "approved",
    "pass": "approved",
    "passed": "approved",
    "ok": "approved",
    "valid": "approved",
    "findings": "issues",
    "problems": "issues",
    "errors": "issues",
    "comments": "issues",
    "filename": "file",
    "path": "file",
    "line_number": "line",
    "description": "problem",
    "message": "problem",
    "issue": "problem",
    "suggestion": "fix",
    "recommendation": "fix",
}
_NEGATIONS = frozenset({"rejected", "needs_changes", "changes_requested", "needs_work", "failed"})
Known = dict[str, Any]


def fill_schema(schema: Any, known: Known) -> Any:
    """Return a value for the schema.

    Properties take the known values of their names, or of names that mean the same.
    What is not known is the smallest value the schema's type, enum and bounds allow.
    References are followed inside the schema; text patterns are not obeyed.
    """
    return _Filler(schema).fill(schema, name="", known=known, depth=0)


class _Filler:
    """Fills one schema; holds its root, where references point."""

    def __init__(self, root: Any) -> None:
        self._root = root

    def fill(self, schema: Any, *, name: str, known: Known, depth: int) -> Any:
        node = self._resolve(schema)
        if depth > MAX_DEPTH or not isinstance(node, dict):
            return None
        if "const" in node:
            return node["const"]
        value = known_value(name, known)
        if node.get("enum"):
            return value if value in node["enum"] else node["enum"][0]
        return self._typed(node, value, name=name, known=known, depth=depth)

    def _typed(self, node: Known, value: Any, *, name: str, known: Known, depth: int) -> Any:
        match type_of(node):
            case "object":
                return self._object(node, value, known=known, depth=depth)
            case "array":
                return self._array(node, value, name=name, known=known, depth=depth)
            case "string":
                return _text(node, value, known=known)
            case "boolean":
                return value if isinstance(value, bool) else True
            case "integer" | "number" as kind:
                return _number(node, value, whole=kind == "integer")
        return None

    def _object(self, node: Known, value: Any, *, known: Known, depth: int) -> Known:
        inner = {**known, **value} if isinstance(value, dict) else known
        properties = node.get("properties")
        names = properties if isinstance(properties, dict) else {}
        required = node.get("required")
        wanted = {*names, *(required if isinstance(required, list) else [])}
        return {
            name: self.fill(
                names.get(name, {"type": "string"}), name=name, known=inner, depth=depth + 1
            )
            for name in [*names, *sorted(wanted - set(names))]
        }

    def _array(self, node: Known, value: Any, *, name: str, known: Known, depth: int) -> list[Any]:
        items = node.get("items", {})
        least, most = node.get("minItems"), node.get("maxItems")
        entries = value if isinstance(value, list) else [None] * (0 if name == "" else 1)
        if isinstance(least, int):
            entries = entries + [None] * (min(least, MAX_ITEMS) - len(entries))
        if isinstance(most, int):
            entries = entries[:most]
        return [
            self.fill(items, name="", known=_item(known, entry), depth=depth + 1)
            for entry in entries
        ]

    def _resolve(self, schema: Any) -> Any:
        """Follow `$ref` and take the first branch of a choice that is not null."""
        for _ in range(MAX_DEPTH):
            if not isinstance(schema, dict):
                return schema
            if isinstance(schema.get("$ref"), str):
                schema = self._referenced(schema["$ref"])
                continue
            branches = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
            if not isinstance(branches, list) or not branches:
                return schema
            filled = [branch for branch in branches if branch != {"type": "null"}]
            schema = (filled or branches)[0]
        return schema

    def _referenced(self, reference: str) -> Any:
        found = self._root
        for part in reference.removeprefix("#").strip("/").split("/"):
            found = found.get(part) if isinstance(found, dict) and part else found
        return found


def known_value(name: str, known: Known) -> Any:
    """Return what is known under the name or a synonym; None if nothing is."""
    key = name.lower()
    if key in known:
        return known[key]
    if key in _NEGATIONS and isinstance(known.get("approved"), bool):
        return not known["approved"]
    return known.get(_SYNONYMS.get(key, ""))


def type_of(node: Known) -> str:
    """Return the schema's type; of several the first that is not null."""
    kind = node.get("type")
    if isinstance(kind, list):
        kind = next((entry for entry in kind if entry != "null"), "null")
    if isinstance(kind, str):
        return kind
    if "properties" in node or "required" in node:
        return "object"
    return "array" if "items" in node else "string"


def _item(known: Known, item: Any) -> Known:
    if isinstance(item, dict):
        text = f"{item.get('file')}:{item.get('line')}: {item.get('problem')}. {item.get('fix')}"
        return {**known, **item, "text": text}
    return known if item is None else {**known, "text": str(item)}


def _text(node: Known, value: Any, *, known: Known) -> str:
    text = value if isinstance(value, str) else str(known.get("text", ""))
    most, least = node.get("maxLength"), node.get("minLength")
    if isinstance(most, int):
        text = text[:most]
    return text.ljust(least, ".") if isinstance(least, int) else text


def _number(node: Known, value: Any, *, whole: bool) -> float:
    number: float = value if type(value) in {int, float} else 0
    if isinstance(node.get("minimum"), int | float):
        number = max(number, node["minimum"])
    if isinstance(node.get("maximum"), int | float):
        number = min(number, node["maximum"])
    return int(number) if whole else number
