"""`livemerc bench --against FILE.json`: the figures of an earlier `--json` beside the ones of now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from livemerc.bench.measuring import machine_line
from livemerc.errors import ConfigError

_LONGEST_BYTES = 1 << 24
_NOT_MEASURED = ("machine", "n", "audio_s", "largest_difference")


def read_figures(path: Path) -> dict[str, Any]:
    """What an earlier `livemerc bench --json` printed. Raises `ConfigError` (exit 2)."""
    mend = "give a file that `livemerc bench --json` has written."
    try:
        with path.open("rb") as file:
            figures = msgspec.json.decode(file.read(_LONGEST_BYTES), type=dict[str, Any])
    except OSError as error:
        raise ConfigError(f"--against {path}: cannot be read ({error.strerror}); {mend}") from error
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
        if key in _NOT_MEASURED:
            continue
        where = f"{path} / {key}" if path else key
        if isinstance(value, dict):
            yield from _leaves(value, where)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield where, float(value)


def ratio_table(now: Mapping[str, Any], then: Mapping[str, Any], found: Mapping[str, Mapping[str, float]]) -> list[str]:
    """`ratios` as lines."""
    width = max((len(path) for path in found), default=6)
    lines = ["", f"against {machine_line(_whole(then['machine']))}"]
    here = now["machine"]
    if any(then["machine"].get(key) != here.get(key) for key in ("processor", "cores", "system")):
        lines.append("another machine: the ratios compare machines, too")
    lines.append(f"{'figure':{width}} {'then':>10} {'now':>10} {'now / then':>11}")
    lines += [f"{path:{width}} {r['then']:10.3f} {r['now']:10.3f} {r['ratio']:11.2f}" for path, r in found.items()]
    return lines if found else [*lines, "no figure is in both"]


def _whole(machine: Mapping[str, Any]) -> dict[str, Any]:
    unknown = dict.fromkeys(("processor", "cores", "memory_gb", "load_1min", "system", "python"), "?")
    return {**unknown, **machine}
