"""Where the project, its bundled conversation and the data beside it lie."""

from __future__ import annotations

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
DEMO = PROJECT / "livemerc" / "demo" / "demo.flac"
DEMO_WORDS = DEMO.with_suffix(".vtt")
COMPACT = PROJECT / "configs" / "compact.toml"
SHARED_DATA = PROJECT.parent / "shared" / "data"
"""Real audio and corpora; the fixture `shared_data` skips where they are absent."""
