"""The container's steps, as a script: what it copies, what it installs, what it runs, and whether it is well.

No Docker is needed. Dependencies are those of this environment, so what is tried is that the files which are copied
are enough, not that the image's own downloads succeed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from helpers.command_line import environment, running
from helpers.paths import PROJECT

TOKEN = "a-token-for-the-container"


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n", " ", (PROJECT / "Dockerfile").read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1].strip()) for line in lines]


def test_it_is_no_root_and_says_whether_it_is_well() -> None:
    found = instructions()
    users = [value for name, value in found if name == "USER"]
    assert users[-1:] == ["listener"]
    assert [name for name, _ in found].index("USER") < [name for name, _ in found].index("ENTRYPOINT")
    assert any(name == "HEALTHCHECK" and "/health" in value for name, value in found)
    assert ("ARG", 'EXTRAS=""') in found


def test_what_is_copied_is_not_ignored() -> None:
    kept = {line[1:] for line in (PROJECT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {source for name, value in instructions() if name == "COPY" for source in value.split()[:-1]}
    assert copied == kept
    assert all((PROJECT / source).exists() for source in copied)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_steps_make_a_server_that_is_well(tmp_path: Path) -> None:
    there, installed = tmp_path / "opt", tmp_path / "installed"
    there.mkdir()
    for name, value in instructions():
        if name == "COPY":
            *sources, target = value.split()
            for source in sources:
                if (PROJECT / source).is_dir():
                    skipped = shutil.ignore_patterns("__pycache__")
                    shutil.copytree(PROJECT / source, there / target, ignore=skipped)
                else:
                    shutil.copy(PROJECT / source, there / target)
    (install,) = [value for name, value in instructions() if name == "RUN" and "pip install" in value]
    script = install.replace(
        "python -m pip install", f"{sys.executable} -m pip install -q --no-deps --target {installed}"
    )
    subprocess.run(["bash", "-euc", script], cwd=there, env={**os.environ, "EXTRAS": ""}, check=True, timeout=300)
    shutil.rmtree(there)
    (tmp_path / "token").write_text(TOKEN + "\n", encoding="utf-8")
    (entry,) = [json.loads(value) for name, value in instructions() if name == "ENTRYPOINT"]
    (rest,) = [json.loads(value) for name, value in instructions() if name == "CMD"]
    arguments = [*entry[1:], *rest]
    arguments[arguments.index("8765")] = "0"
    arguments[arguments.index("@/run/token")] = f"@{tmp_path / 'token'}"
    env = environment() | {"PYTHONPATH": os.pathsep.join([str(installed), sysconfig.get_paths()["purelib"]])}
    command = [sys.executable, "-P", "-m", "livemerc", *arguments]
    with running(command, text=True, cwd=tmp_path, env=env) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        port = re.fullmatch(rf"http://[^/]+:(\d+)/#{TOKEN}", address)
        assert port is not None, process.stderr.read() if process.stderr else address
        (check,) = [value for name, value in instructions() if name == "HEALTHCHECK"]
        words = json.loads(check[check.index("[") :])
        words = [sys.executable, *(word.replace("8765", port[1]) for word in words[1:])]
        assert subprocess.run(words, check=False, timeout=60).returncode == 0
        process.send_signal(15)
        assert process.wait(60) == 0
