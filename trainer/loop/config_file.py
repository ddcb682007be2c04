"""Reads a configuration of configs/ as tables; each recipe checks its own sections (`config.py` of its room)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from livemerc.errors import ConfigError


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file. Raises `ConfigError` where it cannot be read or is no TOML."""
    try:
        return msgspec.toml.decode(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); name a file of configs/.") from error
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path}: {error}.") from error
