"""The speech corpora by name: what each is called, under which licence it stands, and what it may be used for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from livemerc.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Source:
    """`ships`: weights trained on it may be given away. `language` as BCP 47. `kind`: acted and read are speech; bursts
    are cries and laughter without words, which must never count as speech."""

    title: str
    licence: str
    language: str
    ships: bool = True
    kind: Literal["acted", "read", "bursts"] = "acted"


SOURCES: dict[str, Source] = {
    "ravdess": Source("RAVDESS", "CC BY-NC-SA 4.0", "en"),
    "nemo": Source("nEMO", "CC BY-NC-SA 4.0", "pl"),
    "emodb": Source("EMO-DB", "CC0 1.0", "de"),
    "emovo": Source("EMOVO", "CC BY-NC-SA 4.0", "it"),
    "emotiontts": Source("EmotionTTS", "CC BY-NC-SA 4.0, research only", "ko"),
    "rakshak": Source("Rakshak", "CC BY-NC-SA 4.0", "hi"),
    # "Freely available" is no licence: what is given away must not depend on it.
    "ased": Source("ASED", "none stated", "am", ships=False),
    "emogator": Source("EmoGator", "Apache-2.0", "und", kind="bursts"),
    "readers": Source("LibriSpeech readers", "CC BY 4.0", "en", kind="read"),
    "librispeech": Source("LibriSpeech", "CC BY 4.0", "en", kind="read"),
    "read": Source("LJSpeech and LibriVox", "public domain", "en", kind="read"),
}


def check_may_ship(corpora: Iterable[str], where: str) -> None:
    """Raises `ConfigError` that names `where` if one of `corpora` is unknown, or may not be trained on for what is
    given away."""
    for name in corpora:
        if name not in SOURCES:
            raise ConfigError(f"{where}: no speech corpus is called {name!r}; there are {', '.join(SOURCES)}.")
        if not SOURCES[name].ships:
            raise ConfigError(
                f"{where}: {name} states no licence (only experiments may train on it); take it out of the list."
            )


def data_of(corpora: Iterable[str]) -> list[str]:
    """ "RAVDESS (CC BY-NC-SA 4.0)", ... of the corpora, in the order of `SOURCES`: what a checkpoint says of itself."""
    wanted = set(corpora)
    return [f"{source.title} ({source.licence})" for name, source in SOURCES.items() if name in wanted]


def licence_of(corpora: Iterable[str]) -> str:
    """The licence of weights trained on these corpora: the strictest one, with the corpora that ask for it."""
    wanted = set(corpora)
    strict = [s.title for name, s in SOURCES.items() if name in wanted and "NC" in s.licence]
    if strict:
        return f"CC-BY-NC-SA-4.0 ({', '.join(strict)}): non-commercial"
    return "CC-BY-4.0"
