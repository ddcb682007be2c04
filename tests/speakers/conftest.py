"""What the tests of the room share."""

from __future__ import annotations

import pytest

from livemerc.speakers.ge2e import Ge2eEmbedder


@pytest.fixture(scope="session")
def embedder() -> Ge2eEmbedder:
    return Ge2eEmbedder()
