"""A recorded session that broke off and goes on: what its record holds, and the events that are new to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from livemerc.audio.resumed import Past
from livemerc.audio.source import Resumable, Source, speakers_of
from livemerc.config import Config
from livemerc.errors import ConfigError, InputError
from livemerc.events import EmotionEvent, Event, LabelShift, SessionEnd, SessionStart, Status, UtteranceFinal
from livemerc.model.checkpoint import checkpoint_info
from livemerc.pipeline.baselines import Baselines
from livemerc.sessions.folder import SessionInfo, being_recorded, holds_session
from livemerc.sessions.journal import Journal, read

_DECIDING = ("vad", "endpoint", "asr", "screening", "dialogue")
"""Settings on which events depend."""


class BrokenOff:
    """The record of a session that did not come to its end. `rewrite` once, over the events of the monitor that goes
    on: they come as if the session had never stopped, without those that were recorded."""

    def __init__(
        self, folder: Path, journal: Journal, info: SessionInfo, speakers: tuple[str, ...], context: int
    ) -> None:
        self.folder = folder
        self.info = info
        self.start = next((event for event in journal.events if isinstance(event, SessionStart)), None)
        finals = [event for event in journal.events if isinstance(event, UtteranceFinal)]
        self._last: dict[str, EmotionEvent] = {}
        for event in journal.events:
            if isinstance(event, EmotionEvent) and event.status != "partial":
                self._last[event.utterance_id] = event
        self._status_s = max((event.t_s for event in journal.events if isinstance(event, Status)), default=0.0)
        late = {name: event.late_text for name, event in self._last.items() if event.late_text}
        self.past = Past(
            tuple(_with_late_words(final, late.get(final.utterance_id)) for final in finals),
            speakers,
            window=frozenset(final.utterance_id for final in finals[-context:]),
            voices=self._voices(finals[:-context]),
        )

    def _voices(self, finals: Sequence[UtteranceFinal]) -> frozenset[str]:
        """The utterances whose voices are in baselines behind these: of judged voices, as live."""
        baselines: Baselines[str] = Baselines()
        for final in finals:
            last = self._last.get(final.utterance_id)
            if last is not None and last.modality.speech is not None:
                baselines.enter(final.speaker, final.utterance_id)
        return baselines.everybody()

    def rewrite(self, events: Iterable[Event]) -> Iterator[Event]:
        """`session.start` comes first, as it was recorded; it is for whoever watches, and not new to the record."""
        known = {final.utterance_id for final in self.past.finals}
        settled = {name for name, last in self._last.items() if last.status == "frozen"}
        new = 0
        going_on = False  # the utterances of the past have been given to the model again
        for event in events:
            if isinstance(event, SessionStart):
                yield event if self.start is None else msgspec.structs.replace(event, started_at=self.start.started_at)
            elif isinstance(event, UtteranceFinal):
                if event.utterance_id not in known:
                    going_on = True
                    new += 1
                    yield event
            elif isinstance(event, EmotionEvent):
                if (told := self._told(event, going_on=going_on)) is not None:
                    yield told
            elif isinstance(event, LabelShift):
                if event.utterance_id not in settled:
                    yield event
            elif isinstance(event, SessionEnd):
                yield msgspec.structs.replace(event, utterances=len(known) + new)
            elif not (isinstance(event, Status) and event.t_s < self._status_s):
                yield event

    def _told(self, event: EmotionEvent, *, going_on: bool) -> EmotionEvent | None:
        """The event as it follows what was recorded of its utterance; None where it says nothing new."""
        if event.status == "partial":
            return event
        last = self._last.get(event.utterance_id)
        if last is not None:
            if last.status == "frozen" or event.status == "provisional" or (event.status == "revised" and not going_on):
                return None
            late_text = event.late_text or last.late_text
            event = msgspec.structs.replace(event, revision=last.revision + 1, late_text=late_text)
        self._last[event.utterance_id] = event
        return event


def is_complete(folder: Path) -> bool:
    """Whether the session that was recorded there came to its end. Raises `InputError` where it cannot be read."""
    return holds_session(folder) and read(folder).ended


def broken_off(folder: Path, source: Source, config: Config) -> BrokenOff | None:
    """What there is to go on with; None where nothing was recorded yet, so that the session begins. The source is told
    what of it was heard.

    Raises `ConfigError` where the record is of another source or made with other settings, or is still being
    written, and `InputError` where it cannot be read.
    """
    if not holds_session(folder):
        return None
    if being_recorded(folder):
        raise ConfigError(f"--resume {folder}: the session is still being recorded; wait for it, or stop it first.")
    journal = read(folder)
    info = journal.info
    if info is None:
        raise InputError(f"{folder}: its session.json is missing or damaged, so it cannot go on; record anew.")
    _check_same(folder, info, source, config)
    if not isinstance(source, Resumable):
        raise ConfigError(f"--resume {folder}: {source.name} cannot be heard again from its beginning; give a file.")
    found = BrokenOff(folder, journal, info, speakers_of(source), config.dialogue.context)
    numbers = [final.utterance_id for final in found.past.finals]
    if numbers != [f"u{number}" for number in range(1, len(numbers) + 1)]:
        raise InputError(f"{folder}: utterances of this record are missing, so it cannot go on; record anew.")
    source.past = found.past
    return found


def _check_same(folder: Path, info: SessionInfo, source: Source, config: Config) -> None:
    if config.speakers.diarize or info.config.get("speakers", {}).get("diarize", False):
        raise ConfigError(f"--resume {folder}: who spoke is not known of what was recorded; record anew.")
    if info.source != source.name:
        raise ConfigError(
            f"--resume {folder}: this is a session of {info.source}, not of {source.name}; give that one."
        )
    checkpoint = checkpoint_info(config.model.checkpoint)
    if info.checkpoint.sha256 != checkpoint.sha256:
        raise ConfigError(
            f"--resume {folder}: its labels are of checkpoint {info.checkpoint.id}, not of {checkpoint.id} as it is "
            "now; give that one with --checkpoint."
        )
    now = msgspec.json.decode(msgspec.json.encode(config))  # as it was written
    for section in _DECIDING:
        for key, value in now[section].items():
            before = info.config.get(section, {}).get(key, value)
            if before != value:
                raise ConfigError(
                    f"--resume {folder}: {section}.{key} was {before}, and is {value} now; give the same."
                )
    if info.config.get("model", {}).get("text_only", False) != config.model.text_only:
        raise ConfigError(f"--resume {folder}: --text-only is not as it was; give the same.")
    for key in ("purpose", "judge_voice_of"):
        before = info.config.get(key, msgspec.to_builtins(Config())[key])
        if before != now[key]:
            raise ConfigError(f"--resume {folder}: {key} was {before}, and is {now[key]} now; give the same.")
    if info.audio is not None and tuple(info.audio.speakers) != speakers_of(source):
        raise ConfigError(f"--resume {folder}: --speakers is not as it was; give the same.")


def _with_late_words(final: UtteranceFinal, late_text: str | None) -> UtteranceFinal:
    if late_text is None:
        return final
    return msgspec.structs.replace(final, text=late_text, asr=msgspec.structs.replace(final.asr, gated=None))
