"""A checkpoint whose voice is a Whisper's encoder, and what is said to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.trainer.tiny_merits_l import export_tiny, whisper_parts
from helpers.trainer.whisper_sessions import settings_for, utterances

from livemerc.audio.items import Utterance
from livemerc.config import Config


@pytest.fixture(scope="module")
def parts(random_whisper: Path) -> dict[str, Any]:
    return whisper_parts(random_whisper)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, parts: dict[str, Any]) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "checkpoint"
    export_tiny(folder, parts, half=False)
    return folder


@pytest.fixture(scope="module")
def spoken() -> list[Utterance]:
    return utterances()


@pytest.fixture
def configured(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Config]:
    """Settings, with an empty cache of Whispers."""
    return settings_for(checkpoint, tmp_path, monkeypatch)
