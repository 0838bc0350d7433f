"""Make `.venv` hold what requirements.lock and the members say; instant when it already does.

Standard library only, and it parses on any Python 3: it runs before anything is installed.
One stamp file carries the state: absent, INSTALLING, or the digest of what was installed.
It says INSTALLING before the first change and the digest after the last one,
so an interrupted set-up is started over and never mistaken for a finished one.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PYTHON_VERSION = (3, 11)
INSTALLING = "installing"
STILL_WORKING_S = 5.0
# What pip was told about the network holds for uv too, which does not read pip's files.
PIP_TO_UV = {
    "index-url": "UV_INDEX_URL",
    "extra-index-url": "UV_EXTRA_INDEX_URL",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
}


class InstallError(Exception):
    """The environment could not be made; the message says which step and what to do."""

    def __init__(self, *, step: str, reason: str) -> None:
        super().__init__(f"{step}: {reason}")


def members(root: Path) -> list[Path]:
    """Folders of all workspace members, sorted."""
    return sorted(
        project.parent
        for group in ("libs", "services", "clients")
        for project in root.glob(f"{group}/*/pyproject.toml")
    )


def wanted_digest(root: Path) -> str:
    """Digest of everything the installed environment depends on, the checkout's place included."""
    digest = hashlib.sha256(f"{root}\0{sys.version}".encode())
    sources = [root / "requirements.lock", root / "tools" / "uv.lock.txt"]
    for path in sources + [member / "pyproject.toml" for member in members(root)]:
        content = path.read_bytes()
        digest.update(f"\0{path.relative_to(root)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def plan(
    *, stamp: str | None, digest: str, exists: bool, healthy: bool
) -> Literal["ready", "update", "create"]:
    """What has to be done to the environment, given its stamp and whether its Python starts."""
    if not exists or not healthy or stamp == INSTALLING:
        return "create"
    return "ready" if stamp == digest else "update"


def read_stamp(venv: Path) -> str | None:
    """Content of the stamp, or None where there is none."""
    try:
        return stamp_path(venv).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None


def write_stamp(venv: Path, content: str) -> None:
    """Replace the stamp atomically."""
    partial = venv / f".facilitair-stamp.{os.getpid()}"
    partial.write_text(content + "\n", encoding="utf-8")
    partial.replace(stamp_path(venv))


def stamp_path(venv: Path) -> Path:
    """Where the stamp lies."""
    return venv / "facilitair.stamp"


def is_healthy(venv: Path) -> bool:
    """Whether the environment's Python starts, is the right one and lies where it was made."""
    python = venv / "bin" / "python"
    program = "import sys, pip; print(sys.version_info[:2] == (3, 11), sys.prefix)"
    if not python.exists():
        return False
    answer = subprocess.run(
        [str(python), "-I", "-c", program], capture_output=True, text=True, check=False
    )
    return answer.returncode == 0 and answer.stdout.strip() == f"True {venv}"


def wipe(venv: Path) -> None:
    """Empty the environment, all but its stamp."""
    for child in venv.iterdir():
        if child == stamp_path(venv):
            continue
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child)
        else:
            child.unlink()


