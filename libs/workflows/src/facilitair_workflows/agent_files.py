"""Agent and prompt files. Names are not looked up here."""

from typing import Final

from msgspec import Struct

from facilitair_workflows.documents import ACTIVE, DEFAULT_MODEL, AgentDocument, PromptDocument
from facilitair_workflows.fields import MODEL, NAME, Fields, bad_name, kind_of
from facilitair_workflows.findings import Findings
from facilitair_workflows.yaml_positions import YamlMap, YamlNode

MAX_PROMPT: Final = 32 * 1024
"""Characters of a system prompt."""

_AGENT_KEYS: Final = (
    "agent", "role", "description", "prompt", "models", "temperature", "max_output_tokens",
)  # fmt: skip


class AgentFile(Struct, frozen=True, kw_only=True):
    """An agent as written, with the lines of its models."""

    document: AgentDocument
    prompt_line: int
    model_lines: tuple[int, ...]


def read_agent(root: YamlNode, findings: Findings) -> AgentFile | None:
    """Read an agent; every fault of its form goes to ``findings``. None when it is no mapping."""
    if not isinstance(root, YamlMap):
        findings.add(root.line, f"an agent must be a mapping, is {kind_of(root)}")
        return None
    fields = Fields(root, known=_AGENT_KEYS, what="the agent", findings=findings)
    models = _read_models(fields)
    prompt, label = _read_prompt(fields)
    document = AgentDocument(
        agent=fields.name("agent", required=True) or "",
        role=fields.name("role", required=True) or "",
        description=fields.text("description") or "",
        prompt=prompt,
        prompt_label=label,
        models=tuple(text for text, _ in models),
        temperature=fields.number("temperature", low=0, high=2),
        max_output_tokens=fields.integer("max_output_tokens", low=1, high=10_000_000),
    )
    lines = tuple(line for _, line in models)
    return AgentFile(document=document, prompt_line=fields.line("prompt"), model_lines=lines)


def read_prompt(root: YamlNode, findings: Findings) -> PromptDocument | None:
    """Read a prompt; every fault of its form goes to ``findings``. None when it is no mapping."""
    if not isinstance(root, YamlMap):
        findings.add(root.line, f"a prompt must be a mapping, is {kind_of(root)}")
        return None
    fields = Fields(root, known=("prompt", "text"), what="the prompt", findings=findings)
    text = fields.text("text", required=True) or ""
    if len(text) > MAX_PROMPT:
        fields.fault("text", f"the prompt has {len(text)} characters, at most {MAX_PROMPT}")
    return PromptDocument(prompt=fields.name("prompt", required=True) or "", text=text)


def _read_prompt(fields: Fields) -> tuple[str, str]:
    """``name`` or ``name@label``."""
    reference = fields.text("prompt", required=True)
    if reference is None:
        return "", ACTIVE
    name, at, label = reference.partition("@")
    for part in (name, label) if at else (name,):
        if not NAME.fullmatch(part):
            fields.fault("prompt", bad_name(part, pattern=NAME))
            return "", ACTIVE
    return name, label or ACTIVE


def _read_models(fields: Fields) -> tuple[tuple[str, int], ...]:
    if not fields.has("models"):
        return ((DEFAULT_MODEL, fields.node.line),)
    models = fields.texts("models", required=True)
    seen: set[str] = set()
    for text, line in models:
        if not _is_model(text):
            message = f"{text!r} is not a model: write default, or provider/name"
            fields.findings.add(line, message)
        elif text in seen:
            fields.findings.add(line, f"the model {text!r} is here twice")
        seen.add(text)
    return tuple((text, line) for text, line in models if _is_model(text))


def _is_model(text: str) -> bool:
    return text == DEFAULT_MODEL or MODEL.fullmatch(text) is not None
