"""The stages of the recipe, and the folders that they leave."""

from __future__ import annotations

from pathlib import Path

from livemerc.errors import ConfigError

STAGES = ("text", "voice", "context")
TEACHER = "teacher"
"""Only where `--stage` names it: what it leaves is committed (`trainer.compact.soft_labels`)."""
TEXTS = ("meld", "goemotions", "emorynlp", "transcripts")
VOICES = (
    "ravdess", "nemo", "emodb", "emovo", "emotiontts", "rakshak", "ased", "emogator", "readers", "speech",
)  # fmt: skip
CORPORA = (*TEXTS, *VOICES)
"""Folders of `--data` that they read."""
SECTIONS_OF = {TEACHER: ("teacher",), "text": ("text",), "voice": ("voice",), "context": ("conversation", "fusion")}
"""Sections of the configuration that each reads."""
FOLDERS = {TEACHER: ("teacher",), "text": ("text", "features"), "voice": ("voice",), "context": ("context",)}


def need(path: Path, stage: str) -> Path:
    """`path` itself. Raises `ConfigError` where it is missing: `stage` has not been trained."""
    if not path.exists():
        raise ConfigError(f"{path} is missing: run `livemerc-train train ... --stage {stage}` first.")
    return path
