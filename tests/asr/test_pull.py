"""Fetching a model, from a hub on this machine: what is stored is found again, and progress counts bytes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.hub import hub, python_with_hub

FILES = {"config.json": b"{}", "model.bin": b"w" * 300_000, "tokenizer.json": b"{ }", "vocabulary.txt": b"a\n"}
OTHER = {"README.md": b"not asked for"}


@pytest.fixture
def endpoint() -> Iterator[str]:
    with hub({"Systran/faster-whisper-tiny": FILES | OTHER}) as address:
        yield address


def pull(name: str, endpoint: str, home: Path) -> subprocess.CompletedProcess[str]:
    code = (
        "import sys, json\n"
        "from livemerc.asr.models import pull, cached_path\n"
        "from livemerc.errors import ModelError\n"
        "seen = []\n"
        "try:\n"
        f"    path = pull({name!r}, lambda done, total: seen.append((done, total)))\n"
        f"    print(json.dumps([str(path), str(cached_path({name!r})), seen[-1]]))\n"
        "except ModelError as error:\n"
        "    print(error)\n"
    )
    return python_with_hub(code, endpoint, home)


def test_a_pulled_model_is_complete_found_again_and_counted(endpoint, tmp_path):
    result = pull("tiny", endpoint, tmp_path)
    assert result.returncode == 0, result.stderr
    path, found, (done, total) = json.loads(result.stdout)
    assert path == found
    assert {file.name for file in Path(path).iterdir()} == set(FILES)
    assert Path(path, "model.bin").read_bytes() == FILES["model.bin"]
    assert done == total == sum(map(len, FILES.values()))
    assert result.stderr == ""


def test_a_model_that_the_hub_does_not_have_is_one_sentence(endpoint, tmp_path):
    result = pull("base", endpoint, tmp_path)
    assert result.stdout.startswith("Whisper base cannot be fetched")
    assert result.stdout.count("\n") == 1


def test_an_unreachable_hub_is_one_sentence(tmp_path):
    result = pull("base", "http://127.0.0.1:9", tmp_path)
    assert result.stdout == "Whisper base cannot be fetched: the hub is not reachable; check the network.\n"
