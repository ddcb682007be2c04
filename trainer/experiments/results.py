"""What every experiment leaves: what it was begun with, `figures.json`, and a Markdown table for the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainer.compact.config import complete, settings
from trainer.loop.run_folder import RunFolder
from trainer.loop.saving import save_json

FIGURES = "figures.json"
CACHE = "cache"
"""Folder of the voice statistics inside an experiment's own."""

Rows = dict[str, dict[str, float]]
"""{variant: {figure: value}}; a variant may lack figures that others have."""


def begin(
    out: Path, name: str, config: Path, sections: Sequence[str], data: dict[str, str], *, overwrite: bool
) -> None:
    """Notes in `out` that experiment `name` is run with these sections of `config` and `data`, a digest by the name of
    its part; `overwrite`: after what it left is removed, but for the cache. Raises `ConfigError` where `out` holds
    another run, or this one with other settings."""
    folder = RunFolder(out, f"experiment {name}")
    if overwrite:
        folder.overwrite([p.name for p in out.glob("*/") if p.name != CACHE], [name])
    folder.begin(name, settings(config, *sections))
    folder.describe({section: complete(config)[section] for section in sections}, data)


def over_seeds(features: Sequence[Path], out: Path, one_seed: Callable[[int, Path, Path], Rows]) -> list[str]:
    """Runs `one_seed(seed, features, folder)` for each file of Stage I features, whose place is its seed; writes the
    rows of all seeds. Returns the table: mean and deviation (n - 1) over the seeds."""
    seeds = [one_seed(seed, path, out / f"seed{seed}") for seed, path in enumerate(features)]
    save_json({"features": [str(path) for path in features], "seeds": seeds}, out / FIGURES)
    return mean_table(seeds)


def mean_table(seeds: Sequence[Rows]) -> list[str]:
    """The table of what each seed gave: mean and deviation (n - 1)."""
    cells: dict[str, dict[str, str]] = {name: {} for name in seeds[0]}
    for name, figures in seeds[0].items():
        for key in figures:
            values = np.array([rows[name][key] for rows in seeds])
            spread = f" ({values.std(ddof=1):.3f})" if len(values) > 1 else ""
            cells[name][key] = f"{values.mean():.3f}{spread}"
    return table(cells)


def table(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Markdown: a row a variant, a column for every figure that any of them has."""
    columns = list(dict.fromkeys(key for figures in rows.values() for key in figures))
    lines = [f"| {' | '.join(['', *columns])} |", f"| --- |{' ---: |' * len(columns)}"]
    for name, figures in rows.items():
        shown = [figures.get(key, "") for key in columns]
        cells = [f"{value:.3f}" if isinstance(value, float) else str(value) for value in shown]
        lines.append(f"| {' | '.join([name, *cells])} |")
    return lines
