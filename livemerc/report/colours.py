"""Colours of emotions and speakers on paper and on a dark screen, made legible; the style sheet takes its variables
from here."""

from __future__ import annotations

from livemerc.emotions import EMOTIONS, emotion
from livemerc.notation import SPEAKER_COLOURS, speaker_colour
from livemerc.report.facts import NOT_JUDGED, NOT_SURE, NOTHING

LIGHT_GROUND, DARK_GROUND = "#ffffff", "#14181d"
TEXT_CONTRAST, MARK_CONTRAST = 4.6, 1.9
"""Text reaches WCAG AA (4.5). Marks need less: they carry a sign or stand in a named row, and are outlined."""
_NOT_SURE_COLOUR = "#8b97a5"
_SIGNS = {NOT_SURE: "○", NOT_JUDGED: "–", NOTHING: "∅"}


def sign(shown: str) -> str:
    """The glyph of a label, of `NOT_SURE`, `NOT_JUDGED` or `NOTHING`."""
    return _SIGNS.get(shown) or emotion(shown).glyph


def colour_class(shown: str) -> str:
    """Class that sets `--t` (text) and `--m` (mark). It is never made of the label itself, which comes from a file."""
    known = list(EMOTIONS)
    return f"e{known.index(shown)}" if shown in EMOTIONS else "ex"


def speaker_class(speaker: str | None) -> str:
    """Class that sets `--t` and `--m` of who is told apart by the voice, by the id, as on the dashboard; of others, of
    plain text."""
    place = speaker_colour(speaker)
    return "sx" if place is None else f"s{place}"


def variables(ground: str) -> str:
    """CSS: for each class its two colours on `ground`."""
    colours = [emotion(label).colour for label in EMOTIONS]
    rules = [_rule(f".e{index}", colour, ground) for index, colour in enumerate(colours)]
    rules += [_rule(f".s{place}", colour, ground) for place, colour in enumerate(SPEAKER_COLOURS)]
    plain = ".sx{--t:var(--ink);--m:var(--dim)}"
    return "".join([*rules, _rule(".ex", _NOT_SURE_COLOUR, ground), plain])


def _rule(selector: str, colour: str, ground: str) -> str:
    text, mark = legible(colour, ground, TEXT_CONTRAST), legible(colour, ground, MARK_CONTRAST)
    return f"{selector}{{--t:{text};--m:{mark}}}"


def legible(colour: str, ground: str, least: float) -> str:
    """`colour`, mixed with black (white on a dark ground) until its WCAG contrast to `ground` is `least`."""
    end = 0.0 if luminance(ground) > 0.5 else 255.0
    for step in range(21):
        channels = [round(value + (end - value) * step / 20) for value in _channels(colour)]
        mixed = "#{:02x}{:02x}{:02x}".format(*channels)
        if contrast(mixed, ground) >= least:
            break
    return mixed


def contrast(one: str, other: str) -> float:
    """1 to 21: WCAG 2.1, section 1.4.3."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    shares = [value / 255 for value in _channels(colour)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _channels(colour: str) -> list[int]:
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
