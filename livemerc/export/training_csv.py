"""A labelled session as the manifest that `livemerc-train` reads: one CSV, one dialogue."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from livemerc.audio.file_source import FileSource
from livemerc.audio.flac_writer import FlacWriter
from livemerc.audio.playback import read_stretch
from livemerc.errors import ConfigError, InputError
from livemerc.export import output
from livemerc.sessions.folder import AudioTrack
from livemerc.sessions.session import RecordedSession, RecordedUtterance
from livemerc.text_safety import plain_text

COLUMNS = ("dialogue_id", "utterance_id", "speaker", "audio", "start_s", "end_s", "text", "emotion", "split")
DEFAULT_SPLIT = "test"
"""Rows are for testing unless the user says that they are for training."""
CONTEXT_SPLIT = "context"
"""Of rows without an emotion: they are heard and not judged, and stand in the window of their dialogue's others."""
_SHORTEST_S = 0.002
_CLIP_NAME = re.compile(r"\d{5,}\.flac")


@dataclass(frozen=True, slots=True)
class Written:
    """What `write_manifest` did: `rows` with an emotion, `context` without. `warnings` are sentences for the user."""

    rows: int
    context: int
    warnings: list[str]


def write_manifest(
    session: RecordedSession,
    path: Path,
    *,
    everything: bool = False,
    split: str = DEFAULT_SPLIT,
) -> Written:
    """Write a row for each utterance, in the order in which the dialogue got them.

    A row has the label that a person set; with `everything` the others have the model's. A row without a label is
    context, also where a person found nothing to judge. Audio is the session's own, named from the CSV. Where each
    speaker has a channel, a row's audio is a clip of that channel, in a folder beside the CSV, because readers of the
    manifest mix channels. Words that were screened out are left out, as the model never saw them. Audio that is gone
    or cannot be read is a warning, for the words are sound without it. An earlier file is replaced, whole or not at
    all. Raises `ConfigError` (a place that is not to be written to), `InputError` (nothing is labelled),
    `LivemercError` (the disk is full).
    """
    if split == CONTEXT_SPLIT:
        raise ConfigError(f"--split {split} is what rows without a label get; give another name.")
    labelled = {
        u.utterance_id
        for u in session.utterances
        if u.corrected_emotion or (everything and u.label and not u.nothing_to_judge)
    }
    if not labelled:
        raise InputError(f"{session.path}: {_nothing(session, everything)}")
    output.check_target(path, session.path)
    rows = sorted(session.utterances, key=lambda u: (u.end_s, u.start_s))  # an utterance is judged when it ends
    warnings: list[str] = []
    track = None if session.info is None else session.info.audio
    audio, length_s = _sound(session, warnings)
    with _Clips(path) as clips:
        if audio is None or track is None:
            named = ["" for _ in rows]
        else:
            named = _audio(rows, audio, length_s, track, path, clips, warnings)
        clips.keep()
        output.put(_table(session, rows, labelled, named, track, split), path)
    return Written(len(labelled), len(rows) - len(labelled), warnings)


def _nothing(session: RecordedSession, everything: bool) -> str:
    if not session.utterances:
        return "no utterances in this session; there is nothing to export."
    if everything:
        return "no utterance has a label; there is nothing to export."
    return "no utterance has a person's label yet; `livemerc label` sets them, --all takes the model's."


def _table(
    session: RecordedSession,
    rows: Sequence[RecordedUtterance],
    labelled: set[str],
    named: Sequence[str],
    track: AudioTrack | None,
    split: str,
) -> bytes:
    dialogue = plain_text(f"{session.name}@{session.started_at}" if session.started_at else session.name)
    begin_s = 0.0 if track is None else track.start_s
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for utterance, audio in zip(rows, named, strict=True):
        start_s, end_s = utterance.start_s - begin_s, utterance.end_s - begin_s
        if audio and track is not None and len(track.speakers) > 1:
            start_s, end_s = 0.0, end_s - start_s  # a clip
        times = [f"{max(0.0, start_s):.3f}", f"{end_s:.3f}"]
        if end_s - max(0.0, start_s) < _SHORTEST_S:  # it has no length, and the reader takes empty times
            times = ["", ""]
        judged = utterance.utterance_id in labelled
        writer.writerow(
            (
                dialogue, plain_text(utterance.utterance_id), _line(utterance.speaker or ""), audio, *times,
                "" if utterance.gated else _line(utterance.text),
                plain_text(utterance.label or "") if judged else "", split if judged else CONTEXT_SPLIT,
            )
        )  # fmt: skip
    return file.getvalue().encode()


def _line(text: str) -> str:
    """`text` on one line, without what a terminal would interpret."""
    return " ".join(plain_text(text).split())


# -- audio -------------------------------------------------------------------------------------------------------------


