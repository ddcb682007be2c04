"""A labelled session as the manifest that `livemerc-train` reads: one CSV, one dialogue."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from livemerc.audio.file_source import FileSource
from livemerc.audio.flac_writer import FlacWriter
from livemerc.audio.playback import read_stretch
from livemerc.errors import ConfigError, InputError
from livemerc.journal import AudioTrack
from livemerc.recorded import RecordedSession, RecordedUtterance
from livemerc.text_safety import plain_text

COLUMNS = ("dialogue_id", "utterance_id", "speaker", "audio", "start_s", "end_s", "text", "emotion", "split")
DEFAULT_SPLIT = "test"
"""What is not said to be for training is not trained on."""
_SHORTEST_S = 0.002


@dataclass(frozen=True, slots=True)
class Written:
    """What `write_manifest` did. `warnings` are sentences for the user."""

    rows: int
    left_out: int
    warnings: list[str]


def write_manifest(
    session: RecordedSession,
    path: Path,
    *,
    everything: bool = False,
    split: str = DEFAULT_SPLIT,
    force: bool = False,
) -> Written:
    """Rows by time: the utterances that a person labelled; with `everything` the model's labels for the others, too.

    Audio is the session's own, named from the CSV. With a channel for each speaker a row's audio is a clip of its
    channel, in a folder beside the CSV: what reads the manifest mixes channels. Words that were screened out are left
    out, as the model never saw them. Utterances in which a person found nothing to judge are never written.
    Raises `ConfigError` (the file exists, cannot be written), `InputError` (nothing is labelled, unreadable audio).
    """
    rows = [u for u in session.utterances if u.corrected_emotion or (everything and u.label and not u.nothing_to_judge)]
    if not rows:
        raise InputError(f"{session.path}: no utterance has a person's label yet; `livemerc label` sets them.")
    clips = path.with_name(f"{path.stem}-clips")
    for there in (path, clips):
        if os.path.lexists(there) and not force:
            raise ConfigError(f"{there} exists already; give another name, or --force to replace it.")
    track = None if session.info is None else session.info.audio
    audio = session.audio()
    warnings: list[str] = []
    try:
        named = (
            ["" for _ in rows] if audio is None or track is None else _audio(rows, audio, track, path, clips, warnings)
        )
        _write(session, rows, named, track, path, split)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); choose another place.") from error
    return Written(len(rows), len(session.utterances) - len(rows), warnings)


def _write(
    session: RecordedSession,
    rows: Sequence[RecordedUtterance],
    named: Sequence[str],
    track: AudioTrack | None,
    path: Path,
    split: str,
) -> None:
    dialogue = plain_text(f"{session.name}@{session.started_at}" if session.started_at else session.name)
    begin_s = 0.0 if track is None else track.start_s
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", newline="", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        try:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for utterance, audio in zip(rows, named, strict=True):
                start_s, end_s = utterance.start_s - begin_s, utterance.end_s - begin_s
                if audio and track is not None and len(track.speakers) > 1:
                    start_s, end_s = 0.0, end_s - start_s  # a clip
                times = [f"{max(0.0, start_s):.3f}", f"{end_s:.3f}"]
                if end_s - max(0.0, start_s) < _SHORTEST_S:  # of no length: the reader takes empty times
                    times = ["", ""]
                writer.writerow(
                    (
                        dialogue, plain_text(utterance.utterance_id), _line(utterance.speaker or ""), audio,
                        *times, "" if utterance.gated else _line(utterance.text),
                        plain_text(utterance.label or ""), split,
                    )
                )  # fmt: skip
            file.flush()
            os.fsync(file.fileno())
            file.close()
            os.replace(file.name, path)
        except BaseException:
            file.close()
            os.unlink(file.name)
            raise


def _line(text: str) -> str:
    """On one line, and nothing in it that a terminal would take for itself."""
    return " ".join(plain_text(text).split())


def _audio(
    rows: Sequence[RecordedUtterance], audio: Path, track: AudioTrack, path: Path, clips: Path, warnings: list[str]
) -> list[str]:
    """What stands in each row's column; "" where the recording ends before the utterance."""
    length_s = _length_s(audio)
    heard = [
        u.start_s - track.start_s < length_s and u.end_s - max(u.start_s, track.start_s) >= _SHORTEST_S for u in rows
    ]
    if missing := heard.count(False):
        warnings.append(f"{audio}: ends before {missing} of the utterances; these rows have no audio.")
    if len(track.speakers) <= 1:
        name = _named_from(path, audio)
        return [name if there else "" for there in heard]
    clips.mkdir(mode=0o700, exist_ok=True)
    for old in clips.glob("[0-9]*.flac"):
        old.unlink()
    named = []
    for number, (utterance, there) in enumerate(zip(rows, heard, strict=True), start=1):
        clip = clips / f"{number:05}.flac"
        if there:
            _clip(utterance, audio, track, clip)
        named.append(_named_from(path, clip) if there else "")
    return named


def _clip(utterance: RecordedUtterance, audio: Path, track: AudioTrack, clip: Path) -> None:
    start_s, end_s = utterance.start_s - track.start_s, utterance.end_s - track.start_s
    channel = channel_of(utterance, track)
    if channel is None:  # a transcript named the speaker: whoever is loudest speaks
        channels = [read_stretch(audio, start_s, end_s, number)[0] for number in range(track.channels)]
        channel = max(range(len(channels)), key=lambda number: float((channels[number] ** 2).mean()))
    samples, rate_hz = read_stretch(audio, start_s, end_s, channel)
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(clip, flags, 0o600), "r+b", buffering=0) as file:
        writer = FlacWriter(file, rate_hz)
        writer.write(samples)
        writer.close()


def channel_of(utterance: RecordedUtterance, track: AudioTrack) -> int | None:
    """The channel on which it was heard; None: of the only one, or nobody knows."""
    if len(track.speakers) > 1 and utterance.final.speaker in track.speakers:
        return track.speakers.index(utterance.final.speaker)
    return None


def _length_s(audio: Path) -> float:
    source = FileSource(audio, speed=0, block_ms=1000.0)
    try:
        return source.duration_s or sum(len(block.samples) for block in source.blocks()) / source.rate_hz
    finally:
        source.close()


def _named_from(path: Path, audio: Path) -> str:
    """As the CSV names it: relative to its folder; absolute from another drive."""
    try:
        return os.path.relpath(audio.resolve(), path.resolve().parent)
    except ValueError:
        return str(audio.resolve())
