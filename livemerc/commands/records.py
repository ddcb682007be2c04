"""`livemerc replay`, `export`, `report`, `sessions`, `rerun`, `compare` and `label`: what has been recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from livemerc.commands.root import app
from livemerc.errors import EXIT_OK, ConfigError
from livemerc.runtime import process


@app.command(sort_key=4)
def replay(
    directory: Path,
    /,
    *,
    speed: float = 1.0,
    begin: Annotated[str, Parameter(name="--from")] = "0",
    json: bool = False,
    plain: bool = False,
) -> int:
    """Play a recorded session: the same events in the same order, also of one that is still being recorded.

    Parameters
    ----------
    directory
        The session's folder (`run --record`), or a file of events that `run --json` printed.
    speed
        0.5 to 100 times as fast as it was (default 1), or 0 for as fast as it goes.
    begin
        Where to begin, for instance 12:30; what was before comes at once.
    json
        Events as JSON Lines on standard output, and nothing else there.
    plain
        One line per settled label instead of the dashboard.
    """
    if json and plain:
        raise ConfigError("--json and --plain exclude each other; choose one.")
    if not (speed == 0 or 0.5 <= speed <= 100):
        raise ConfigError("--speed of a replay is 0.5 to 100, or 0 for as fast as it goes.")
    from livemerc.console import session_table as room

    begin_s = room.seconds(begin)
    with process.StopOnSignal() as signals:
        try:
            return room.replay(_session(directory), signals, speed=speed, begin_s=begin_s, json=json, plain=plain)
        except KeyboardInterrupt:
            return EXIT_OK


@app.command(sort_key=4)
def export(
    directory: Path,
    /,
    *,
    format: Annotated[
        Literal["jsonl", "csv", "parquet", "srt", "vtt", "rttm", "emotionml", "textgrid", "audacity"],
        Parameter(name=("--format", "-f")),
    ],
    output: Annotated[Path | None, Parameter(name=("--output", "-o"), metavar="FILE")] = None,
    original: bool = False,
) -> int:
    """Write a recorded session in a format that other programs read; corrections are applied.

    Parameters
    ----------
    directory
        The session's folder (`run --record`), or a file of events that `run --json` printed.
    format
        Tables, subtitles, turns, annotations, or the events themselves: docs/formats.md describes each.
    output
        A file, written whole or not at all, over an earlier one (default: standard output).
    original
        As it was recorded: without the corrections.
    """
    from livemerc.export import output as place
    from livemerc.export import run

    if output is not None:
        place.check_target(output, directory)
    return run(_session(directory), format, output, original=original)


@app.command(sort_key=4)
def report(
    directory: Path,
    /,
    *,
    output: Annotated[Path, Parameter(name=("--output", "-o"), metavar="FILE")],
    anonymise: bool = False,
) -> int:
    """Write one self-contained, printable HTML page about a recorded session; corrections are applied.

    Parameters
    ----------
    directory
        The session's folder (`run --record`), or a file of events that `run --json` printed.
    output
        The HTML file, written whole or not at all, over an earlier one, readable by its owner alone.
    anonymise
        Replace speakers' names, and by a simple rule names and numbers in the words; check before sharing.
    """
    from livemerc import report as room

    return room.report(_session(directory), output, anonymise=anonymise)


@app.command(sort_key=4)
def sessions(directory: Path, /) -> int:
    """List the recorded sessions in a folder: when, how long, from what, and which are damaged.

    Parameters
    ----------
    directory
        A folder of sessions' folders, or a session's own.
    """
    from livemerc.console import session_table as room

    return room.list_sessions(_session(directory))


@app.command(sort_key=4)
def rerun(
    directory: Path,
    /,
    *,
    record: Annotated[Path | None, Parameter(name=("--record", "-o"), metavar="DIR")] = None,
    record_audio: bool = False,
    from_text: bool = False,
    as_heard: bool = False,
    asr: Literal["auto", "faster-whisper", "pocketsphinx", "transcript", "none"] | None = None,
    transcript: Path | None = None,
    model: str | None = None,
    language: str | None = None,
    asr_window: Literal["full", "adaptive"] | None = None,
    vad: Literal["webrtc", "silero"] | None = None,
    checkpoint: Path | None = None,
    device: Literal["auto", "cpu", "cuda"] | None = None,
    context: int | None = None,
    text_only: bool | None = None,
    offline: bool = False,
    json: bool = False,
    plain: bool = False,
) -> int:
    """Run a recorded session through another model, into a new session; without recorded audio its words.

    What no flag says is as it was when the session was recorded.

    Parameters
    ----------
    directory
        The session's folder (`run --record`), or a file of events that `run --json` printed.
    record
        Folder of the new session: it must be new or empty (default: the old one's name and -rerun, beside it).
    record_audio
        Put the audio into the new session, too.
    from_text
        Judge the recorded words, also where audio was kept; the voice is then not judged.
    as_heard
        With the recorded words: without a person's corrections (`livemerc label`), which are otherwise taken.
    asr
        Speech recogniser for the recorded audio.
    transcript
        Sidecar transcript (VTT, SRT or STM) instead of a recogniser.
    model
        Whisper size (tiny, base, small, ...) or the path of a converted model.
    language
        Language code of the speech for Whisper.
    asr_window
        What Whisper looks at: its full 30 s, or adaptive, the utterance and a margin, for models trained for that.
    vad
        Voice activity detector.
    checkpoint
        Folder of an emotion checkpoint.
    device
        Where to compute.
    context
        Utterances the model sees, the newest one included.
    text_only
        Judge the words alone: no inference from the voice (--text-only=false: judge it although it was not).
    offline
        Make no network call at all.
    json
        Events as JSON Lines on standard output, and nothing else there.
    plain
        One line per settled label instead of the dashboard.
    """
    if json and plain:
        raise ConfigError("--json and --plain exclude each other; choose one.")
    if transcript is not None and asr not in (None, "transcript"):
        raise ConfigError(f"--transcript and --asr {asr} exclude each other; leave one out.")
    if text_only and asr == "none":
        raise ConfigError("--text-only and --asr none leave nothing to judge; leave one out.")
    settings = {
        "vad.engine": vad,
        "asr.engine": "transcript" if transcript is not None else asr,
        "asr.transcript": None if transcript is None else str(transcript),
        "asr.model": model,
        "asr.language": language,
        "asr.window": asr_window,
        "model.checkpoint": None if checkpoint is None else str(checkpoint),
        "model.device": device,
        "model.text_only": text_only,
        "dialogue.context": context,
        "offline": True if offline else None,
    }
    with process.StopOnSignal() as signals:
        try:
            from livemerc.console.show import show_rerun
            from livemerc.pipeline import rerun as room

            options = room.Options(
                new=record, from_text=from_text, as_heard=as_heard, record_audio=record_audio, settings=settings
            )
            rerun = room.open_rerun(_session(directory), options)
            return show_rerun(rerun, signals, json=json, plain=plain)
        except KeyboardInterrupt:
            return EXIT_OK


@app.command(sort_key=4)
def compare(
    first: Annotated[Path, Parameter(name="A")],
    second: Annotated[Path, Parameter(name="B")],
    /,
    *,
    everything: Annotated[bool, Parameter(name="--all")] = False,
    json: bool = False,
) -> int:
    """Show where two sessions of the same speech differ: labels, doubts, words; agreement, kappa, confusion.

    Parameters
    ----------
    first
        A session's folder, or a file of events.
    second
        Another of the same speech, for instance from `livemerc rerun`.
    everything
        Show the utterances that agree, too.
    json
        The comparison as one JSON object.
    """
    from livemerc.console import comparison_table as room

    return room.main(_session(first), _session(second), json=json, everything=everything)


@app.command(sort_key=4)
def label(
    directory: Path,
    /,
    *,
    order: Literal["time", "certainty"] | None = None,
    export: Annotated[Path | None, Parameter(name=("--export", "-o"), metavar="FILE")] = None,
    everything: Annotated[bool, Parameter(name="--all")] = False,
    split: str | None = None,
) -> int:
    """Correct a recorded session with the keyboard: emotions, words, speakers; or write it as a manifest.

    Corrections are saved at once, beside the events (corrections.jsonl), which stay as they were.

    Parameters
    ----------
    directory
        The session's folder (`run --record`).
    order
        time (default), or certainty: the least certain first.
    export
        Write what a person has labelled as a manifest for `livemerc-train`, instead of opening the screen; an earlier
        file is replaced.
    everything
        --export: the model's labels for what nobody has labelled, too.
    split
        --export: what stands in the column split (default test).
    """
    if export is None and (everything or split is not None):
        raise ConfigError("--all and --split go with --export FILE; give it, or leave them out.")
    if export is not None and order is not None:
        raise ConfigError("--order goes with the screen, and --export opens none; leave one out.")
    from livemerc.dashboard.label import run as labelling

    directory = _session(directory)
    if export is not None:
        return labelling.export(directory, export, everything=everything, split=split)
    return labelling.label(directory, least_certain_first=order == "certainty")


def _session(path: Path) -> Path:
    """The folder of a session whose events were named: its settings, audio and corrections lie beside them."""
    from livemerc.sessions.journal import EVENTS_FILE, SESSION_FILE

    return path.parent if path.name == EVENTS_FILE and (path.parent / SESSION_FILE).is_file() else path
