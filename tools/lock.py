"""Resolve all members together into requirements.lock (`make lock`).

The file holds names, versions and hashes and no address, so it works with any package index.
Versions already in it are kept unless a member's requirement forces a change.
"""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

from tools.install import InstallError, child_environment, members, run_step


def member_name(member: Path) -> str:
    """Distribution name of a member."""
    project = tomllib.loads((member / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["name"])


def compile_command(root: Path, output: Path) -> list[str | Path]:
    """Command that resolves the members and the dev group for Python 3.11 on every platform."""
    folders = members(root)
    left_out = [part for folder in folders for part in ("--no-emit-package", member_name(folder))]
    return [
        root / ".venv" / "bin" / "uv",
        *("pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-header"),
        *("--python-version", "3.11", "--group", "dev"),
        *left_out,
        *((folder / "pyproject.toml").relative_to(root) for folder in folders),
        *("-o", output.relative_to(root)),
    ]


def main() -> int:
    """Rewrite requirements.lock of the checkout this file lies in."""
    root = Path(__file__).resolve().parent.parent
    lock = root / "requirements.lock"
    before = lock.read_bytes()
    try:
        env = child_environment(root, os.environ)
        run_step("resolving", compile_command(root, lock), cwd=root, env=env)
    except (InstallError, subprocess.SubprocessError) as error:
        print(f"requirements.lock is unchanged. {error}", file=sys.stderr)
        return 1
    print("requirements.lock " + ("is unchanged" if lock.read_bytes() == before else "rewritten"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
