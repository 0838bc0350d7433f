"""Whether every member of the workspace is listed wherever a member has to be listed."""

import configparser
import tomllib
from pathlib import Path
from typing import Any

import yaml

GROUPS = ("libs", "services", "clients")
NO_PACKAGE = {"clients/web"}  # a browser client: no Python in it


def member_folders(root: Path) -> list[Path]:
    """Every folder under libs/, services/ and clients/ that should be a Python member."""
    return sorted(
        folder
        for group in GROUPS
        for folder in (root / group).glob("*/")
        if any(folder.rglob("*.py")) or (folder / "pyproject.toml").exists()
        if folder.relative_to(root).as_posix() not in NO_PACKAGE
    )


def package_name(folder: Path) -> str:
    """Import name of a member; the client's folder is named after its language."""
    name = "client" if folder.as_posix().endswith("clients/python") else folder.name
    return "facilitair_" + name.replace("-", "_")


def read_toml(path: Path) -> dict[str, Any]:
    """Content of a TOML file."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def membership_faults(root: Path) -> list[str]:
    """What is wrong with how members are laid out and listed, one sentence each."""
    project = read_toml(root / "pyproject.toml")
    contracts = configparser.ConfigParser()
    contracts.read(root / ".importlinter", encoding="utf-8")
    faults: list[str] = []
    for folder in member_folders(root):
        name = folder.relative_to(root).as_posix()
        package = package_name(folder)
        faults += layout_faults(folder, name=name, package=package)
        faults += [f"{name}: {fault}" for fault in workspace_faults(project, package)]
        faults += [
            f"{name}: {fault}" for fault in contract_faults(contracts, name=name, package=package)
        ]
    return faults


def layout_faults(folder: Path, *, name: str, package: str) -> list[str]:
    """Faults of a member's own files."""
    if not (folder / "pyproject.toml").exists():
        return [f"{name}: has Python files and no pyproject.toml"]
    faults = []
    declared = read_toml(folder / "pyproject.toml")["project"]["name"]
    if declared != package.replace("_", "-"):
        faults.append(f"{name}: is named {declared}, expected {package.replace('_', '-')}")
    source = folder / "src" / package
    faults += [
        f"{name}: src/{package}/{required} is missing"
        for required in ("__init__.py", "py.typed")
        if not (source / required).exists()
    ]
    strangers = {path.name for path in (folder / "src").glob("*/")} - {package, "__pycache__"}
    faults += [f"{name}: src/ also holds {stranger}" for stranger in sorted(strangers)]
    return faults


def workspace_faults(project: dict[str, Any], package: str) -> list[str]:
    """Faults of the root pyproject.toml about one member."""
    faults = []
    if package.replace("_", "-") not in project["tool"]["uv"]["sources"]:
        faults.append("is not in [tool.uv.sources] of the root pyproject.toml")
    if package not in project["tool"]["coverage"]["run"]["source_pkgs"]:
        faults.append("is not in [tool.coverage.run] of the root pyproject.toml")
    return faults


def contract_faults(contracts: configparser.ConfigParser, *, name: str, package: str) -> list[str]:
    """Faults of .importlinter about one member."""
    layers = contracts["importlinter:contract:workspace"]["layers"]
    layered = layers.replace("|", " ").replace(":", " ").split()
    faults = []
    if package not in contracts["importlinter"]["root_packages"].split():
        faults.append("is not in root_packages of .importlinter")
    if package not in layered:
        faults.append("is in no layer of the workspace contract of .importlinter")
    containers = contracts["importlinter:contract:inside-a-service"]["containers"].split()
    if name.startswith("services/") and package not in containers:
        faults.append("is not a container of the inside-a-service contract of .importlinter")
    return faults


def topic_faults(root: Path) -> list[str]:
    """Services that no topic file names as a producer or a consumer."""
    named: set[str] = set()
    for path in sorted((root / "schemas" / "topics").glob("*.yaml")):
        topic = yaml.safe_load(path.read_text(encoding="utf-8"))
        named |= set(topic["producers"]) | set(topic["consumers"])
    return [
        f"services/{folder.name}: no file in schemas/topics names it as producer or consumer"
        for folder in member_folders(root)
        if folder.parent.name == "services" and folder.name not in named
    ]
