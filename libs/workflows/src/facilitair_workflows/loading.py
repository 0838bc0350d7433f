"""A directory of definitions: read, checked as a whole, refused with all its faults together."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final, TypeVar

from facilitair_workflows.agent_files import AgentFile, read_agent, read_prompt
from facilitair_workflows.documents import DEFAULT_MODEL, Documents, PromptDocument
from facilitair_workflows.findings import DefinitionsError, FileFault, Findings
from facilitair_workflows.suggestions import known_names, model_advice, near_miss
from facilitair_workflows.validation import check_workflow
from facilitair_workflows.workflow_files import WorkflowFile, read_workflow
from facilitair_workflows.yaml_positions import MAX_FILE_BYTES, YamlNode, locate, read

FOLDERS: Final = ("workflows", "agents", "prompts")

Parsed = TypeVar("Parsed")


class _Source:
    """A file that was read: its tree, where there is one, and its faults so far."""

    def __init__(self, *, file: str, data: bytes) -> None:
        self.findings = Findings(file=file)
        self.root, faults = read(data)
        for fault in faults:
            self.findings.add(fault.line, fault.message)


def load_directory(root: Path, *, models: Collection[str] | None = None) -> Documents:
    """Read ``workflows/``, ``agents/`` and ``prompts/`` (``*.yaml``) of a directory.

    ``models`` are the names ``provider/name`` that agents may list; None looks none of them up.
    A folder that is not there holds nothing, a directory without any definition is a fault.
    Raises DefinitionsError with the faults of all files together.
    """
    faults: list[FileFault] = []
    files = {folder: _read_folder(root, folder, faults=faults) for folder in FOLDERS}
    if not any(files.values()) and not faults:
        message = f"no definitions here; expected {', '.join(f'{name}/*.yaml' for name in FOLDERS)}"
        faults.append(FileFault(str(root), 1, message))
    sources = {
        folder: [_Source(file=name, data=data) for name, data in content.items()]
        for folder, content in files.items()
    }
    documents = _check(sources, models=models)
    for group in sources.values():
        for source in group:
            faults += source.findings.faults
    if faults:
        raise DefinitionsError(faults=faults)
    return documents


def _read_folder(root: Path, folder: str, *, faults: list[FileFault]) -> dict[str, bytes]:
    """The bytes of the folder's files by name, in order; at most one more than is allowed."""
    content: dict[str, bytes] = {}
    directory = root / folder
    if not directory.is_dir():
        return content
    for path in sorted(directory.iterdir()):
        name = f"{folder}/{path.name}"
        if path.suffix == ".yml":
            faults.append(FileFault(name, 1, "is not read; rename it to end in .yaml"))
        if path.suffix != ".yaml":
            continue
        try:
            with path.open("rb") as file:
                content[name] = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            faults.append(FileFault(name, 1, f"cannot be read: {error.strerror}"))
    return content


def _check(sources: dict[str, list[_Source]], *, models: Collection[str] | None) -> Documents:
    prompts = _parse(sources["prompts"], read_prompt, key="prompt", name_of=_prompt_name)
    agents = _parse(sources["agents"], read_agent, key="agent", name_of=_agent_name)
    workflows = _parse(sources["workflows"], read_workflow, key="workflow", name_of=_workflow_name)
    prompt_names = {*prompts, *_names_of_faulty(sources["prompts"])}
    agent_names = {*agents, *_names_of_faulty(sources["agents"])}
    for agent, findings in agents.values():
        _check_agent(agent, prompts=prompt_names, models=models, findings=findings)
    for workflow, findings in workflows.values():
        check_workflow(workflow, agents=agent_names, findings=findings)
    return Documents(
        workflows={name: file.document for name, (file, _) in workflows.items()},
        agents={name: file.document for name, (file, _) in agents.items()},
        prompts={name: document for name, (document, _) in prompts.items()},
    )


def _parse(
    sources: list[_Source],
    read_one: Callable[[YamlNode, Findings], Parsed | None],
    *,
    key: str,
    name_of: Callable[[Parsed], str],
) -> dict[str, tuple[Parsed, Findings]]:
    """What the files define, by name; of two with one name the second is a fault.

    One without a usable name is kept under its file's name, so that the rest of it is checked.
    """
    found: dict[str, tuple[Parsed, Findings]] = {}
    for source in sources:
        parsed = read_one(source.root, source.findings) if source.root else None
        if source.root is None or parsed is None:
            continue
        name = name_of(parsed) or source.findings.file
        if name in found:
            first = found[name][1].file
            message = f"{key} {name!r} is defined in {first} already"
            source.findings.add(locate(source.root, (key,)), message)
            name = source.findings.file
        found[name] = (parsed, source.findings)
    return found


def _names_of_faulty(sources: list[_Source]) -> set[str]:
    """What faulty files probably define, so that one fault is not reported again by every user."""
    return {Path(source.findings.file).stem for source in sources if source.findings.faults}


def _workflow_name(file: WorkflowFile) -> str:
    return file.document.workflow


def _agent_name(file: AgentFile) -> str:
    return file.document.agent


def _prompt_name(document: PromptDocument) -> str:
    return document.prompt


def _check_agent(
    file: AgentFile,
    *,
    prompts: Collection[str],
    models: Collection[str] | None,
    findings: Findings,
) -> None:
    prompt = file.document.prompt
    if prompt and prompt not in prompts:
        advice = near_miss(prompt, prompts) or f"; {known_names(prompts)}"
        findings.add(file.prompt_line, f"unknown prompt {prompt!r}{advice}")
    if models is None:
        return
    for model, line in zip(file.document.models, file.model_lines, strict=True):
        if model != DEFAULT_MODEL and model not in models:
            findings.add(line, f"unknown model {model!r}{model_advice(model, models)}")
