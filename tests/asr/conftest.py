"""What the recogniser's tests are spoken to with."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from helpers.speech import read_audio, speak


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[np.ndarray, str]]:
    """(samples, sentence), ten of them."""
    if shutil.which("flite") is None:
        pytest.skip("flite is not installed: nothing speaks the sentences")
    return [(read_audio(path), sentence) for path, sentence in speak(tmp_path_factory.mktemp("clips"))]
