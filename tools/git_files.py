"""Files as a commit holds them."""

import subprocess
from pathlib import Path


class GitError(Exception):
    """Git could not answer."""

    def __init__(self, *, command: str, reason: str) -> None:
        super().__init__(f"git {command}: {reason}")


def at_ref(root: Path, ref: str, folder: str) -> dict[str, bytes]:  # noqa: PLR0917 - outer to inner
    """The files under ``folder`` of a commit by their path. Raises GitError for an unknown ref."""
    listed = _git(root, "ls-tree", "-r", "-z", "--name-only", ref, "--", folder)
    names = [name for name in listed.decode().split("\0") if name]
    wanted = "".join(f"{ref}:{name}\n" for name in names).encode()
    return dict(zip(names, _blobs(_git(root, "cat-file", "--batch", stdin=wanted)), strict=True))


def has_ref(root: Path, ref: str) -> bool:
    """Whether ``root`` is a checkout of its own that knows a commit by this name."""
    try:
        top = _git(root, "rev-parse", "--show-toplevel").decode().strip()
        _git(root, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
    except GitError:
        return False
    return Path(top).resolve() == root.resolve()


def _blobs(output: bytes) -> list[bytes]:
    """The contents in the output of ``git cat-file --batch``."""
    found = []
    while output:
        head, _, rest = output.partition(b"\n")
        size = int(head.rsplit(b" ", 1)[1])
        found.append(rest[:size])
        output = rest[size + 1 :]
    return found


def _git(root: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            input=stdin,
            capture_output=True,
            check=True,
            timeout=60,
        )
    except FileNotFoundError as error:
        raise GitError(command=arguments[0], reason="git is not installed") from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip() or f"exit code {error.returncode}"
        raise GitError(command=arguments[0], reason=said) from error
    except subprocess.TimeoutExpired as error:
        raise GitError(command=arguments[0], reason="took over a minute") from error
    return done.stdout
