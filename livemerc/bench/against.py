"""`livemerc bench --against FILE.json`: the figures of an earlier `--json` beside the ones of now."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from livemerc.bench.measuring import machine_line
from livemerc.errors import ConfigError, cause_of
from livemerc.text_safety import plain_text

_LONGEST_BYTES = 1 << 24
_GIVEN = ("n", "audio_s", "largest_difference", "runs", "streams", "seconds", "utterances", "used", "wasted")
"""Numbers that no ratio says anything of."""


def read_figures(path: Path) -> dict[str, Any]:
    """What an earlier `livemerc bench --json` printed. Raises `ConfigError` (exit 2)."""
    mend = "give a file that `livemerc bench --json` has written."
    try:
        with path.open("rb") as file:
            figures = msgspec.json.decode(file.read(_LONGEST_BYTES), type=dict[str, Any])
    except OSError as error:
        raise ConfigError(f"--against {path}: cannot be read ({cause_of(error)}); {mend}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"--against {path}: no benchmark's figures ({error}); {mend}") from error
    if not isinstance(figures.get("machine"), dict):
        raise ConfigError(f"--against {path}: no benchmark's figures (no `machine`); {mend}")
    return figures


def ratios(now: Mapping[str, Any], then: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Every figure that both have, by its path: `then`, `now` and `ratio`, now / then."""
    earlier = dict(_leaves(then))
    return {
        path: {"then": earlier[path], "now": value, "ratio": value / earlier[path]}
        for path, value in _leaves(now)
        if earlier.get(path, 0) > 0
    }


def _leaves(figures: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, float]]:
    for key, value in figures.items():
        where = f"{path} / {key}" if path else key
        if key in ("machine", "against"):
            continue
        if isinstance(value, dict):
            yield from _leaves(value, where)
        elif key not in _GIVEN and isinstance(value, int | float) and not isinstance(value, bool):
            yield where, float(value)


def missing(here: Mapping[str, Any], there: Mapping[str, Any]) -> list[str]:
    """What `here` has and `there` has not, by path: whole groups where all of them is missing."""
    known = {path for path, _ in _leaves(there)}
    groups = {path[: at.start()] for path in known for at in re.finditer(" / ", path)}
    out: dict[str, None] = {}
    for path, _ in _leaves(here):
        if path not in known:
            ends = [at.start() for at in re.finditer(" / ", path)] + [len(path)]
            out[next(path[:end] for end in ends if path[:end] not in groups)] = None
    return list(out)


def ratio_table(now: Mapping[str, Any], then: Mapping[str, Any], found: Mapping[str, Mapping[str, float]]) -> list[str]:
    """`ratios` as lines, and what is in one of both alone."""
    width = max((len(path) for path in found), default=6)
    lines = ["", f"against {plain_text(machine_line(_whole(then['machine'])))}"]
    here = now["machine"]
    if any(then["machine"].get(key) != here.get(key) for key in ("processor", "cores", "system")):
        lines.append("another machine: the ratios compare machines, too")
    lines.append(f"{'figure':{width}} {'then':>10} {'now':>10} {'now / then':>11}")
    lines += [f"{path:{width}} {r['then']:10.3f} {r['now']:10.3f} {r['ratio']:11.2f}" for path, r in found.items()]
    if not found:
        lines.append("no figure is in both")
    for heading, names in (
        ("not in the earlier file, so without a ratio", missing(now, then)),
        ("in the earlier file, and not measured now", missing(then, now)),
    ):
        if names:
            lines.append(f"{heading}: {plain_text('; '.join(names))}")
    return lines


def _whole(machine: Mapping[str, Any]) -> dict[str, Any]:
    unknown = dict.fromkeys(("processor", "cores", "memory_gb", "load_1min", "system", "python"), "?")
    return {**unknown, **machine}