def _sound(session: RecordedSession, warnings: list[str]) -> tuple[Path | None, float]:
    """The recorded audio and how long it can be decoded, in seconds; None with a warning where it is of no use."""
    try:
        audio = session.audio()
        return audio, 0.0 if audio is None else _length_s(audio)
    except InputError as error:
        warnings.append(f"{error} The words alone are exported.")
        return None, 0.0


def _length_s(audio: Path) -> float:
    """The length that the header declares, if the file goes that far; else that of what can be decoded."""
    source = FileSource(audio, speed=0, block_ms=1000.0)
    try:
        if source.duration_s is not None and _ends_there(audio, source.duration_s):
            return source.duration_s
        return sum(len(block.samples) for block in source.blocks()) / source.rate_hz
    finally:
        source.close()


def _ends_there(audio: Path, end_s: float) -> bool:
    try:
        read_stretch(audio, end_s - 0.1, end_s)
    except InputError:
        return False
    return True


def _audio(
    rows: Sequence[RecordedUtterance],
    audio: Path,
    length_s: float,
    track: AudioTrack,
    path: Path,
    clips: _Clips,
    warnings: list[str],
) -> list[str]:
    """What each row says of its audio; "" where the recording ends before the utterance."""
    heard = [
        u.start_s - track.start_s < length_s and u.end_s - max(u.start_s, track.start_s) >= _SHORTEST_S for u in rows
    ]
    if missing := heard.count(False):
        warnings.append(f"{audio}: ends before {missing} of the utterances; these rows have no audio.")
    if len(track.speakers) <= 1:
        name = _named_from(path, audio)
        return [name if there else "" for there in heard]
    named = []
    for number, (utterance, there) in enumerate(zip(rows, heard, strict=True), start=1):
        name = f"{number:05}.flac"
        if there:
            _clip(utterance, audio, track, clips.folder() / name)
        named.append(_named_from(path, clips.final / name) if there else "")
    return named


class _Clips:
    """A folder of clips beside the CSV. It is made under another name and takes its place once it is whole.

    An earlier export's folder is replaced.
    """

    def __init__(self, path: Path) -> None:
        self.final = path.with_name(f"{path.stem}-clips")
        self._made: Path | None = None
        self._path = path

    def __enter__(self) -> _Clips:
        return self

    def __exit__(self, *_: object) -> None:
        if self._made is not None:
            shutil.rmtree(self._made, ignore_errors=True)

    def folder(self) -> Path:
        """Where clips are written. Raises `LivemercError`s."""
        if self._made is None:
            if os.path.lexists(self.final) and not self._is_ours():
                raise ConfigError(
                    f"{self.final}: clips of each speaker's channel go there, and it holds something else; give the "
                    "manifest another name."
                )
            try:
                self._made = Path(tempfile.mkdtemp(prefix=f".{self.final.name[:40]}.", dir=self.final.parent))
            except OSError as error:
                raise output.cannot_write(self._path, error) from error
        return self._made

    def _is_ours(self) -> bool:
        if self.final.is_symlink() or not self.final.is_dir():
            return False
        return all(_CLIP_NAME.fullmatch(child.name) and child.is_file() for child in self.final.iterdir())

    def keep(self) -> None:
        """Put the clips in their place. Raises `LivemercError`s."""
        if self._made is None:
            return
        try:
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(self.final)
            os.rename(self._made, self.final)
        except OSError as error:
            raise output.cannot_write(self._path, error) from error
        self._made = None


def _clip(utterance: RecordedUtterance, audio: Path, track: AudioTrack, clip: Path) -> None:
    start_s, end_s = utterance.start_s - track.start_s, utterance.end_s - track.start_s
    channel = channel_of(utterance, track)
    if channel is None:  # a transcript named the speaker: whoever is loudest speaks
        channels = [read_stretch(audio, start_s, end_s, number)[0] for number in range(track.channels)]
        channel = max(range(len(channels)), key=lambda number: float((channels[number] ** 2).mean()))
    samples, rate_hz = read_stretch(audio, start_s, end_s, channel)
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(clip, flags, 0o600), "r+b", buffering=0) as file:
            writer = FlacWriter(file, rate_hz)
            writer.write(samples)
            writer.close()
    except OSError as error:
        raise output.cannot_write(clip, error) from error


def channel_of(utterance: RecordedUtterance, track: AudioTrack) -> int | None:
    """The channel on which the utterance was heard; None where there is but one, or nobody knows which."""
    if len(track.speakers) > 1 and utterance.final.speaker in track.speakers:
        return track.speakers.index(utterance.final.speaker)
    return None


def _named_from(path: Path, audio: Path) -> str:
    """The audio's path as the CSV names it: relative to its folder, or absolute where it lies on another drive.

    Raises `InputError` for a path that is no UTF-8.
    """
    try:
        name = os.path.relpath(audio.resolve(), path.resolve().parent)
    except ValueError:
        name = str(audio.resolve())
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{audio}: a CSV cannot hold this path, which is not UTF-8; rename its folder.") from error
    return name if name == name.strip() else os.path.join(os.curdir, name)  # white space at its ends is not read
