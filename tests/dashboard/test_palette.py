"""Themes, and colours that are legible on each of them."""

from __future__ import annotations

import itertools
import math

import pytest
from rich.cells import cell_len

from livemerc.config import load_config
from livemerc.dashboard.palette import DARK, LIGHT, PALETTES, Palette, contrast, glyph, palette_for
from livemerc.emotions import LABELS
from livemerc.errors import ConfigError
from livemerc.notation import SPEAKER_COLOURS


@pytest.mark.parametrize("palette", PALETTES, ids=lambda p: p.name)
def test_every_emotion_is_legible_on_every_theme(palette: Palette) -> None:
    from textual.color import Color

    for label in LABELS:
        for ground in (palette.background, palette.panel):
            assert contrast(Color.parse(palette.emotion(label)), Color.parse(ground)) >= 4.3
    assert len({palette.emotion(label) for label in LABELS}) == len(LABELS)


@pytest.mark.parametrize("palette", PALETTES, ids=lambda p: p.name)
def test_no_speaker_has_the_colour_of_an_emotion_or_of_another(palette: Palette) -> None:
    """As far apart as nobody mistakes in text: 15 in CIE Lab."""
    from textual.color import Color, rgb_to_lab

    def lab(colour: str) -> tuple[float, float, float]:
        found = rgb_to_lab(Color.parse(colour))
        return found.L, found.a, found.b

    speakers = [lab(palette.speaker(f"S{n + 1}")) for n in range(len(SPEAKER_COLOURS))]
    emotions = [lab(palette.emotion(label)) for label in LABELS]
    assert all(math.dist(one, other) >= 15 for one in speakers for other in emotions)
    assert all(math.dist(one, other) >= 15 for one, other in itertools.combinations(speakers, 2))


def test_every_glyph_is_one_cell() -> None:
    assert all(cell_len(glyph(label)) == 1 for label in (*LABELS, "not sure", "of a user's own checkpoint"))


@pytest.mark.parametrize(
    ("value", "palette"), [(None, DARK), ("15;0", DARK), ("0;15", LIGHT), ("0;default;7", LIGHT), ("nonsense", DARK)]
)
def test_a_terminal_that_says_it_is_light_gets_the_light_theme(value: str | None, palette: object) -> None:
    assert palette_for({} if value is None else {"COLORFGBG": value}) is palette


@pytest.mark.parametrize("palette", PALETTES)
def test_a_theme_that_was_chosen_is_taken_whatever_the_terminal_says(palette: Palette) -> None:
    theme = load_config(environ={"LIVEMERC_SCREEN_THEME": palette.name}).screen.theme
    assert palette_for({"COLORFGBG": "0;15"}, theme) is palette
    assert palette_for({}, theme) is palette


def test_a_theme_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"screen\.theme"):
        load_config(environ={"LIVEMERC_SCREEN_THEME": "pink"})


def test_pairs_of_themes_differ() -> None:
    assert all(a.background != b.background for a, b in itertools.combinations(PALETTES, 2))
