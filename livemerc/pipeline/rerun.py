"""`livemerc rerun`: a recorded session through another model, from its audio, or from its words where none was kept.

Audio is heard anew: voice activity, endpointing, recogniser, model. Words alone keep their utterances, times and
speakers, and go through the same chain from the dialogue on. Settings are those of the recording but for the flags.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET

from livemerc.asr.engine import AsrEngine, Transcript
from livemerc.audio.ears import FLOOR_DBFS, EarItem
from livemerc.audio.file_source import FileSource
from livemerc.audio.items import Quiet, Utterance
from livemerc.audio.source import Block, Source, SourceHealth
from livemerc.config import SAMPLE_RATE_HZ, Config, load_config, settings_from
from livemerc.errors import ConfigError, InputError
from livemerc.events import Event, FinalAsr, SessionStart, UtteranceFinal
from livemerc.pipeline.recording import RecordedMonitor
from livemerc.sessions import journal
from livemerc.sessions.folder import SESSION_FILE, AudioTrack, RerunOf, check_new
from livemerc.sessions.session import RecordedSession, RecordedUtterance, read_session
from livemerc.text_safety import encodable, plain_text

_WRITTEN = FinalAsr(engine="transcript")
"""Of words that a person has corrected, as of a sidecar transcript: no recogniser's."""
_OF_THE_RECOGNISER = {
    "asr.engine": "--asr", "asr.model": "--model", "asr.transcript": "--transcript", "asr.window": "--asr-window",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The flags. `settings`: dotted keys of `Config`; None = as recorded."""

    new: Path | None = None
    from_text: bool = False
    as_heard: bool = False
    record_audio: bool = False
    settings: Mapping[str, Any]


def rerun_monitor(
    directory: Path, options: Options, prepare: Callable[[Config], object] = lambda settings: None
) -> RecordedMonitor:
    """The monitor of a new session, which is written while its events are taken.

    Without audio, or with `from_text`, the recorded words are judged, with a person's corrections of words and
    speakers unless `as_heard`. The voice is then absent. `prepare` is called with the settings before the new session
    is written to, for instance to fetch a model. Raises `LivemercError`.
    """
    session = read_session(directory)
    if session.growing:
        raise InputError(f"{directory}: this session is still being recorded; run it again once it has ended.")
    if options.as_heard and not options.from_text and session.audio() is not None:
        raise ConfigError("--as-heard chooses the words of --from-text, and audio is heard anew; leave it out.")
    new = options.new if options.new is not None else default_folder(directory)
    check_new(new)
    for warning in session.warnings:
        print(f"livemerc: warning: {plain_text(warning)}", file=sys.stderr)
    audio = None if options.from_text else _audio(session)
    return _of_words(session, options, new) if audio is None else _of_audio(session, audio, options, new, prepare)


def default_folder(directory: Path) -> Path:
    """DIR-rerun beside the session, or DIR-rerun-2, ...: the first that is free."""
    whole = directory.resolve()
    base = whole.with_name(f"{whole.stem if whole.is_file() else whole.name}-rerun")
    folder, count = base, 1
    while folder.exists() or folder.is_symlink():
        count += 1
        folder = base.with_name(f"{base.name}-{count}")
    return folder


def recorded_settings(session: RecordedSession, flags: Mapping[str, Any]) -> tuple[Config, list[str]]:
    """What the session was recorded with, and the flags over it; sentences about settings that are not known here.

    A file of events alone says nothing of settings: then those of this machine. Raises `ConfigError`, `InputError`.
    """
    if session.info is None:
        return load_config(None, flags), []
    known: dict[str, Any] = msgspec.to_builtins(Config())
    tree: dict[str, Any] = {}
    unknown: list[str] = []
    for section, value in session.info.config.items():
        if section not in known:
            unknown.append(section)
        elif isinstance(known[section], dict) and isinstance(value, dict):
            tree[section] = {key: value[key] for key in value if key in known[section]}
            unknown += [f"{section}.{key}" for key in value if key not in known[section]]
        else:
            tree[section] = value
    origin = f"{session.name}/{SESSION_FILE}"
    try:
        settings_from(tree, {}, origin)
    except (ConfigError, AttributeError) as error:  # a section that is no section
        raise InputError(f"{error} Its recorded settings are damaged; run its audio with `livemerc run`.") from error
    warnings = []
    if unknown:
        names = ", ".join(encodable(name)[:60] for name in unknown[:5])
        warnings.append(f"{origin}: {len(unknown)} setting(s) of another livemerc are left out ({names}).")
    return settings_from(tree, flags, "the command line"), warnings


# -- audio -------------------------------------------------------------------------------------------------------------


class RecordedAudio(FileSource):
    """A session's audio at its times and with its speakers, as fast as it goes."""

    def __init__(self, path: Path, track: AudioTrack, name: str, block_ms: float) -> None:
        super().__init__(path, speed=0, block_ms=block_ms, name=name, speakers=tuple(track.speakers))
        self._begin_s = track.start_s

    def blocks(self) -> Iterator[Block]:
        for block in super().blocks():
            yield replace(block, start_s=block.start_s + self._begin_s)


def _audio(session: RecordedSession) -> Path | None:
    try:
        return session.audio()
    except InputError as error:
        raise InputError(f"{error} Or judge the recorded words alone with --from-text.") from error


def _of_audio(
    session: RecordedSession, audio: Path, options: Options, new: Path, prepare: Callable[[Config], object]
) -> RecordedMonitor:
    assert session.info is not None
    assert session.info.audio is not None
    track = session.info.audio
    settings, warnings = recorded_settings(session, options.settings)
    if settings.offline:
        os.environ["HF_HUB_OFFLINE"] = "1"  # before any library reads it
    try:
        source = RecordedAudio(audio, track, encodable(session.source), settings.audio.block_ms)
    except ConfigError as error:  # speakers and channels
        raise InputError(
            f"{audio}: not the {len(track.speakers)} channels that session.json tells of; judge the recorded words "
            "alone with --from-text."
        ) from error
    source.warnings += warnings
    try:
        prepare(settings)
        return RerunMonitor(source, settings, new, session, "audio", corrected=False, audio=options.record_audio)
    except BaseException:
        source.close()
        raise


# -- words -------------------------------------------------------------------------------------------------------------


def _of_words(session: RecordedSession, options: Options, new: Path) -> RecordedMonitor:
    given = [flag for key, flag in _OF_THE_RECOGNISER.items() if options.settings.get(key) is not None]
    if given:
        raise ConfigError(f"{given[0]} needs audio, and the recorded words are judged here; leave it out.")
    if options.record_audio:
        raise ConfigError("--record-audio needs audio, and the recorded words are judged here; leave it out.")
    if not session.utterances:
        raise InputError(f"{session.path}: no utterances in this session, and no audio; there is nothing to judge.")
    if options.as_heard:
        session = read_session(session.path, corrected=False)
    # The voice was not kept; what the model would make of silence is no judgement of it.
    settings, warnings = recorded_settings(session, {**options.settings, "model.text_only": True})
    source = RecordedWords(session, settings)
    source.warnings += warnings
    corrected = any(_mended(utterance) for utterance in session.utterances)
    monitor = RerunMonitor(source, settings, new, session, "text", corrected=corrected)
    kept = "--from-text" if options.from_text else "no audio was kept"
    which = "with a person's corrections" if corrected else "as they were heard"
    monitor.announce(f"The recorded words are judged, {which} ({kept}); the voice is not.")
    return monitor


def _mended(utterance: RecordedUtterance) -> bool:
    correction = utterance.correction
    return correction is not None and any(
        field is not None and field is not UNSET for field in (correction.text, correction.speaker)
    )


class RecordedWords:
    """A source without sound: time passes from one recorded utterance to the next. It brings its own ears."""

    rate_hz = SAMPLE_RATE_HZ
    live = False
    speakers: tuple[str, ...] = ()

    def __init__(self, session: RecordedSession, settings: Config) -> None:
        self.name = encodable(session.source) or "recorded words"
        self.warnings: list[str] = []
        self.utterances = _in_order_of_finals(session)
        self._closed = False
        self._times_s: list[float] = []
        reached_s = 0.0
        for utterance in self.utterances:
            # when the endpointer had decided, as far as the record tells
            reached_s = max(reached_s, utterance.end_s + settings.endpoint.hangover_ms / 1000)
            self._times_s.append(reached_s)
        self._times_s.append(max(session.duration_s, max(u.end_s for u in self.utterances)))

    def ears(self, config: Config) -> WordEars:
        """What hears them."""
        return WordEars(self.utterances, config)

    def blocks(self) -> Iterator[Block]:
        """One at the end of every utterance, and one at the end of the session; none has samples."""
        for t_s in self._times_s:
            if self._closed:
                return
            yield Block(np.zeros(0, np.float32), t_s)

    def close(self) -> None:
        self._closed = True

    def health(self) -> SourceHealth:
        return SourceHealth()


class WordEars:
    """`livemerc.audio.ears.AnyEars` of `RecordedWords`: each block is the end of the next utterance."""

    level_dbfs = FLOOR_DBFS
    speaking = False

    def __init__(self, utterances: Sequence[RecordedUtterance], config: Config) -> None:
        self.t_s = 0.0
        self._utterances = utterances
        self._next = 0
        self._onset_s = config.endpoint.onset_ms / 1000
        self._freeze_after_s = config.dialogue.freeze_after_s
        self._quiet_due_s: float | None = None
        # of all that is still to come: somebody who spoke when a silence was due had begun before
        self._earliest_s = [u.start_s for u in utterances]
        for at in range(len(utterances) - 2, -1, -1):
            self._earliest_s[at] = min(self._earliest_s[at], self._earliest_s[at + 1])

    def feed(self, block: Block) -> list[EarItem]:
        self.t_s = max(self.t_s, block.start_s)
        if self._next >= len(self._utterances):
            return self._quiet(self.t_s)
        recorded = self._utterances[self._next]
        items = self._quiet(self._earliest_s[self._next] + self._onset_s)
        self._next += 1
        items.append(
            Utterance(
                utterance_id=recorded.utterance_id,
                samples=np.zeros(0, np.float32),
                samples_start_s=recorded.start_s,
                start_s=recorded.start_s,
                end_s=recorded.end_s,
                decided_s=max(self.t_s, recorded.end_s),
                forced_cut=False,
                speaker=recorded.speaker,
            )
        )
        self._quiet_due_s = max(self._quiet_due_s or 0.0, recorded.end_s + self._freeze_after_s)
        return items

    def flush(self) -> list[EarItem]:
        """Nothing is held back."""
        return []

    def _quiet(self, until_s: float) -> list[EarItem]:
        if self._quiet_due_s is None or until_s < self._quiet_due_s:
            return []
        due_s, self._quiet_due_s = self._quiet_due_s, None
        return [Quiet(due_s)]


class _RecordedWordsEngine:
    """The words of each utterance as they are recorded, gated where they were."""

    engine = "transcript"  # nothing is screened a second time
    model: str | None = None

    def __init__(self, utterances: Sequence[RecordedUtterance]) -> None:
        self._utterances = {utterance.utterance_id: utterance for utterance in utterances}

    def transcribe(self, utterance: Utterance) -> Transcript:
        recorded = self._utterances[utterance.utterance_id]
        asr = final_asr(recorded)
        return Transcript(recorded.text, confidence=asr.confidence, gated=recorded.gated)

    def partial(self, samples: np.ndarray) -> str:
        return ""

    def close(self) -> None:
        """Nothing to free."""


def final_asr(utterance: RecordedUtterance) -> FinalAsr:
    """Where its words come from: the recogniser of the time, or the person who corrected them."""
    if utterance.text != utterance.heard_text:
        return _WRITTEN
    return msgspec.structs.replace(utterance.asr, gated=utterance.gated)


def _in_order_of_finals(session: RecordedSession) -> list[RecordedUtterance]:
    """`session.utterances` are ordered by their begin; the dialogue got them in the order in which they ended."""
    finals = [e.utterance_id for e in journal.read(session.path).events if isinstance(e, UtteranceFinal)]
    order = {name: number for number, name in reversed(list(enumerate(finals)))}
    return sorted(session.utterances, key=lambda utterance: order[utterance.utterance_id])


# -- the session -------------------------------------------------------------------------------------------------------


class RerunMonitor(RecordedMonitor):
    """`RecordedMonitor` of a recorded session: its header says of which, and its clock is that session's."""

    def __init__(
        self,
        source: Source,
        settings: Config,
        folder: Path,
        session: RecordedSession,
        what: str,
        *,
        corrected: bool,
        audio: bool = False,
    ) -> None:
        self._session = session
        self._words = source if isinstance(source, RecordedWords) else None
        of = RerunOf(
            session=encodable(session.name),
            started_at=encodable(session.started_at),
            checkpoint=session.info.checkpoint if session.info else session.start.checkpoint if session.start else None,
            what="audio" if what == "audio" else "text",
            corrected=corrected,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        super().__init__(source, settings, folder, audio=audio, zero=_time(session.started_at), rerun_of=of)

    def _load_asr(self) -> AsrEngine | None:
        if self._words is None:
            return super()._load_asr()
        return _RecordedWordsEngine(self._words.utterances)

    def _offline(self) -> Iterator[Event]:
        finals = {} if self._words is None else {u.utterance_id: final_asr(u) for u in self._words.utterances}
        for event in super()._offline():
            if isinstance(event, SessionStart):
                yield self._as_then(event)
            elif isinstance(event, UtteranceFinal) and event.utterance_id in finals:
                # gated anew: by the language that is given now, or because there are no words in it
                asr = finals[event.utterance_id]
                yield msgspec.structs.replace(event, asr=msgspec.structs.replace(asr, gated=event.asr.gated))
            else:
                yield event

    def _as_then(self, start: SessionStart) -> SessionStart:
        then = self._session.start
        if then is None:
            return start
        asr = start.asr if self._words is None else then.asr
        return msgspec.structs.replace(start, started_at=then.started_at, asr=asr)


def _time(started_at: str) -> datetime | None:
    """None where the record holds no time: then the session's clock begins now."""
    try:
        return datetime.fromisoformat(started_at)
    except ValueError:
        return None
