"""When two runs of the ears have heard the same."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

import numpy as np

from livemerc.audio.items import EarItem


def same(one: list[EarItem], other: list[EarItem]) -> bool:
    """Same items with bit-identical samples and times."""

    def equal(a: object, b: object) -> bool:
        return np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b

    return len(one) == len(other) and all(
        type(a) is type(b)
        and is_dataclass(a)
        and all(equal(getattr(a, entry.name), getattr(b, entry.name)) for entry in fields(a))
        for a, b in zip(one, other, strict=True)
    )
