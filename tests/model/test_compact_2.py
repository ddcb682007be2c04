"""The voice of the first checkpoint that shipped, of format 1 with a log-mel encoder: it loads, and judges as it did.

Its words are not kept: those that ship now stand in for them.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest
from helpers.paths import PROJECT

import livemerc
from livemerc.model.checkpoint import BUNDLED, MANIFEST, load_checkpoint, read_manifest, verify_files
from livemerc.model.speech import SpeechEncoder

KEPT = PROJECT / "tests/checkpoints/compact-2"
"""All of it but text.safetensors and tokenizer.json."""
LABELS = {
    "03-01-02-02-01-01-21": "neutral", "03-01-05-02-01-01-21": "anger", "03-01-07-02-01-01-21": "disgust",
    "03-01-08-02-01-01-21": "surprise", "03-01-02-02-02-01-22": "neutral", "03-01-04-02-02-01-22": "sadness",
    "03-01-05-02-02-01-22": "anger", "03-01-06-02-02-01-22": "fear", "03-01-07-02-02-01-22": "disgust",
}  # fmt: skip
"""Its labels of clips of RAVDESS by the voice alone, as they were when it shipped; ahead of the next by .47 or more."""


@pytest.fixture(scope="module")
def compact_2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = shutil.copytree(KEPT, tmp_path_factory.mktemp("checkpoint") / "compact-2")
    for name in ("text.safetensors", "tokenizer.json"):
        (folder / name).symlink_to(BUNDLED / name)
    own, shipped = read_manifest(folder), read_manifest(BUNDLED)
    manifest = msgspec.structs.replace(own, text=shipped.text, tokenizer_sha256=shipped.tokenizer_sha256)
    (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    return folder


def test_it_loads_and_has_no_baseline(compact_2: Path) -> None:
    manifest = verify_files(compact_2)
    assert (manifest.id, manifest.format, manifest.voice_encoder) == ("compact-2", 1, None)
    model = load_checkpoint(compact_2, "cpu")
    assert isinstance(model.speech, SpeechEncoder)
    assert not model.has_baseline


def test_it_judges_voices_as_it_did(compact_2: Path, shared_data: Path) -> None:
    predictor = livemerc.load(compact_2)
    assert {name: predictor.predict(shared_data / f"ravdess/{name}.flac").label for name in LABELS} == LABELS
