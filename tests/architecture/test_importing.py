"""Importing a package needs no environment and no network and leaves nothing running."""

import subprocess
import sys
from pathlib import Path

import pytest

from tools.members import member_folders, package_name

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = [package_name(folder) for folder in member_folders(ROOT)]

PROGRAM = """
import importlib, pkgutil, sys, threading

def refuse(event, arguments):
    if event in {"socket.connect", "socket.bind", "socket.getaddrinfo", "sqlite3.connect",
                 "subprocess.Popen", "os.posix_spawn", "os.fork"}:
        raise RuntimeError(f"{event} while importing")

name = sys.argv[1]
sys.addaudithook(refuse)
package = importlib.import_module(name)
for module in pkgutil.walk_packages(package.__path__, name + "."):
    importlib.import_module(module.name)
if threading.active_count() > 1:
    raise RuntimeError("a thread was started while importing")
"""

pytestmark = pytest.mark.integration


def import_all_of(package, **variables):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, package],
        cwd="/",
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_needs_nothing_and_starts_nothing(package):
    imported = import_all_of(package)
    assert imported.returncode == 0, imported.stderr


@pytest.mark.parametrize(
    "line",
    [
        "import os; os.environ['FACILITAIR_HOME']",
        "import socket; socket.create_connection(('127.0.0.1', 1))",
        "import sqlite3; sqlite3.connect(':memory:')",
        "import subprocess; subprocess.run(['true'])",
        "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()",
    ],
)
def test_work_at_import_is_rejected(tmp_path, line):
    package = tmp_path / "eager"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "inner.py").write_text(line + "\n")
    assert import_all_of("eager", PYTHONPATH=str(tmp_path)).returncode != 0
    (package / "inner.py").write_text("def later():\n    " + line + "\n")
    assert import_all_of("eager", PYTHONPATH=str(tmp_path)).returncode == 0
