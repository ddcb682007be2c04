"""Enrolling a voice at the terminal: consent is asked first, then it is listened, with a bar where somebody watches."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from livemerc.errors import ConfigError, InputError, say
from livemerc.model.checkpoint import read_manifest
from livemerc.speakers.choose import id_asked_for, make_embedder
from livemerc.speakers.voiceprints import Consent, Voiceprint, Voiceprints, now, question_of, taken

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from livemerc.audio.source import Source
    from livemerc.config import Config

_LISTEN_AT_MOST_S = 180.0


def consent_to(name: str, *, given: bool, usual_voice: bool = False) -> Consent:
    """Consent to a voiceprint, or to that and a usual voice: `given` by a flag, else asked for at the terminal. Raises
    `ConfigError` where nobody can be asked, and where it is refused."""
    question = question_of(name, usual_voice=usual_voice)
    if given:
        return Consent(question=question, given_at=now(), how="flag")
    if sys.stdin is None or not sys.stdin.isatty():
        raise ConfigError(
            "no voice is kept without consent, and there is no terminal to ask at; add --consent once "
            f"{name} has agreed."
        )
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().casefold() not in ("y", "yes"):
        raise ConfigError(f"no voice was kept, since {name} has not agreed; ask, and enrol again.")
    return Consent(question=question, given_at=now(), how="terminal")


def enrol(
    name: str,
    open_source: Callable[[], Source],
    config: Config,
    *,
    consent_given: bool,
    usual_voice: bool = False,
    prints: Voiceprints,
) -> tuple[Voiceprint, Path]:
    """Asks, listens, and keeps the voiceprint, with the usual voice where that is asked for. Returns it, and where it
    is. Raises `ConfigError`, `ModelError`, `InputError` and `MicrophoneError`, each with the mend."""
    if config.voice.text_only:
        raise ConfigError("words alone are judged here (purpose, or model.text_only), and enrolling takes a voice.")
    if prints.find(name) is not None:
        raise taken(name)
    if usual_voice and read_manifest(config.model.checkpoint).voice_statistics_id is None:
        raise ConfigError(
            "this checkpoint judges no voice against how its speaker usually sounds, so nothing of that is kept; leave "
            "--usual-voice out, or name another one (model.checkpoint)."
        )
    id_asked_for(config.speakers.embedder)  # nobody is asked for what then cannot be done
    consent = consent_to(name, given=consent_given, usual_voice=usual_voice)
    from livemerc.speakers.enrolment import ENOUGH_S, Enrolment, listen

    usual = None
    if usual_voice:
        from livemerc.pipeline.usual_voices import UsualEars

        usual = UsualEars(config)
    # First: a microphone that listens should not have to wait for it
    enrolment = Enrolment(make_embedder(config.speakers.embedder), usual)
    with closing(open_source()) as source:
        if source.live:
            say(f"listening to {source.name}: speak for about {ENOUGH_S:.0f} s, alone, as you usually do")
        at_most_s = _LISTEN_AT_MOST_S if source.live else float("inf")
        with _bar(ENOUGH_S) as heard:
            listen(source, config, enrolment, heard, at_most_s=at_most_s)
        microphone = source.health().mic
    try:
        made = enrolment.voiceprint(name, consent)
    except InputError as error:
        if microphone is None or microphone.ok or microphone.why is None:
            raise
        raise InputError(f"too little clean voice was heard, because {microphone.why}.") from error
    return made, prints.add(made)


@contextmanager
def _bar(enough_s: float) -> Iterator[Callable[[float], object]]:
    """Takes seconds of clean voice; draws nothing where nobody watches."""
    if not sys.stderr.isatty():
        yield lambda voiced_s: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = TextColumn("clean voice"), BarColumn(), TextColumn("{task.completed:.0f} of {task.total:.0f} s")
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=enough_s)
        yield lambda voiced_s: bar.update(task, completed=min(voiced_s, enough_s))
