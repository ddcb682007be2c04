"""In which setting a run that is resumed differs from the one that was begun."""

from __future__ import annotations

from typing import Any


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one, keys joined by dots: {"text": {"lr": 1}} -> {"text.lr": 1}."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found


def first_difference(begun: dict[str, Any], now: dict[str, Any]) -> str:
    """The first setting, by name, in which two runs differ, in words."""
    before, after = flat(begun), flat(now)
    for key in sorted({*before, *after}):
        if before.get(key) != after.get(key):
            return f"was begun with {key} = {before.get(key)!r}, now it is {after.get(key)!r}"
    return "was begun otherwise"
