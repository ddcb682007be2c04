"""Voices that people have enrolled, each in a file of its own in the user's data folder, with the consent to it.

A voiceprint tells people apart, so it is its owner's alone: the folder is 0700, a file 0600, and neither ever lies in a
session's folder. A file is written whole or not at all, and a name is taken once: of two processes that enrol at the
same time neither loses anything. No numpy, no torch: to list and to forget needs neither.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from livemerc.errors import ConfigError, InputError, LivemercError, cause_of
from livemerc.sessions.folder import create_plain, make_folder
from livemerc.text_safety import plain_text

FORMAT = 1
LONGEST_NAME = 40
MOST_VOICES = 32
"""In a usual voice: no baseline is of more."""
_LONGEST_FILE_BYTES = 1 << 20
_MOST_FILES = 1000
_SUFFIX, _UNFINISHED = ".json", ".part"


class EmbedderId(msgspec.Struct, frozen=True, kw_only=True):
    """Which embedder made a voiceprint: what it is called, and the SHA-256 of its weights. Embeddings of two embedders
    have nothing to do with each other, so they are never compared."""

    name: str
    sha256: str


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """What was agreed to, when (ISO 8601, UTC), and how that was said: at the terminal, by a flag, on the screen."""

    question: str
    given_at: str
    how: Literal["terminal", "flag", "screen"]


class UsualVoice(msgspec.Struct, frozen=True, kw_only=True):
    """How somebody usually sounds to a checkpoint: what its encoder makes of each utterance that was enrolled, the
    oldest first, (S,) little-endian float32. `statistics`: `Manifest.voice_statistics_id`, for another encoder's have
    nothing to do with these; `checkpoint`: its id, to be shown."""

    statistics: str
    checkpoint: str
    voices: Annotated[list[Annotated[bytes, Meta(min_length=4)]], Meta(min_length=1, max_length=MOST_VOICES)]


class Voiceprint(msgspec.Struct, frozen=True, kw_only=True):
    """`mean`: of the utterances' embeddings, centred and scaled, (D,); `weight`: what it is worth among others
    (`livemerc.speakers.mixture`); `voiced_s`: seconds of voice in it. `usual_voice`: None = it was not asked for."""

    format: Annotated[int, Meta(ge=1, le=FORMAT)] = FORMAT
    name: str
    embedder: EmbedderId
    mean: list[float]
    weight: Annotated[float, Meta(gt=0)]
    voiced_s: Annotated[float, Meta(gt=0)]
    utterances: Annotated[int, Meta(ge=1)]
    consent: Consent
    enrolled_at: str  # ISO 8601, UTC
    version: str  # livemerc's
    usual_voice: UsualVoice | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """`prints` in order of their names; `damaged`: sentences about files that are none."""

    prints: list[Voiceprint]
    damaged: list[str] = field(default_factory=list)


def question_of(name: str, *, usual_voice: bool = False) -> str:
    """What is asked before a voice is enrolled, and with it how it usually sounds."""
    why = "so that livemerc can tell when it speaks"
    if usual_voice:
        why += ", and beside it how it usually sounds, so that its emotions are judged against that"
    return f"Has {name} agreed that a print of this voice is kept on this machine, {why}?"


def checked_name(name: str) -> str:
    """The name as it is kept. Raises `ConfigError` for one that is empty, too long, not to be shown, or an id."""
    name = unicodedata.normalize("NFC", " ".join(name.split()))
    if not name or len(name) > LONGEST_NAME:
        raise ConfigError(f"a speaker's name has 1 to {LONGEST_NAME} characters; give another one.")
    if plain_text(name) != name:
        raise ConfigError("this name holds characters that cannot be shown; give one of letters.")
    if re.fullmatch(r"S\d+", name, re.IGNORECASE):
        raise ConfigError(f"{name} is what a speaker without a name is called; give a person's name.")
    return name


def same_name(one: str, other: str) -> bool:
    """Whether two names are one person's: capitals do not count."""
    return _key(one) == _key(other)


