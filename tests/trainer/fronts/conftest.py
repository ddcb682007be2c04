"""Whispers with random weights, for the tests of their encoder as a speech front end."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a Whisper in CTranslate2's format."""
    from helpers.random_whisper import build_random

    return build_random(tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another of the same architecture and size."""
    from helpers.random_whisper import build_random

    return build_random(tmp_path_factory.mktemp("other"), seed=1)
