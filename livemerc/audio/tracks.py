"""Which of a container's sound tracks is heard, and whether another one would be the better choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from livemerc.errors import ConfigError
from livemerc.text_safety import encodable

_SOUNDS_DBFS = -60.0
"""A track sounds that is this loud for a tenth of a second in all."""
_SOUNDS_S = 0.1


@dataclass(frozen=True, slots=True)
class Track:
    """One sound track of a container. Numbers count from 1, as players count them."""

    number: int
    stream: int
    """Index among all streams of the container."""
    default: bool
    channels: int
    language: str | None
    title: str | None

    def __str__(self) -> str:
        kind = {0: None, 1: "mono", 2: "stereo"}.get(self.channels, f"{self.channels} channels")
        parts = [self.language, self.title, kind, "default" if self.default else None]
        said = ", ".join(part for part in parts if part)
        return f"{self.number} ({said})" if said else str(self.number)


def tracks_of(container: Any) -> list[Track]:
    """The sound tracks of an opened `av` container that can be decoded, in its order."""
    from av.stream import Disposition

    return [
        Track(
            number=number,
            stream=stream.index,
            default=bool(stream.disposition & Disposition.default),
            channels=stream.codec_context.channels,
            language=_known(stream.metadata.get("language")),
            title=_known(stream.metadata.get("title")),
        )
        for number, stream in enumerate(container.streams.audio, start=1)
        if stream.codec_context is not None
    ]


def choose_track(tracks: Sequence[Track], wanted: str | None, where: str) -> Track:
    """The track that is asked for by number or language; None = the first default one, else the first.

    Raises `ConfigError` with what there is.
    """
    if wanted is None:
        return next((track for track in tracks if track.default), tracks[0])
    if wanted.strip().isdecimal():
        found = [track for track in tracks if track.number == int(wanted)]
    else:
        found = [track for track in tracks if _same_language(track.language, wanted)]
    if not found:
        raise ConfigError(f"--audio-track {wanted}: {listed(tracks, where)}; give the number or language of one.")
    return found[0]


def listed(tracks: Sequence[Track], where: str) -> str:
    """ "WHERE has 2 audio tracks: 1 (eng, stereo), 2 (deu, mono, default)"."""
    many = f"{len(tracks)} audio track" + ("s" if len(tracks) > 1 else "")
    return f"{where} has {many}: {', '.join(map(str, tracks))}"


class Sounding:
    """Whether a track sounds at all; to be fed until it does."""

    def __init__(self) -> None:
        self._loud_s = 0.0

    def feed(self, planes: np.ndarray, rate_hz: int) -> None:
        """(channels, n) float32."""
        power = float(np.square(planes, dtype=np.float64).mean()) if planes.size else 0.0
        if power > 10 ** (_SOUNDS_DBFS / 10):
            self._loud_s += planes.shape[1] / rate_hz

    def __bool__(self) -> bool:
        return self._loud_s >= _SOUNDS_S


def silence_told(heard: Track, sounding: dict[int, bool], where: str) -> str | None:
    """A sentence where some tracks are silent and others are not. sounding: by number; the heard one is in it."""
    silent = [number for number, sounds in sounding.items() if not sounds]
    others = [number for number, sounds in sounding.items() if sounds and number != heard.number]
    if not silent or len(silent) == len(sounding):
        return None
    if heard.number in silent:
        return (
            f"{where}: audio track {heard.number}, which was heard, is silent, and track {others[0]} is not; choose "
            f"that with --audio-track {others[0]}."
        )
    names = " and ".join(map(str, silent))
    verb = f"tracks {names} are" if len(silent) > 1 else f"track {names} is"
    return f"{where}: audio {verb} silent; track {heard.number} was heard."


def _known(value: str | None) -> str | None:
    if value is None or value.strip().lower() in ("", "und"):
        return None
    return encodable(value.strip())


def _same_language(tagged: str | None, wanted: str) -> bool:
    """Whatever code they are given by: `de`, `deu`, `ger` and `de-AT` are one language."""
    import langcodes

    if tagged is None:
        return False
    try:
        return langcodes.get(tagged).language == langcodes.get(wanted).language
    except langcodes.LanguageTagError:
        return tagged.casefold() == wanted.strip().casefold()
