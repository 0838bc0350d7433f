"""Whether the lock and each member's declared dependencies agree with what the code imports."""

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tools.members import member_folders, package_name, read_toml

PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)")


def lock_faults(root: Path) -> list[str]:
    """What is wrong with requirements.lock: addresses, paths, litellm, hashes, missing pins."""
    lock = (root / "requirements.lock").read_text(encoding="utf-8")
    forbidden = {"://": "an address", "-e ": "an editable", "file:": "a path"}
    faults = []
    pins: dict[str, list[Version]] = {}
    for entry in re.split(r"\n(?=\S)", lock.strip()):
        if entry.startswith("#"):
            continue
        requirement = entry.partition(" \\")[0]
        faults += [
            f"requirements.lock holds {forbidden[text]}: {requirement}"
            for text in forbidden
            if text in entry
        ]
        if "--hash=sha256:" not in entry:
            faults.append(f"requirements.lock has no hash for {requirement}")
        pin = PIN.match(entry)
        if pin:
            pins.setdefault(canonicalize_name(pin[1]), []).append(Version(pin[2]))
    if "litellm" in pins:
        faults.append("requirements.lock holds litellm")
    return faults + list(unpinned(root, pins))


def unpinned(root: Path, pins: Mapping[str, list[Version]]) -> Iterator[str]:
    """Declared requirements that no pin of the lock satisfies."""
    own = set(own_packages(root).values())
    for origin, requirement in declared_requirements(root):
        name = canonicalize_name(requirement.name)
        if name in own:
            continue
        if not any(requirement.specifier.contains(pin) for pin in pins.get(name, [])):
            yield f"{origin} needs {requirement}, requirements.lock has no such pin: make lock"


def own_packages(root: Path) -> dict[str, str]:
    """Import name → distribution name of every member."""
    packages = [package_name(folder) for folder in member_folders(root)]
    return {package: package.replace("_", "-") for package in packages}


def declared_requirements(root: Path) -> Iterator[tuple[str, Requirement]]:
    """Every requirement of the dev group and of each member, with who declares it."""
    for text in read_toml(root / "pyproject.toml")["dependency-groups"]["dev"]:
        yield "the dev group", Requirement(text)
    for folder in member_folders(root):
        for text in read_toml(folder / "pyproject.toml")["project"].get("dependencies", []):
            yield folder.relative_to(root).as_posix(), Requirement(text)


def undeclared_imports(root: Path, providers: Mapping[str, list[str]]) -> list[str]:
    """Imports of a member's sources that its pyproject.toml does not declare.

    `providers` maps an import name to the distributions that bring it,
    as `importlib.metadata.packages_distributions` does.
    """
    faults = []
    providers = {**providers, **{name: [own] for name, own in own_packages(root).items()}}
    for folder in member_folders(root):
        project = read_toml(folder / "pyproject.toml")["project"]
        declared = {canonicalize_name(Requirement(text).name) for text in project["dependencies"]}
        declared.add(canonicalize_name(project["name"]))
        for path in sorted((folder / "src").rglob("*.py")):
            for imported in sorted(top_level_imports(path.read_bytes())):
                brought_by = {canonicalize_name(name) for name in providers.get(imported, [])}
                if not brought_by & declared:
                    where = path.relative_to(root).as_posix()
                    faults.append(f"{where} imports {imported}, which its member does not declare")
    return faults


@cache
def top_level_imports(source: bytes) -> frozenset[str]:
    """First parts of what a module imports, the standard library left out.

    Remembered, because those who ask have the same sources before them again and again.
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return frozenset(found - set(sys.stdlib_module_names))
