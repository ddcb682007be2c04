"""Where a run comes from: command line, revision of the source, versions, digests of the data."""

from __future__ import annotations

import hashlib
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from livemerc import __version__
from livemerc.model.checkpoint import file_sha256

ROOT = Path(__file__).resolve().parents[2]
"""Where the packages lie: a checkout, or an installation."""


def revision(root: Path = ROOT) -> dict[str, Any]:
    """{"revision": hex or None, "uncommitted_changes": bool or None}, with a "note" that says why there is none."""
    unknown: dict[str, Any] = {"revision": None, "uncommitted_changes": None}

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        # an installation inside somebody's own checkout is not of that checkout
        if Path(git("rev-parse", "--show-toplevel")) != root:
            return {**unknown, "note": "not run from a git checkout of livemerc"}
        changed = bool(git("status", "--porcelain", "--untracked-files=no"))
        return {"revision": git("rev-parse", "HEAD"), "uncommitted_changes": changed}
    except FileNotFoundError:
        return {**unknown, "note": "git is not installed"}
    except subprocess.CalledProcessError:
        return {**unknown, "note": "not run from a git checkout of livemerc"}


def command_line() -> str:
    """What was typed, without the folder that the command lies in."""
    name = Path(sys.argv[0]).name
    return shlex.join([*(["python", "-m", "trainer"] if name == "__main__.py" else [name]), *sys.argv[1:]])


def surroundings() -> dict[str, Any]:
    """All of the above, versions and threads."""
    versions = {"livemerc": __version__, "python": platform.python_version(), "torch": str(torch.__version__)}
    return {"command": command_line(), **revision(), **versions, "threads": torch.get_num_threads()}


def digest(folder: Path) -> str:
    """SHA-256 in hex over names and contents of all files below `folder`, in the order of their names; of a file's
    content, where it is one."""
    if folder.is_file():
        return file_sha256(folder)
    found = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        found.update(f"{path.relative_to(folder).as_posix()}\n{path.stat().st_size}\n".encode())
        found.update(bytes.fromhex(file_sha256(path)))
    return found.hexdigest()


def digests(data: Path, folders: Iterable[str]) -> dict[str, str]:
    """{folder: digest} of those of `folders` that `data` has."""
    return {name: digest(data / name) for name in folders if (data / name).is_dir()}
