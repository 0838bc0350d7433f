"""Whether a change of the contract may be published: what one version writes, the other reads.

Old and new versions run at the same time, in both directions. So a field keeps its type for ever;
all that may come is an optional field, a new type, a new topic and better words.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from facilitair_events.schemas import Schema

_WORDS: Final = frozenset({"description", "title", "$schema", "$id", "$defs", "$ref", "$comment"})
_STRUCTURE: Final = frozenset({"properties", "required", "items", "additionalProperties", "anyOf"})


def breaking_changes(old_schema: Schema, new_schema: Schema) -> list[str]:
    """What in the new schema one of the versions could not read, each as ``$.path: reason``.

    Schemas are compared by their structure: renaming a definition changes nothing.
    """
    return _Comparison(old_schema, new_schema).at("$", old=old_schema, new=new_schema)


def breaking_set_changes(old: Mapping[str, Schema], new: Mapping[str, Schema]) -> list[str]:
    """The same for whole sets of schemas by type; a type stays for ever once it was published."""
    found = [f"{name}: the type was removed" for name in sorted(set(old) - set(new))]
    for name in sorted(set(old) & set(new)):
        found += [f"{name}: {change}" for change in breaking_changes(old[name], new[name])]
    return found


def breaking_topic_changes(
    old: Mapping[str, dict[str, Any]], new: Mapping[str, dict[str, Any]]
) -> list[str]:
    """The same for topic files by topic: records keep their topic, key and partition."""
    found = [f"{name}: the topic was removed" for name in sorted(set(old) - set(new))]
    for name in sorted(set(old) & set(new)):
        before, after = old[name], new[name]
        found += [
            f"{name}: {field} changed from {before.get(field)} to {after.get(field)}"
            for field in ("key", "partition_by", "partitions")
            if before.get(field) != after.get(field)
        ]
        gone = sorted(set(before.get("types") or ()) - set(after.get("types") or ()))
        found += [f"{name}: no longer carries {kind}, which may still lie there" for kind in gone]
    return found


class _Comparison:
    """Walks two schemas side by side; definitions refer to themselves, so pairs are kept."""

    def __init__(self, old_root: Schema, new_root: Schema) -> None:
        self._old = old_root.get("$defs", {})
        self._new = new_root.get("$defs", {})
        self._seen: set[tuple[str, str]] = set()

    def at(self, path: str, *, old: Schema, new: Schema) -> list[str]:
        if "default" in old and _differ(old, new, keyword="default"):
            # Defaults are left out of records, so another one changes what old records say.
            return [f"{path}: the default changed from {_shown(old['default'])}"]
        pair = (old.get("$ref", ""), new.get("$ref", ""))
        if all(pair):
            if pair in self._seen:
                return []
            self._seen.add(pair)
        return self._structure(path, old=_resolved(old, self._old), new=_resolved(new, self._new))

    def _structure(self, path: str, *, old: Schema, new: Schema) -> list[str]:
        if _kind(old) != _kind(new):
            return [f"{path}: {_type_change(_kind(old), _kind(new))}"]
        found = self._constraints(path, old=old, new=new)
        if "properties" in old or "properties" in new:
            found += self._fields(path, old=old, new=new)
        for keyword, step in (("items", "[]"), ("additionalProperties", "[*]")):
            if isinstance(old.get(keyword), dict) and isinstance(new.get(keyword), dict):
                found += self.at(path + step, old=old[keyword], new=new[keyword])
            elif old.get(keyword) != new.get(keyword):
                found.append(f"{path}: {keyword} changed")
        for before, after in zip(old.get("anyOf", ()), new.get("anyOf", ()), strict=True):
            found += self.at(path, old=before, new=after)
        return found

    def _fields(self, path: str, *, old: Schema, new: Schema) -> list[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        needed, needs = set(old.get("required", ())), set(new.get("required", ()))
        found = []
        for name in sorted(needs - needed):
            word = "became required" if name in before else "a required field was added"
            found.append(f"{path}.{name}: {word}; records without it exist")
        for name in before:
            at = f"{path}.{name}"
            if name not in after:
                found.append(f"{at}: the field was removed; a name is never dropped or reused")
                continue
            if name in needed - needs:
                found.append(f"{at}: became optional; readers of the old version need it")
            found += self.at(at, old=before[name], new=after[name])
        return found

    def _constraints(self, path: str, *, old: Schema, new: Schema) -> list[str]:
        found = []
        for keyword in sorted((set(old) | set(new)) - _WORDS - _STRUCTURE - {"type", "default"}):
            if keyword == "enum":
                found += _enum_changes(path, old=old.get("enum", []), new=new.get("enum", []))
            elif _differ(old, new, keyword=keyword):
                before, after = (_shown(side.get(keyword, "nothing")) for side in (old, new))
                found.append(f"{path}: {keyword} changed from {before} to {after}")
        return found


def _enum_changes(path: str, *, old: list[Any], new: list[Any]) -> list[str]:
    gone = [value for value in old if value not in new]
    come = [value for value in new if value not in old]
    return [
        *(f"{path}: value {_shown(value)} was removed; records with it exist" for value in gone),
        *(f"{path}: value {_shown(value)} was added; old readers refuse it" for value in come),
    ]


def _differ(old: Schema, new: Schema, *, keyword: str) -> bool:
    """Compared as JSON, where 1 is not true."""
    before, after = ([side[keyword]] if keyword in side else [] for side in (old, new))
    return _shown(before) != _shown(after)


def _resolved(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    if "$ref" not in schema:
        return schema
    found: Schema = definitions[schema["$ref"].removeprefix("#/$defs/")]
    return found


def _kind(schema: Schema) -> str:
    """A schema's type in words: ``string``, ``integer | null``, ``any``."""
    if "anyOf" in schema:
        return " | ".join(_kind(member) for member in schema["anyOf"])
    if "$ref" in schema:
        return "object"
    if "enum" in schema:
        return "enum"
    return str(schema.get("type", "any"))


def _type_change(old: str, new: str) -> str:
    was, now = (set(kind.split(" | ")) for kind in (old, new))
    gone, come = was - now, now - was
    if "any" in was or not come or (gone, come) == ({"number"}, {"integer"}):
        word = "narrowed"
    elif "any" in now or not gone or (gone, come) == ({"integer"}, {"number"}):
        word = "widened; old readers refuse the rest:"
    else:
        word = "changed"
    return f"type {word} from {old} to {new}"


def _shown(value: Any) -> str:
    return json.dumps(value)
