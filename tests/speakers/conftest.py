"""What the tests of the room share."""

from __future__ import annotations

import pytest

from livemerc.speakers.embedder import SpeakerEmbedder


@pytest.fixture(scope="session")
def embedder() -> SpeakerEmbedder:
    return SpeakerEmbedder()
