"""The session that most reports are of."""

from __future__ import annotations

from pathlib import Path

import pytest
from report import scenes

from livemerc.sessions.bookmarks import append_bookmark, bookmark_now


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = scenes.write(
        tmp_path_factory.mktemp("sessions") / "meeting", scenes.lively(), scenes.CORRECTIONS,
        source="call.wav", consent="Everyone agreed.", retention_days=30,
    )  # fmt: skip
    append_bookmark(folder, bookmark_now(12.0, "the figures"))
    return folder
