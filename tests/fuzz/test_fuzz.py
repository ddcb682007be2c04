"""Fuzzing: whatever bytes come, a reader gives a result or one plain sentence; never a traceback, a hang or a flood.

The same mutated inputs in every run; those that once broke a reader lie in `found/`, and are read first.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fuzz.targets import SHARES, TARGETS, make
from helpers.command_line import environment
from helpers.paths import PROJECT

from livemerc.errors import LivemercError

FOUND = Path(__file__).parent / "found"
IN_ALL = 11_000


def fuzz(name: str, examples: int, folder: Path) -> dict[str, Any]:
    path = os.pathsep.join((str(PROJECT), str(PROJECT / "tests")))
    done = subprocess.run(
        [sys.executable, "-m", "fuzz.child", name, str(examples), str(folder)],
        env=environment(folder, PYTHONPATH=path), cwd=PROJECT, capture_output=True, text=True, timeout=1500,
        check=False,
    )  # fmt: skip
    current = folder / "current"
    last = current.read_bytes()[:300] if current.is_file() else b""
    assert done.returncode == 0, f"{name}: exit {done.returncode}; last input {last!r}\n{done.stderr[-6000:]}"
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", sorted(set(TARGETS) - {"checkpoint", "safetensors"}))
def test_a_few_mutated_inputs(tmp_path: Path, name: str) -> None:
    assert fuzz(name, 40, tmp_path)["examples"] >= 20


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_ten_thousand_mutated_inputs(tmp_path: Path) -> None:
    total = 0
    for name in TARGETS:
        folder = tmp_path / name
        folder.mkdir()
        figures = fuzz(name, round(IN_ALL * SHARES[name]), folder)
        print(name, figures)
        total += figures["examples"]
    assert total >= 10_000


@pytest.mark.parametrize("path", sorted(FOUND.glob("*.bin")), ids=lambda path: path.stem)
def test_inputs_that_once_broke_a_reader(tmp_path: Path, path: Path) -> None:
    target = make(path.name.partition("-")[0], tmp_path)
    sentence = "read"
    try:
        target.read(path.read_bytes())
    except LivemercError as error:
        sentence = str(error)
    assert len(sentence.splitlines()) == 1
