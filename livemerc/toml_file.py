"""A TOML file as a tree of plain values, and why settings refuse a tree."""

from __future__ import annotations

from pathlib import Path
from textwrap import shorten
from typing import Any

import msgspec

from livemerc.errors import ConfigError, cause_of

_LONGEST_FILE_BYTES = 1 << 20


def read_toml(path: Path, mend: str = "check --config") -> dict[str, Any]:
    """The tree in a TOML file. `mend`: what to do where it cannot be read. Raises `ConfigError` (exit 2)."""
    try:
        with path.open("rb") as file:
            raw = file.read(_LONGEST_FILE_BYTES + 1)
        if len(raw) > _LONGEST_FILE_BYTES:
            raise ConfigError(f"{path}: larger than {_LONGEST_FILE_BYTES >> 20} MiB, no configuration; {mend}.")
        return msgspec.toml.decode(raw)
    except OSError as error:
        raise ConfigError(f"{path}: the configuration file cannot be read ({cause_of(error)}); {mend}.") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: not valid TOML (nested too deeply); mend it.") from error
    except (msgspec.DecodeError, ValueError) as error:  # ValueError: no UTF-8, or an integer of thousands of digits
        raise ConfigError(f"{path}: not valid TOML ({error}); mend that line.") from error


def refused(error: msgspec.ValidationError) -> str:
    """msgspec writes "Object contains unknown field `x` - at `$.endpoint`": this names the whole key."""
    what, _, at = str(error).partition(" - at ")
    section = at.strip("`").removeprefix("$").lstrip(".")
    if "unknown field" in what:
        field = what.split("`")[1]
        key = shorten(f"{section}.{field}".lstrip("."), 200, placeholder="…")
        return f"unknown key `{key}`; see the keys in livemerc/config.py"
    return f"`{section}`: {what[0].lower()}{what[1:]}"