def pip_network_settings(pip_config: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Variables that make uv use the index and certificates pip is configured with.

    `pip_config` is the output of `pip config list`; a later line wins, as in pip.
    A variable the caller has set is left alone.
    """
    found: dict[str, str] = {}
    for line in pip_config.splitlines():
        name, _, quoted = line.partition("=")
        variable = PIP_TO_UV.get(name.rpartition(".")[2])
        value = " ".join(quoted.strip().strip("'\"").replace("\\n", " ").split())
        if variable and value and not environ.get(variable):
            found[variable] = value
    return found


def cache_folder(environ: Mapping[str, str]) -> Path:
    """The download cache all checkouts share: $FACILITAIR_CACHE or ~/.cache/facilitair."""
    return Path(environ.get("FACILITAIR_CACHE") or Path.home() / ".cache" / "facilitair").absolute()


def child_environment(root: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Environment of the installers: shared caches, nothing that leaks another Python into it."""
    unwanted = {"PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV"}
    env = {name: value for name, value in environ.items() if name not in unwanted}
    cache = cache_folder(environ)
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = f"cannot make {cache} ({error.strerror}); set FACILITAIR_CACHE to another folder"
        raise InstallError(step="cache", reason=reason) from error
    env |= {"UV_CACHE_DIR": str(cache / "uv"), "PIP_CACHE_DIR": str(cache / "pip")}
    if cache.stat().st_dev != root.stat().st_dev:
        env.setdefault("UV_LINK_MODE", "copy")  # hard links do not cross file systems
    return env


def run_step(title: str, command: Sequence[str | Path], *, cwd: Path, env: dict[str, str]) -> None:
    """Run one installer, with signs of life; raises InstallError with its output if it fails."""
    print(f"  {title} …", flush=True)
    started = time.monotonic()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.Popen(
            [str(part) for part in command], cwd=cwd, env=env, stdout=output, stderr=output
        )
        try:
            while True:
                try:
                    process.wait(timeout=STILL_WORKING_S)
                    break
                except subprocess.TimeoutExpired:
                    print(f"    still at it, {time.monotonic() - started:.0f} s", flush=True)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        output.seek(0)
        said = output.read().strip()
    if process.returncode != 0:
        raise InstallError(step=title, reason=said or f"exit code {process.returncode}")


def install(root: Path, venv: Path, *, env: dict[str, str]) -> None:
    """Install uv, the locked packages and the members, and compile what was installed."""
    python, uv = venv / "bin" / "python", venv / "bin" / "uv"
    pip: list[str | Path] = [python, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    hashed = ["--require-hashes", "-r"]
    run_step(
        "installing uv",
        [*pip, "install", "--only-binary", ":all:", *hashed, root / "tools" / "uv.lock.txt"],
        cwd=root,
        env=env,
    )
    listing = subprocess.run(
        [*pip, "config", "list"], capture_output=True, text=True, check=False, env=env
    )
    env = env | pip_network_settings(listing.stdout, env)
    uv_install: list[str | Path] = [uv, "pip", "install", "--quiet", "--python", python]
    lock = root / "requirements.lock"
    count = sum(1 for line in lock.read_text(encoding="utf-8").splitlines() if "==" in line)
    run_step(
        f"installing {count} locked packages",
        [*uv_install, "--compile-bytecode", *hashed, lock],
        cwd=root,
        env=env,
    )
    folders = members(root)
    editable: list[str | Path] = [part for folder in folders for part in ("-e", folder)]
    run_step(
        f"linking {len(folders)} members", [*uv_install, "--no-deps", *editable], cwd=root, env=env
    )
    sources = [folder / "src" for folder in folders]
    compile_all: list[str | Path] = [python, "-m", "compileall", "-q", *sources]
    run_step("compiling members", compile_all, cwd=root, env=env)


@contextlib.contextmanager
def exclusive(root: Path) -> Iterator[None]:
    """Let one set-up at a time work on this checkout; the lock ends with the process."""
    descriptor = os.open(root, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another set-up of this checkout is running; waiting for it …", flush=True)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def ensure(root: Path, environ: Mapping[str, str]) -> bool:
    """Bring the environment up to date; returns whether anything had to be done."""
    venv = root / ".venv"
    digest = wanted_digest(root)
    if read_stamp(venv) == digest and (venv / "bin" / "python").exists():
        return False
    with exclusive(root):
        action = plan(
            stamp=read_stamp(venv),
            digest=digest,
            exists=venv.is_dir(),
            healthy=is_healthy(venv),
        )
        if action == "ready":
            return False
        started = time.monotonic()
        print(f"Setting up {venv.name} (once, and again when requirements change)", flush=True)
        env = child_environment(root, environ)
        venv.mkdir(exist_ok=True)
        write_stamp(venv, INSTALLING)
        if action == "create":
            wipe(venv)
            run_step(
                f"creating {venv.name}", [sys.executable, "-m", "venv", venv], cwd=root, env=env
            )
        install(root, venv, env=env)
        write_stamp(venv, digest)
        print(f"Set up in {time.monotonic() - started:.1f} s", flush=True)
    return True


def main(argv: Sequence[str]) -> int:
    """Set up the checkout this file lies in; 0 when the environment is ready."""
    parser = argparse.ArgumentParser(description="Set up .venv from requirements.lock.")
    parser.add_argument("--quiet", action="store_true", help="say nothing when all is ready")
    arguments = parser.parse_args(argv)
    if sys.version_info[:2] != PYTHON_VERSION:
        found = ".".join(map(str, sys.version_info[:3]))
        print(
            f"Facilitair needs Python 3.11, this is {found}."
            " Install it and run: make PYTHON=/path/to/python3.11 init",
            file=sys.stderr,
        )
        return 1
    root = Path(__file__).resolve().parent.parent
    try:
        changed = ensure(root, os.environ)
    except InstallError as error:
        print(f"Set-up failed. {error}", file=sys.stderr)
        print("Nothing is lost: fix the cause and run the same command again.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Set-up interrupted; the next one starts over.", file=sys.stderr)
        return 130
    if not changed and not arguments.quiet:
        print("Environment is ready.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
