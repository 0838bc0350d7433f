"""Write golden examples for event types that have none (`python -m tools.examples`).

It proposes a full and a minimal record, and broken ones that must be refused.
What lies there already is never touched: golden bytes are kept for ever.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct, inspect

from facilitair_events.codec import encode
from facilitair_events.types import TYPES

ROOT: Final = Path(__file__).resolve().parent.parent
EXAMPLES: Final = "schemas/examples"

UUID: Final = "6f1c2a9e-3b57-5c0d-9e4a-2f8b7d1c0a34"
SHA256: Final = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"

# What a text of this name holds in a real record.
TEXTS: Final[dict[str, str | None]] = {
    "actor": "key-7f3a",
    "agent": "coder",
    "body_digest": SHA256,
    "by": "key-7f3a",
    "call_id": "1d0b0a52-8a8c-5a44-8f0e-4f6c0f9f7a10",
    "ciphertext": "q1mJ7RkLr0n0c2m4wH1b5y3V7fJx8h3d6T9pZkq2aXg=",
    "client_id": "0192f0c4-7a1e-7c3b-8d2e-5b6f7a8c9d0f",
    "closed_by": "key-1f0c9d2e5b6a7f83",
    "clients": "0192f0c4-7a1e-7c3b-8d2e-5b6f7a8c9d0f",
    "code": "provider_overloaded",
    "collaboration": UUID,
    "correlation": "0192f0c4-7a1e-7c3b-8d2e-5b6f7a8c9d0e",
    "created_by": "local",
    "definition_digest": SHA256,
    "description": "Write, review, write again.",
    "digest": SHA256,
    "dlq_id": UUID,
    "field": "inputs.language",
    "finish_reason": "stop",
    "hint": "x7Qk",
    "id": UUID,
    "incarnation": "0192f0c4-7a1e-7c3b-8d2e-5b6f7a8c9d10",
    "input": "Write {{ task }} in {{ inputs.language }}.",
    "k": None,
    "key_id": "4c1d7e90ab52f638",
    "label": "latest",
    "letter": "collaboration-inbox-dlq:0:7",
    "master_key_id": "9f2c4e81d07ab365",
    "media_type": "application/json",
    "message": "The provider is overloaded; the step is tried again.",
    "model": "gpt-5-mini",
    "name": "coder",
    "needs": "architect",
    "nonce": "0192f0c4-7a1e-7c3b-8d2e-5b6f7a8c9d11",
    "outcome": "completed",
    "output": "coder",
    "output_step": "coder",
    "path": "review.2.coder",
    "project": "default",
    "prompt": "You write code.\nKeep it small.",
    "prompt_name": "coder",
    "prompt_version": "3f79bb7b435b",
    "provider": "openai",
    "reason": "retry",
    "removed_by": "key-1f0c9d2e5b6a7f83",
    "request_digest": SHA256,
    "revoked_by": "key-1f0c9d2e5b6a7f83",
    "role": "writes the code",
    "scopes": "write",
    "set_by": "key-1f0c9d2e5b6a7f83",
    "sha256": SHA256,
    "step": "coder",
    "steps": "coder",
    "tenant": "local",
    "text": ' a prime \u2026 "2" \\ \u7d20\u6570\u2028',
    "timer_id": "8f54c1bb-bd87-5adb-bdbc-d9643f888f9a",
    "topic": "query-replies",
    "until": "outputs.reviewer.approved",
    "uri": f"local/{UUID}/{SHA256}",
    "v": "Check whether 7 is prime.\nWith tests.",
    "value": "python",
    "value_sha256": SHA256,
    "version": "3f79bb7b435b",
    "when": "inputs.language == 'python'",
    "workflow": "code",
    "workflow_version": "3f79bb7b435b",
}

# What a value of this type is, where its name says no more; never a default, which is left out.
VALUES: Final[tuple[tuple[type[inspect.Type], Any], ...]] = (
    (inspect.AnyType, {"approved": False, "issues": ["no test for 1"], "score": 0.5}),
    (inspect.BoolType, True),
    (inspect.IntType, 7),
    (inspect.FloatType, 12.5),
    (inspect.DecimalType, "0.00123"),
    (inspect.DateTimeType, "2026-01-02T03:04:05.678Z"),
)


def proposals(name: str) -> dict[str, bytes]:
    """Examples of a type by their path under its folder."""
    struct = TYPES[name]
    required = [field.encode_name for field in msgspec.structs.fields(struct) if field.required]
    minimal = encode(msgspec.convert(_record(struct, full=False, inside=()), struct))
    plain = json.loads(minimal)
    without = {key: value for key, value in plain.items() if key != required[-1]}
    return {
        "valid/full.json": encode(msgspec.convert(_record(struct, full=True, inside=()), struct)),
        "valid/minimal.json": minimal,
        f"invalid/missing-{required[-1]}.json": json.dumps(without).encode(),
        f"invalid/wrong-{required[0]}.json": json.dumps({**plain, required[0]: [True]}).encode(),
    }


def write(root: Path) -> list[str]:
    """Write examples for every type that has none; returns the paths."""
    written = []
    for name in TYPES:
        folder = root / EXAMPLES / name
        if folder.exists():
            continue
        for path, content in proposals(name).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
            written.append((folder / path).relative_to(root).as_posix())
    return written


def main() -> int:
    """Write what is missing and tell it."""
    for path in write(ROOT):
        print(path)
    return 0


def _record(
    struct: type[Struct], *, full: bool, inside: tuple[type[Struct], ...]
) -> dict[str, Any]:
    """Plain data of a Struct; a Struct inside itself is left out."""
    kind = inspect.type_info(struct)
    if not isinstance(kind, inspect.StructType):
        raise TypeError(struct)
    return {
        field.encode_name: _value(field.name, field.type, full=full, inside=(*inside, struct))
        for field in kind.fields
        if field.required or (full and not _recursive(field.type, (*inside, struct)))
    }


def _recursive(kind: inspect.Type, inside: tuple[type[Struct], ...]) -> bool:
    return isinstance(kind, inspect.VarTupleType) and getattr(kind.item_type, "cls", None) in inside


def _value(name: str, kind: inspect.Type, *, full: bool, inside: tuple[type[Struct], ...]) -> Any:
    match kind:
        case inspect.Metadata(type=inner):
            return _value(name, inner, full=full, inside=inside)
        case inspect.UnionType(types=types) if name not in TEXTS or TEXTS[name] is not None:
            inner = next(member for member in types if not isinstance(member, inspect.NoneType))
            return _value(name, inner, full=full, inside=inside)
        case inspect.StructType(cls=cls):
            return _record(cls, full=full, inside=inside)
        case inspect.LiteralType(values=values):
            return values[0]
        case inspect.VarTupleType(item_type=item):
            return [_value(name, item, full=full, inside=inside)]
        case inspect.DictType(value_type=item):
            return {"coder": _value("value", item, full=full, inside=inside)}
        case inspect.StrType():
            return TEXTS.get(name, f"some {name}")
    return next((value for known, value in VALUES if isinstance(kind, known)), None)


if __name__ == "__main__":
    sys.exit(main())
