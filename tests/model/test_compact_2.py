"""The first checkpoint that shipped, of format 1 with a log-mel voice of its own: it loads, and judges as it did."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.paths import DEMO, DEMO_WORDS, PROJECT

from livemerc.audio.file_source import FileSource
from livemerc.config import Config
from livemerc.events import EmotionEvent
from livemerc.model.checkpoint import BUNDLED, load_checkpoint, verify_files
from livemerc.model.speech import SpeechEncoder
from livemerc.pipeline.monitor import Monitor

KEPT = PROJECT / "tests/checkpoints/compact-2"
"""All of it but text.safetensors and tokenizer.json, which still ship."""
LABELS = [
    "neutral", "neutral", "joy", "surprise", "joy", "joy", "neutral", "neutral", "fear", "surprise",
    "disgust", "disgust", "disgust", "disgust", "sadness", "sadness", "neutral", "surprise", "joy", "joy",
]  # fmt: skip
"""Its last labels of the demo's utterances with the demo's words, as they were when it shipped."""


@pytest.fixture(scope="module")
def compact_2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = shutil.copytree(KEPT, tmp_path_factory.mktemp("checkpoint") / "compact-2")
    for name in ("text.safetensors", "tokenizer.json"):
        (folder / name).symlink_to(BUNDLED / name)
    return folder


def test_it_loads_and_has_no_baseline(compact_2: Path) -> None:
    manifest = verify_files(compact_2)
    assert (manifest.id, manifest.format, manifest.voice_encoder) == ("compact-2", 1, None)
    model = load_checkpoint(compact_2, "cpu")
    assert isinstance(model.speech, SpeechEncoder)
    assert not model.has_baseline


def test_it_judges_the_demo_as_it_did(compact_2: Path, configured: Callable[..., Config]) -> None:
    words = {"asr.engine": "transcript", "asr.transcript": str(DEMO_WORDS)}
    config = configured(**{"model.checkpoint": str(compact_2), **words})
    events = Monitor(FileSource(DEMO, 0), config).events()
    labels = [e.label for e in events if isinstance(e, EmotionEvent) and e.status == "frozen"]
    assert len(labels) == len(LABELS)
    # Rounding differs by processor, so a label that hangs in the balance may tip.
    assert sum(now == then for now, then in zip(labels, LABELS, strict=True)) >= len(LABELS) - 2
