"""How times and probabilities are written on every screen and in every plain line."""

from __future__ import annotations


def clock(seconds: float, *, tenths: bool = False) -> str:
    """`00:12`, `1:02:03`, with `tenths` `00:12.3`."""
    whole = int(seconds * 10) if tenths else int(seconds) * 10
    minutes, second = divmod(whole // 10, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}:{minutes:02}:{second:02}" if hours else f"{minutes:02}:{second:02}"
    return f"{text}.{whole % 10}" if tenths else text


def fraction(probability: float) -> str:
    """`.82`; `1.0` when it rounds to one."""
    text = f"{probability:.2f}"
    return text[1:] if text.startswith("0") else "1.0"
