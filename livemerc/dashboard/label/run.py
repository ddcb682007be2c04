"""`livemerc label`: a person corrects a recorded session; `--export` writes it as a manifest for `livemerc-train`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from livemerc.errors import EXIT_OK, ConfigError, InputError
from livemerc.runtime import process
from livemerc.sessions.annotation import Annotation
from livemerc.sessions.session import read_session
from livemerc.text_safety import plain_text

if TYPE_CHECKING:
    import numpy as np

PRE_ROLL_S = 0.3
AFTERWARDS_S = 0.2
"""Played before and after the voiced stretch: the first consonant and the last breath belong to it."""
NO_AUDIO = "no audio was kept: there is nothing to play (record with --record-audio)"


def label(directory: Path, *, least_certain_first: bool = False) -> int:
    """Shows the screen until the person leaves. Returns the exit code.

    Raises `ConfigError` without a terminal, `InputError` for what cannot be labelled (`Annotation`).
    """
    annotation = Annotation(directory)
    if not process.has_screen():
        raise ConfigError("label needs a terminal; --export FILE writes the manifest of what is labelled without one.")
    if least_certain_first:
        annotation.change_order()
    from livemerc.config import load_config
    from livemerc.dashboard.label.app import LabelApp, run_label

    clip, silent = _clips(annotation)
    screen = LabelApp(annotation, clip=clip, silent=silent, play=_play, hush=_hush)
    code = run_label(screen, load_config().screen.theme)
    _warn(annotation.session.warnings)
    done, total = annotation.labelled, len(annotation.utterances)
    print(f"livemerc: {done} of {total} utterances are labelled in {plain_text(str(directory))}", file=sys.stderr)
    return code


def _clips(annotation: Annotation) -> tuple[Callable[[int], Callable[[], tuple[np.ndarray, int]]] | None, str]:
    """What reads an utterance's audio, by its index; None and the reason where there is no audio."""
    info = annotation.session.info
    try:
        audio = annotation.session.audio()
    except InputError as error:
        return None, f"nothing can be played: {error}"
    if audio is None or info is None or info.audio is None:
        return None, NO_AUDIO
    track = info.audio

    def clip(index: int) -> Callable[[], tuple[np.ndarray, int]]:
        utterance = annotation.utterances[index]

        def read() -> tuple[np.ndarray, int]:
            from livemerc.audio.playback import read_stretch
            from livemerc.export.training_csv import channel_of

            start_s, end_s = utterance.start_s - track.start_s, utterance.end_s - track.start_s
            return read_stretch(audio, start_s - PRE_ROLL_S, end_s + AFTERWARDS_S, channel_of(utterance, track))

        return read

    return clip, ""


def _play(samples: np.ndarray, rate_hz: int) -> None:
    from livemerc.audio.playback import play

    play(samples, rate_hz)


def _hush() -> None:
    if "livemerc.audio.playback" in sys.modules:
        from livemerc.audio.playback import stop

        stop()


def export(directory: Path, path: Path, *, everything: bool, split: str | None) -> int:
    """Writes the manifest. Returns the exit code. Raises `LivemercError`."""
    from livemerc.export import standing
    from livemerc.export.training_csv import DEFAULT_SPLIT, write_manifest

    session = read_session(directory)
    _warn([*session.warnings, *standing(session)])
    written = write_manifest(session, path, everything=everything, split=split or DEFAULT_SPLIT)
    _warn(written.warnings)
    whose = "a person's labels, the model's for the rest" if everything else "a person's labels"
    context = f"; {written.context} without a label as context" if written.context else ""
    rows = f"{written.rows} utterance{'' if written.rows == 1 else 's'}"
    print(f"livemerc: {rows} to {plain_text(str(path))} ({whose}{context})", file=sys.stderr)
    return EXIT_OK


def _warn(warnings: Sequence[str]) -> None:
    for warning in warnings:
        print(f"livemerc: warning: {plain_text(warning)}", file=sys.stderr)
