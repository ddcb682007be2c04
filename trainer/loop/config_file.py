"""Writes a configuration as tables; each recipe checks its own sections (`config.py` of its room)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from livemerc.toml_file import read_toml
from trainer.loop.saving import write_whole


def write_toml(tree: dict[str, Any], path: Path) -> None:
    """Writes tables of strings, numbers, booleans and lists, which TOML spells as JSON does; keeps a file that says so
    already."""

    def lines(table: dict[str, Any], name: str) -> list[str]:
        values = {k: v for k, v in table.items() if not isinstance(v, dict)}
        found = [f"\n[{name}]"] if name and values else []
        found += [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
        for key, value in table.items():
            if isinstance(value, dict):
                found += lines(value, f"{name}.{key}" if name else key)
        return found

    if not path.exists() or read_toml(path) != tree:
        text = "\n".join(lines(tree, "")) + "\n"
        write_whole(path, lambda file: file.write(text.encode()))