class Voiceprints:
    """Those in `folder`; None = the user's data folder. It need not exist."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = default_folder() if folder is None else folder

    def read(self) -> Found:
        """Everybody's. A file that is damaged is told and left out. Raises `InputError` where the folder cannot be
        read."""
        prints: list[Voiceprint] = []
        damaged: list[str] = []
        for path in self._files(_SUFFIX)[:_MOST_FILES]:
            try:
                prints.append(_read(path))
            except InputError as error:
                damaged.append(str(error))
        return Found(sorted(prints, key=lambda one: one.name.casefold()), damaged)

    def find(self, name: str) -> Voiceprint | None:
        """Whoever is enrolled by that name. Raises `InputError` where the file cannot be read."""
        path = self._path(name)
        return _read(path) if path.is_file() else None

    def add(self, voiceprint: Voiceprint) -> Path:
        """Keeps it, and returns where. Raises `ConfigError` where somebody of that name is enrolled already, and
        `LivemercError` where it cannot be written."""
        path = self._path(voiceprint.name)
        part = self.folder / f"{path.stem}.{secrets.token_hex(8)}{_UNFINISHED}"
        try:
            make_folder(self.folder)
            try:
                with create_plain(part) as file:
                    file.write(msgspec.json.format(msgspec.json.encode(voiceprint), indent=0) + b"\n")
                    os.fsync(file.fileno())
                os.link(part, path)  # unlike a rename it fails where the name is taken
            finally:
                with contextlib.suppress(FileNotFoundError):
                    part.unlink()
        except FileExistsError as error:
            raise taken(voiceprint.name) from error
        except OSError as error:
            raise LivemercError(
                f"{self.folder}: the voiceprint cannot be kept there ({cause_of(error)}); free space, or mend the "
                "folder's permissions."
            ) from error
        return path

    def forget(self, name: str) -> bool:
        """Takes it away, also a damaged one. False: nobody of that name was enrolled. Raises `LivemercError`."""
        return self._remove(self._path(name))

    def forget_all(self) -> int:
        """Takes all away, with what an enrolment that was killed has left. Returns how many there were. Raises
        `LivemercError`."""
        for path in self._files(_UNFINISHED):
            self._remove(path)
        return sum(self._remove(path) for path in self._files(_SUFFIX))

    def _path(self, name: str) -> Path:
        return self.folder / f"{_key(name)}{_SUFFIX}"

    def _files(self, suffix: str) -> list[Path]:
        try:
            return sorted(path for path in self.folder.iterdir() if path.suffix == suffix)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise InputError(
                f"{self.folder}: the voiceprints cannot be read ({cause_of(error)}); mend the folder's permissions."
            ) from error

    def _remove(self, path: Path) -> bool:
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise LivemercError(
                f"{path}: the voiceprint cannot be taken away ({cause_of(error)}); delete that file yourself."
            ) from error
        return True


def now() -> str:
    """ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def default_folder() -> Path:
    """`voiceprints` in the user's data folder."""
    import platformdirs

    return Path(platformdirs.user_data_dir("livemerc")) / "voiceprints"


def taken(name: str) -> ConfigError:
    """The error that says so."""
    return ConfigError(f"{name} is enrolled already; forget that voice first (`livemerc speakers forget`).")


def of_embedder(
    prints: Sequence[Voiceprint], embedder: EmbedderId, width: int | None = None
) -> tuple[list[Voiceprint], list[str]]:
    """Those that this embedder made, and sentences about those that it did not: nobody compares these. width: numbers
    in its points, where that is known; a print of another width is damaged."""
    own = [one for one in prints if one.embedder == embedder]
    others = [one.name for one in prints if one.embedder != embedder]
    damaged = [one for one in own if width is not None and len(one.mean) != width]
    told = [
        f"the voiceprint of {one.name} is damaged (it holds {len(one.mean)} numbers, not {width}); forget it and enrol "
        "that voice again (`livemerc speakers`)."
        for one in damaged
    ]
    own = [one for one in own if one not in damaged]
    if not others:
        return own, told
    return own, [
        *told,
        f"the voiceprint{'s' if len(others) > 1 else ''} of {', '.join(others)} "
        f"{'were' if len(others) > 1 else 'was'} made by another embedder, and cannot be compared; enrol "
        f"{'these voices' if len(others) > 1 else 'that voice'} again (`livemerc speakers`).",
    ]


def _key(name: str) -> str:
    """A file's name that any name of a person has, and which tells nobody's in a listing."""
    folded = unicodedata.normalize("NFC", " ".join(name.split()).casefold())
    return hashlib.sha256(folded.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _read(path: Path) -> Voiceprint:
    mend = "forget it and enrol that voice again (`livemerc speakers forget --all` takes all away)"
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            found = msgspec.json.decode(file.read(_LONGEST_FILE_BYTES), type=Voiceprint)
    except OSError as error:
        raise InputError(f"{path}: this voiceprint cannot be read ({cause_of(error)}); {mend}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: this voiceprint is damaged ({error}); {mend}.") from error
    if plain_text(found.name) != found.name or _key(found.name) != path.stem or not found.mean:
        raise InputError(f"{path}: this voiceprint is damaged (its name is another's); {mend}.")
    usual = found.usual_voice
    if usual is not None and plain_text(usual.checkpoint) != usual.checkpoint:
        raise InputError(f"{path}: this voiceprint is damaged (its checkpoint cannot be shown); {mend}.")
    return found
