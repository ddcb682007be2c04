"""What the terminal of whoever runs the tests says of itself changes no picture."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _any_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLORFGBG", raising=False)
