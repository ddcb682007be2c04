"""Checkpoint folders: what goes in comes out, and whatever is broken is named in one sentence with exit code 3."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers.networks import merits, write_checkpoint

from livemerc.errors import ModelError
from livemerc.model.checkpoint import BUNDLED, MANIFEST, checkpoint_info, load_checkpoint, read_manifest, verify_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "checkpoint")


def test_weights_survive_the_round_trip_to_half_precision(folder: Path) -> None:
    torch.manual_seed(0)
    original, loaded = merits(0).state_dict(), load_checkpoint(folder).state_dict()
    assert original.keys() == loaded.keys()
    for name, tensor in original.items():
        if name.startswith("conversation."):
            torch.testing.assert_close(loaded[name], tensor, atol=2e-3, rtol=2e-3)


def test_reading_the_manifest_loads_no_torch(folder: Path) -> None:
    code = (
        "import sys; from livemerc.model.checkpoint import read_manifest, checkpoint_info;"
        f"print(checkpoint_info({str(folder)!r}).id); assert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "random\n"


@pytest.mark.parametrize("part", ["text.safetensors", "speech.safetensors", "fusion.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("damage", ["truncated", "missing", "changed"])
def test_a_damaged_file_is_named(folder: Path, part: str, damage: str) -> None:
    path = folder / part
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(data[: len(data) // 2] if damage == "truncated" else data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(ModelError, match=part):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    "manifest",
    [b"", b"\x80\x04pickle", b"{}", b'{"format": 1}', b"[1, 2]", b'{"a": ' * 2000, "not json ü".encode()],
)
def test_a_foreign_manifest_is_one_sentence(folder: Path, manifest: bytes) -> None:
    (folder / MANIFEST).write_bytes(manifest)
    with pytest.raises(ModelError, match=MANIFEST):
        read_manifest(folder)


def test_another_format_and_paths_out_of_the_folder_are_refused(folder: Path) -> None:
    tree = json.loads((folder / MANIFEST).read_bytes())
    (folder / MANIFEST).write_text(json.dumps({**tree, "format": 99}))
    with pytest.raises(ModelError, match="format 99"):
        read_manifest(folder)
    tree["text"]["file"] = "../../etc/passwd"
    (folder / MANIFEST).write_text(json.dumps(tree))
    with pytest.raises(ModelError, match="outside"):
        read_manifest(folder)


def test_a_voice_that_the_recogniser_encoded_is_refused_with_the_mend(folder: Path) -> None:
    tree = json.loads((folder / MANIFEST).read_bytes())
    front = {**tree["speech"], "config": {"kind": "whisper", "name": "base", "model_bytes": 1, "dimension": 512}}
    (folder / MANIFEST).write_text(json.dumps({**tree, "speech_front": front}))
    with pytest.raises(ModelError, match=r"train the voice anew and export it again \(docs/training\.md\)") as error:
        read_manifest(folder)
    assert error.value.exit_code == 3


def test_weights_of_another_shape_are_refused(folder: Path) -> None:
    tree = json.loads((folder / MANIFEST).read_bytes())
    tree["fusion"]["config"]["fusion"]["width"] = 24
    (folder / MANIFEST).write_text(json.dumps(tree))
    with pytest.raises(ModelError, match="do not fit"):
        load_checkpoint(folder)


def test_a_missing_folder_and_a_file_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        read_manifest(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ModelError, match="not a folder"):
        read_manifest(tmp_path / "file")


def test_the_bundled_checkpoint_is_whole_small_and_licensed() -> None:
    manifest = verify_files()
    assert sum(f.stat().st_size for f in BUNDLED.iterdir()) <= 40e6
    assert not [f for f in BUNDLED.iterdir() if f.suffix in (".pt", ".pth", ".bin", ".pkl", ".ckpt")]
    assert (BUNDLED / "MODEL_CARD.md").is_file()
    assert "NC" in manifest.speech.licence
    assert "GPL" in manifest.text.licence
    assert checkpoint_info().id == manifest.id
    assert abs(sum(manifest.prior) - 1) < 1e-6
