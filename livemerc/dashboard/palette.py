"""Themes, and emotion colours that stay legible on each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, cast

from rich.style import Style
from textual.color import Color
from textual.theme import Theme
from textual.widget import Widget

from livemerc.dashboard.state.course import NOT_SURE
from livemerc.emotions import EMOTIONS, emotion
from livemerc.notation import SPEAKER_COLOURS, speaker_colour

_CONTRAST = 4.5
"""WCAG AA for text: emotion colours are made lighter or darker until they reach it."""
_NOT_SURE_GLYPH = "○"


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of one theme, as `#rrggbb`."""

    name: str
    dark: bool
    background: str
    panel: str
    foreground: str
    muted: str
    faint: str  # rules and the empty part of bars: not for text
    accent: str
    good: str
    trouble: str
    contrast: float = _CONTRAST

    def style(self, colour: str, *, bold: bool = False, italic: bool = False, reverse: bool = False) -> Style:
        return _style(colour, bold, italic, reverse)

    def emotion(self, label: str) -> str:
        """Colour of a label (or `NOT_SURE`) as text."""
        if label not in EMOTIONS:
            return self.muted
        return legible(emotion(label).colour, self.panel, dark=self.dark, least=self.contrast)

    def speaker(self, speaker: str | None, other: str | None = None) -> str:
        """Colour of a speaker's name as text, by the id: of its own for who is told apart by the voice alone, else
        `other`, None = that of text."""
        place = speaker_colour(speaker)
        if place is None:
            return other or self.foreground
        return legible(SPEAKER_COLOURS[place], self.panel, dark=self.dark, least=self.contrast)

    @property
    def text(self) -> Style:
        return _style(self.foreground)

    @property
    def dim(self) -> Style:
        return _style(self.muted)

    @property
    def title(self) -> Style:
        return _style(self.muted, bold=True)

    @property
    def rule(self) -> Style:
        return _style(self.faint)

    @property
    def danger(self) -> str:
        """The colour of trouble as text."""
        return legible(self.trouble, self.panel, dark=self.dark, least=self.contrast)

    @property
    def found(self) -> Style:
        """For what a search has found."""
        return Style(color=self.background, bgcolor=self.accent, bold=True)

    @property
    def notable(self) -> Style:
        """For what must be seen and is no trouble: a pause."""
        return Style(color=self.background, bgcolor=self.accent, bold=True)

    @property
    def selected(self) -> str:
        """Ground of the row that is selected."""
        return self.faint if self.contrast < 7 else "#303030"

    def valence(self, pleasant: bool) -> str:
        """Blue and orange: told apart with every common colour-vision deficiency."""
        colour = "#56b4e9" if pleasant else "#e69f00"
        return legible(colour, self.panel, dark=self.dark, least=self.contrast)

    @property
    def alarm(self) -> Style:
        return Style(color="#ffffff", bgcolor=self.trouble, bold=True)

    def theme(self) -> Theme:
        return Theme(
            name=self.name,
            primary=self.accent,
            secondary=self.muted,
            accent=self.accent,
            foreground=self.foreground,
            background=self.background,
            surface=self.background,
            panel=self.panel,
            error=self.trouble,
            success=self.good,
            dark=self.dark,
            variables={
                "footer-background": self.panel,
                "footer-key-foreground": self.accent,
                "footer-description-foreground": self.muted,
                "scrollbar": self.faint,
                "scrollbar-background": self.background,
                "scrollbar-hover": self.muted,
                "scrollbar-active": self.accent,
            },
        )


DARK = Palette("dark", True, "#11151a", "#171c23", "#dfe5ec", "#8b97a5", "#323b46", "#6cb6ff", "#57ab5a", "#c4302b")
LIGHT = Palette("light", False, "#ffffff", "#f3f5f7", "#1f2730", "#5b6673", "#d0d7de", "#0a5cc2", "#1a7f37", "#b3201b")
CONTRAST = Palette(
    "high-contrast", True, "#000000", "#161616", "#ffffff", "#d0d0d0", "#707070", "#ffff00", "#00ff5f", "#d00000", 7.0
)
PALETTES: tuple[Palette, ...] = (DARK, LIGHT, CONTRAST)


def palette_for(environ: Mapping[str, str], theme: str = "auto") -> Palette:
    """The palette that a screen begins with: the one named `theme`. With "auto" it is the light one where the terminal
    says that its ground is light (`COLORFGBG`, "text;ground"), else the dark one."""
    for palette in PALETTES:
        if palette.name == theme:
            return palette
    ground = environ.get("COLORFGBG", "").rpartition(";")[2]
    return LIGHT if ground in ("7", "15") else DARK


class HasPalette(Protocol):
    """What a widget of this room asks of the app that shows it."""

    @property
    def palette(self) -> Palette: ...


def palette_of(widget: Widget) -> Palette:
    """The palette of the app that shows `widget`. Every app of this room has one."""
    return cast("HasPalette", widget.app).palette


def glyph(label: str) -> str:
    """The one-cell sign of a label or of `NOT_SURE`."""
    return _NOT_SURE_GLYPH if label == NOT_SURE else emotion(label).glyph


@lru_cache(maxsize=256)
def legible(colour: str, background: str, *, dark: bool, least: float = _CONTRAST) -> str:
    """`colour`, made lighter (or darker, on a light `background`) until its WCAG contrast is at least `least`."""
    start, ground, end = Color.parse(colour), Color.parse(background), Color.parse("#ffffff" if dark else "#000000")
    for step in range(11):
        mixed = start.blend(end, step / 10)
        if contrast(mixed, ground) >= least:
            break
    return mixed.hex6.lower()


def contrast(one: Color, other: Color) -> float:
    """Contrast of two colours, 1 to 21: WCAG 2.1, section 1.4.3."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: Color) -> float:
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour.normalized)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@lru_cache(maxsize=512)
def _style(colour: str, bold: bool = False, italic: bool = False, reverse: bool = False) -> Style:
    return Style(color=colour, bold=bold or None, italic=italic or None, reverse=reverse or None)
