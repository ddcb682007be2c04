"""`livemerc models pull speaker`, from a hub on this machine: an embedder that is found again, and its licence told."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.hub import hub, python_with_hub
from helpers.onnx_file import speaker_network

from livemerc.errors import EXIT_MODEL, EXIT_OK
from livemerc.speakers.models import PUBLISHED, cached_file

WIDTHS = {"speaker": 256, "speaker-campplus": 512}


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("networks")
    return {name: speaker_network(folder / f"{name}.onnx", width).read_bytes() for name, width in WIDTHS.items()}


@pytest.fixture
def endpoint(contents: dict[str, bytes]) -> Iterator[str]:
    held = {
        PUBLISHED[name].repository: {PUBLISHED[name].file: content, "README.md": b"", "avg_model.pt": b"not asked for"}
        for name, content in contents.items()
    }
    with hub(held) as address:
        yield address


def livemerc(endpoint: str, home: Path, *words: str, **extra: str) -> subprocess.CompletedProcess[str]:
    return python_with_hub(f"from livemerc.cli import main\nmain({list(words)!r})", endpoint, home, **extra)


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_was_pulled_is_there_whole_found_again_and_only_that(
    name: str, endpoint: str, contents: dict[str, bytes], tmp_path: Path
) -> None:
    done = livemerc(endpoint, tmp_path, "models", "pull", name)
    assert done.returncode == EXIT_OK, done.stderr
    file = cached_file(name, {"HF_HOME": str(tmp_path)})
    assert file is not None
    assert file.read_bytes() == contents[name]
    assert [path.name for path in file.parent.iterdir()] == [PUBLISHED[name].file]
    assert done.stdout.startswith(f"{name}: {file} (")
    assert "Apache-2.0" in done.stdout
    assert "CC BY 4.0" in done.stdout
    assert done.stdout.count("\n") == 1
    assert f"livemerc-train measure-embedder {name}" in done.stderr
    # Again, without any hub: nothing is fetched twice
    again = livemerc("http://127.0.0.1:9", tmp_path, "models", "pull", name, HF_HUB_OFFLINE="1")
    assert (again.returncode, again.stdout) == (EXIT_OK, done.stdout)
    listed = livemerc("http://127.0.0.1:9", tmp_path, "models")
    line = next(line for line in listed.stdout.splitlines() if line.split()[:1] == [name])
    assert "MB" in line
    assert "have not been measured" in line


@pytest.mark.parametrize(
    ("offline", "said"),
    [({}, "the hub is not reachable; check the network."), ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE forbids")],
)
def test_without_a_hub_it_is_one_sentence_and_exit_code_3(offline: dict[str, str], said: str, tmp_path: Path) -> None:
    done = livemerc("http://127.0.0.1:9", tmp_path, "models", "pull", "speaker", **offline)
    assert (done.returncode, done.stdout) == (EXIT_MODEL, "")
    assert "WeSpeaker ResNet34-LM" in done.stderr
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    listed = livemerc("http://127.0.0.1:9", tmp_path, "models")
    assert any(line.split()[:3] == ["speaker", "not", "here"] for line in listed.stdout.splitlines())


def test_a_repository_without_the_file_is_told(tmp_path: Path) -> None:
    with hub({PUBLISHED["speaker"].repository: {"README.md": b"moved"}}) as endpoint:
        done = livemerc(endpoint, tmp_path, "models", "pull", "speaker")
    assert (done.returncode, done.stdout) == (EXIT_MODEL, "")
    assert "holds no voxceleb_resnet34_LM.onnx" in done.stderr
    assert done.stderr.count("\n") == 1
