"""Flags of several commands that exclude each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from livemerc.errors import ConfigError, cause_of
from livemerc.purpose import WORDS_ALONE, Purpose

if TYPE_CHECKING:
    from livemerc.config import Config


def check_output(*, json: bool, plain: bool) -> None:
    """Raises `ConfigError` where two outputs are asked for."""
    if json and plain:
        raise ConfigError("--json and --plain exclude each other; choose one.")


def check_recognition(transcript: Path | None, asr: str | None, *, text_only: bool, purpose: Purpose | None) -> None:
    """Raises `ConfigError` for two sources of words, or where neither words nor voice are left to be judged."""
    if transcript is not None and asr not in (None, "transcript"):
        raise ConfigError(f"--transcript and --asr {asr} exclude each other; leave one out.")
    if text_only and asr == "none":
        raise ConfigError("--text-only and --asr none leave nothing to judge; leave one out.")
    if purpose in WORDS_ALONE and asr == "none":
        raise ConfigError(f"--purpose {purpose} judges words alone, and --asr none leaves none; leave --asr none out.")


def check_voice(judge_voice_of: str | None, *, text_only: bool) -> None:
    """Raises `ConfigError` where the voices of some and of nobody are asked for."""
    if judge_voice_of is not None and text_only:
        raise ConfigError("--judge-voice-of and --text-only exclude each other; leave one out.")


def check_diarize(diarize: bool | None, max_speakers: int | None, *, text_only: bool, resume: bool) -> None:
    """Raises `ConfigError` where speakers are to be told apart and may or can not be."""
    if diarize and text_only:
        raise ConfigError(
            "--diarize tells people apart by their voices, and --text-only leaves these alone; choose one."
        )
    if diarize and resume:
        raise ConfigError("--resume cannot go on with who spoke; leave --diarize out, or record anew.")
    if max_speakers is not None and diarize is False:
        raise ConfigError("--max-speakers goes with --diarize, not with --no-diarize.")
    if max_speakers is not None and max_speakers < 1:
        raise ConfigError("--max-speakers must be 1 or more.")


def check_usual_voice(usual_voice: bool | None, settings: Config) -> None:
    """Raises `ConfigError` where usual voices are asked for and nobody is recognised."""
    if usual_voice and not settings.speakers.diarize:
        raise ConfigError("--usual-voice is for voices that are recognised; add --diarize.")
    if usual_voice and not settings.speakers.voiceprints:
        raise ConfigError("--usual-voice is for voices that are recognised; leave speakers.voiceprints = false out.")


def read_token(given: str | None, flag: str = "--token") -> str | None:
    """The token of `--token TOKEN|@FILE`. Raises `ConfigError`."""
    if given is None or not given.startswith("@"):
        return given
    try:
        return Path(given[1:]).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise ConfigError(f"{flag} {given}: the file cannot be read ({cause_of(error)}); check the path.") from error
