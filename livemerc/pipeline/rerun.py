"""A recorded session through another model, from its audio, or from its words where none was kept.

Audio is heard anew: voice activity, endpointing, recogniser, model. Words alone keep their utterances, times and
speakers, and go through the same chain from the dialogue on. Settings are those of the recording but for the flags.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import UNSET

from livemerc.audio.file_source import FileSource
from livemerc.audio.source import Block
from livemerc.config import GONE_ENGINE, Config, load_config, settings_from
from livemerc.errors import ConfigError, InputError
from livemerc.events import Event, SessionStart, UtteranceFinal
from livemerc.pipeline.monitor import Monitor
from livemerc.pipeline.recorded_words import RecordedWords, final_asr
from livemerc.pipeline.recording_monitor import RecordingMonitor
from livemerc.purpose import WORDS_ALONE, check_same_use
from livemerc.sessions.folder import SESSION_FILE, AudioTrack, RerunOf, check_new
from livemerc.sessions.session import RecordedSession, RecordedUtterance, read_session
from livemerc.text_safety import encodable

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


@dataclass(slots=True)
class Rerun:
    """A recorded session that is about to run again. Nothing is written before `begin`; `close` where it never does."""

    session: RecordedSession
    config: Config
    source: RecordedAudio | RecordedWords
    folder: Path
    """Of the new session."""
    record_audio: bool = False
    announcements: list[str] = field(default_factory=list)

    def begin(self) -> RecordingMonitor:
        """Its events are those of the new session, which is written meanwhile. Raises `ConfigError`."""
        words = self.source if isinstance(self.source, RecordedWords) else None
        try:
            monitor = Monitor(self.source, self.config, engine=None if words is None else words.engine())
            monitor.announcements += self.announcements
            return RecordingMonitor(
                monitor, self.folder, audio=self.record_audio, rewrite=self._as_then,
                zero=_time(self.session.started_at), rerun_of=self._of(words),
            )  # fmt: skip
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Lets go of the audio."""
        self.source.close()

    def _of(self, words: RecordedWords | None) -> RerunOf:
        session = self.session
        what: Literal["audio", "text"] = "audio" if words is None else "text"
        return RerunOf(
            session=encodable(session.name),
            started_at=encodable(session.started_at),
            checkpoint=session.info.checkpoint if session.info else session.start.checkpoint if session.start else None,
            what=what,
            corrected=words is not None and any(_mended(utterance) for utterance in words.utterances),
            at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _as_then(self, events: Iterator[Event]) -> Iterator[Event]:
        """The events with the clock of the recorded session and, where its words are judged, with their recogniser."""
        words = self.source if isinstance(self.source, RecordedWords) else None
        finals = {} if words is None else {u.utterance_id: final_asr(u) for u in words.utterances}
        then = self.session.start
        for event in events:
            if isinstance(event, SessionStart) and then is not None:
                asr = event.asr if words is None else then.asr
                yield msgspec.structs.replace(event, started_at=then.started_at, asr=asr)
            elif isinstance(event, UtteranceFinal) and event.utterance_id in finals:
                # gated anew: by the language that is given now, or because there are no words in it
                asr_then = finals[event.utterance_id]
                yield msgspec.structs.replace(event, asr=msgspec.structs.replace(asr_then, gated=event.asr.gated))
            else:
                yield event


def open_rerun(directory: Path, options: Options) -> Rerun:
    """Reads the session and opens what is to be heard or judged.

    Without audio, or with `from_text`, the recorded words are judged, with a person's corrections of words and
    speakers unless `as_heard`. The voice is then absent. Raises `LivemercError`.
    """
    session = read_session(directory)
    if session.growing:
        raise InputError(f"{directory}: this session is still being recorded; run it again once it has ended.")
    if options.as_heard and not options.from_text and session.audio() is not None:
        raise ConfigError("--as-heard chooses the words of --from-text, and audio is heard anew; leave it out.")
    new = options.new if options.new is not None else default_folder(directory)
    check_new(new)
    audio = None if options.from_text else _audio(session)
    return _of_words(session, options, new) if audio is None else _of_audio(session, audio, options, new)


def rerun_monitor(directory: Path, options: Options) -> RecordingMonitor:
    """`open_rerun`, begun. Raises `LivemercError`."""
    return open_rerun(directory, options).begin()


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
    flags = _lawful(session, flags)
    if flags.get("model.text_only") or flags["purpose"] in WORDS_ALONE:
        flags["speakers.diarize"] = False  # as recorded, and nobody is told apart by words
    if session.info is None:
        return load_config(None, flags), []
    known: dict[str, Any] = msgspec.to_builtins(Config())
    tree: dict[str, Any] = {}
    unknown: list[str] = []
    gone = False
    for section, value in session.info.config.items():
        if section not in known:
            unknown.append(section)
        elif isinstance(known[section], dict) and isinstance(value, dict):
            tree[section] = {key: value[key] for key in value if key in known[section]}
            if section == "asr" and value.get("engine") == GONE_ENGINE:
                gone = True
                tree[section] |= {"engine": "auto", "model": None}
            unknown += [f"{section}.{key}" for key in value if key not in known[section]]
        else:
            tree[section] = value
    origin = f"{session.name}/{SESSION_FILE}"
    try:
        settings_from(tree, {}, origin)
    except (ConfigError, AttributeError) as error:  # a section that is no section
        raise InputError(f"{error} Its recorded settings are damaged; run its audio with `livemerc run`.") from error
    if flags["purpose"] in WORDS_ALONE:
        tree.pop("judge_voice_of", None)
    warnings = []
    if gone:
        warnings.append(
            f"{origin}: its words were {GONE_ENGINE}'s, which is gone; today's default recogniser gives new ones."
        )
    if unknown:
        names = ", ".join(encodable(name)[:60] for name in unknown[:5])
        warnings.append(f"{origin}: {len(unknown)} setting(s) of another livemerc are left out ({names}).")
    return settings_from(tree, flags, "the command line"), warnings


def _lawful(session: RecordedSession, flags: Mapping[str, Any]) -> dict[str, Any]:
    """The flags, with the purpose and with whose voice is judged. What was recorded for work or education stays that;
    what this machine's file or environment forbids, no recording allows. Raises `ConfigError`."""
    start, info = session.start, session.info
    then = None if start is None else start.purpose
    told = [then, None if info is None else info.config.get("purpose")]
    recorded = next((purpose for purpose in told if purpose in WORDS_ALONE), None)
    check_same_use(recorded, flags.get("purpose"))
    purpose = flags.get("purpose") or recorded
    here = load_config(None, {"purpose": purpose})  # what it asks for itself is refused as for `livemerc run`
    if purpose is None:
        purpose = here.purpose if here.purpose in WORDS_ALONE else then if info is None else None
    names = flags.get("judge_voice_of")
    if names is None and purpose not in WORDS_ALONE and (info is None or info.config.get("judge_voice_of") is None):
        names = here.judge_voice_of
    return {**flags, "purpose": purpose, "judge_voice_of": names}


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


def _of_audio(session: RecordedSession, audio: Path, options: Options, new: Path) -> Rerun:
    assert session.info is not None
    assert session.info.audio is not None
    track = session.info.audio
    config, warnings = recorded_settings(session, options.settings)
    if config.offline:
        os.environ["HF_HUB_OFFLINE"] = "1"  # before any library reads it
    try:
        source = RecordedAudio(audio, track, encodable(session.source), config.audio.block_ms)
    except ConfigError as error:  # speakers and channels
        raise InputError(
            f"{audio}: not the {len(track.speakers)} channels that session.json tells of; judge the recorded words "
            "alone with --from-text."
        ) from error
    source.warnings += warnings
    return Rerun(session, config, source, new, options.record_audio)


# -- words -------------------------------------------------------------------------------------------------------------


def _of_words(session: RecordedSession, options: Options, new: Path) -> Rerun:
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
    config, warnings = recorded_settings(session, {**options.settings, "model.text_only": True})
    source = RecordedWords(session, config)
    source.warnings += warnings
    corrected = any(_mended(utterance) for utterance in session.utterances)
    kept = "--from-text" if options.from_text else "no audio was kept"
    which = "with a person's corrections" if corrected else "as they were heard"
    return Rerun(
        session, config, source, new,
        announcements=[f"The recorded words are judged, {which} ({kept}); the voice is not."],
    )  # fmt: skip


def _mended(utterance: RecordedUtterance) -> bool:
    correction = utterance.correction
    return correction is not None and any(
        field is not None and field is not UNSET for field in (correction.text, correction.speaker)
    )


def _time(started_at: str) -> datetime | None:
    """None where the record holds no time: then the session's clock begins now."""
    try:
        return datetime.fromisoformat(started_at)
    except ValueError:
        return None
