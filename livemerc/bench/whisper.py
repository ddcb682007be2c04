"""The Whispers that benchmarks hear with: real weights that are on this machine. Nothing is fetched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from livemerc.asr.models import BUNDLED, BUNDLED_NAME, cached_path, is_complete
from livemerc.asr.select import load_whisper
from livemerc.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from livemerc.asr.engine import AsrEngine
    from livemerc.config import Config

LARGER = "base"
"""Measured beside the bundled one where it is cached."""


def folder_of(model: str) -> Path:
    """The folder of a Whisper: the bundled one, a cached size, or a path. Raises `ConfigError` where it is not here."""
    folder = Path(model).expanduser()
    if folder.is_dir():
        if not is_complete(folder):
            raise ConfigError(f"{model}: not a complete faster-whisper model; give another --model.")
        return folder
    if model == BUNDLED_NAME:
        return BUNDLED
    try:
        cached = cached_path(model)
    except ModelError as error:
        raise ConfigError(str(error)) from error
    if cached is None:
        raise ConfigError(
            f"--model {model}: not on this machine, and a benchmark fetches nothing; "
            f"run `livemerc models pull {model}`, or give a folder or {BUNDLED_NAME}, which ships."
        )
    return cached


def at_hand(model: str | None = None) -> dict[str, Path]:
    """Folders by name: the bundled one, and `model` (default: base where it is cached). Raises as `folder_of`."""
    found = {BUNDLED_NAME: folder_of(BUNDLED_NAME)}
    if model is not None:
        found[model] = folder_of(model)
    elif (cached := cached_path(LARGER)) is not None:
        found[LARGER] = cached
    return found


def looking(config: Config, window: str) -> Config:
    """The configuration with that `asr.window`."""
    return msgspec.structs.replace(config, asr=msgspec.structs.replace(config.asr, window=window))


def maker(model: str, config: Config) -> Callable[[], AsrEngine]:
    """Loads that Whisper for each session anew. Raises `ConfigError` at once where it is not here."""
    folder = folder_of(model)
    return lambda: load_whisper(model, folder, config)[0]
