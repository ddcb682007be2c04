"""A monitor that is recorded: its events go to a journal first, and then to whoever iterates."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from livemerc.audio.source import Block, Source, speakers_of
from livemerc.config import Config
from livemerc.errors import ConfigError, cause_of
from livemerc.events import EmotionEvent, Event, LabelShift, SessionStart, SpeakerName, UtteranceFinal, UtteranceSpeaker
from livemerc.model.checkpoint import checkpoint_info
from livemerc.pipeline.monitor import Monitor
from livemerc.pipeline.resume import BrokenOff
from livemerc.runtime.gauges import Gauges
from livemerc.runtime.notices import Notice
from livemerc.sessions.bookmarks import Bookmark, append_bookmark
from livemerc.sessions.folder import RerunOf
from livemerc.sessions.recorder import Recorder
from livemerc.speakers.voiceprints import Consent
from livemerc.text_safety import plain_text

Rewrite = Callable[[Iterator[Event]], Iterator[Event]]


class RecordingMonitor:
    """A monitor whose events are recorded first, and then handed on to whoever iterates.

    Records from the beginning into `folder`, if there is one; `toggle_recording` ends that and begins others. A
    recording that begins later has the session's `session.start` and clock, and of the utterances only those whose
    words came since. rewrite: what becomes of the monitor's events before all else (a rerun's). zero: zero of the
    session's clock, None = now. rerun_of: what `session.json` says of that. goes_on: the session in `folder`, which is
    appended to. `events()` once; everything else from any thread. Raises `ConfigError` where `folder` cannot be
    recorded to.
    """

    def __init__(
        self,
        monitor: Monitor,
        folder: Path | None,
        *,
        audio: bool = False,
        rewrite: Rewrite = iter,
        zero: datetime | None = None,
        rerun_of: RerunOf | None = None,
        goes_on: BrokenOff | None = None,
    ) -> None:
        self.monitor = monitor
        self.recorders: list[Recorder] = []
        """All of this session, the newest last."""
        self._rewrite = rewrite if goes_on is None else goes_on.rewrite
        self._goes_on = goes_on
        self._zero = zero or datetime.now(UTC)
        self._rerun_of = rerun_of
        self._checkpoint = checkpoint_info(monitor.config.model.checkpoint)
        self._switching = threading.Lock()
        self._recorder: Recorder | None = None
        self._first: SessionStart | None = None
        self._since: set[str] | None = None  # utterances whose finals are in a recording that began later
        self._names: dict[str, SpeakerName] = {}  # what each speaker was called last
        self._bookmarks: list[Bookmark] = []
        self._notice_shown_at = [] if goes_on is None else list(goes_on.info.notice_shown_at)
        self._over = False
        if audio if goes_on is None else goes_on.info.audio is not None:
            monitor.tap(self._hear)
        if folder is not None:
            self._recorder = self._begin(folder, audio) if goes_on is None else self._append_to(goes_on)

    # -- the monitor's own -----------------------------------------------------------------------------------------

    @property
    def source(self) -> Source:
        return self.monitor.source

    @property
    def config(self) -> Config:
        return self.monitor.config

    @property
    def announcements(self) -> list[str]:
        return self.monitor.announcements

    @property
    def paused(self) -> bool:
        return self.monitor.paused

    def pause(self, paused: bool) -> None:
        """As `Monitor.pause`."""
        self.monitor.pause(paused)

    def switch(self, device: str | int) -> None:
        """As `Monitor.switch`. Raises `MicrophoneError`."""
        self.monitor.switch(device)

    @property
    def tells_voices_apart(self) -> bool:
        return self.monitor.tells_voices_apart

    def name_speaker(self, speaker: str, name: str | None) -> None:
        """As `Monitor.name_speaker`. Raises `ConfigError`, also once the session has ended."""
        if self._over:
            raise ConfigError("the session has ended; `livemerc label` corrects who spoke in a recording.")
        self.monitor.name_speaker(speaker, name)

    def remember_voice(self, speaker: str, name: str, consent: Consent) -> None:
        """As `Monitor.remember_voice`. Raises `LivemercError`."""
        self.monitor.remember_voice(speaker, name, consent)

    def stop(self) -> None:
        """As `Monitor.stop`."""
        self.monitor.stop()

    def gauges(self) -> Gauges:
        """As `Monitor.gauges`."""
        return self.monitor.gauges()

    # -- recording -------------------------------------------------------------------------------------------------

    @property
    def recording(self) -> str | None:
        """What is being recorded, for the screen; None where nothing is."""
        recorder = self._recorder
        return None if recorder is None or recorder.stopped else recorder.short

    @property
    def recording_folder(self) -> Path | None:
        """Where it is being recorded to."""
        recorder = self._recorder
        return None if recorder is None or recorder.stopped else recorder.folder

    def toggle_recording(self) -> str:
        """From any thread: end the recording, or begin one of the events in a new folder. Returns a sentence."""
        with self._switching:
            if self._over:
                return "The session has ended; there is nothing to record any more."
            recorder = self._recorder
            if recorder is not None and recorder.stopped is None:
                self._recorder = None
                recorder.close()
                return f"Recording ended: {plain_text(str(recorder.folder))}"
            try:
                recorder = self._begin(new_folder(self.config), audio=False)
            except ConfigError as error:
                return plain_text(str(error))
            self.monitor.notices.tell(Notice.RECORDING, None)  # what was said of an earlier one
            self._since = set()
            if self._first is not None:
                recorder.write(self._first)
            for name in self._names.values():
                recorder.write(name)
            with contextlib.suppress(OSError):  # the recorder itself says what is wrong with its folder
                for bookmark in self._bookmarks:
                    append_bookmark(recorder.folder, bookmark)
            self._recorder = recorder
            return f"Recording to {plain_text(recorder.what)}"

    def bookmark(self, bookmark: Bookmark) -> str:
        """From any thread: keep it with this session's recordings, those that begin later too. Returns a sentence."""
        with self._switching:
            self._bookmarks.append(bookmark)
            recorder = self._recorder
            if recorder is None or recorder.stopped is not None:
                return "Marked; nothing is being recorded, so that only a recording that begins later will keep it"
            try:
                append_bookmark(recorder.folder, bookmark)
            except (OSError, ValueError) as error:
                return f"Marked on the screen alone: the recording's folder does not take it ({cause_of(error)})"
            return "Marked, and kept with the recording"

    def notice_shown(self) -> str:
        """From any thread: people were shown the notice now; the session's recordings keep when, those that begin later
        too. Returns a sentence."""
        with self._switching:
            self._notice_shown_at.append(datetime.now(UTC).isoformat(timespec="seconds"))
            recorder = self._recorder
            if recorder is None or recorder.stopped is not None:
                return (
                    "The notice is shown; nothing is being recorded, so only a recording that begins later keeps when"
                )
            try:
                recorder.notice_shown(self._notice_shown_at)
            except (OSError, ValueError) as error:
                return f"The notice is shown; the recording's folder does not take the time ({cause_of(error)})"
            return "The notice is shown, and the recording keeps when"

    def events(self) -> Iterator[Event]:
        """`session.start` first, `session.end` last. Closing the iterator early stops the session without flushing."""
        own = self.monitor.events()
        try:
            for event in self._rewrite(own):
                self._write(event)
                yield event
        finally:
            cast("Generator[Event]", own).close()
            with self._switching:
                self._over = True
                if self._recorder is not None:
                    self._recorder.close()

    def _begin(self, folder: Path, audio: bool) -> Recorder:
        recorder = Recorder(
            folder,
            source=self.source.name,
            rate_hz=self.source.rate_hz,
            speakers=speakers_of(self.source),
            live=self.source.live,
            checkpoint=self._checkpoint,
            config=self.config,
            audio=audio,
            started_at=self._zero,
            rerun_of=self._rerun_of,
            notice_shown_at=self._notice_shown_at,
            notice=self._tell_recording,
        )
        self.recorders.append(recorder)
        return recorder

    def _append_to(self, session: BrokenOff) -> Recorder:
        notice = self._tell_recording
        recorder = Recorder.append(session.folder, session.info, live=self.source.live, notice=notice)
        self.recorders.append(recorder)
        return recorder

    def _tell_recording(self, sentence: str) -> None:
        self.monitor.notices.tell(Notice.RECORDING, sentence)

    def _write(self, event: Event) -> None:
        if isinstance(event, SessionStart):
            self._first = event
            if self._goes_on is not None and self._goes_on.start is not None:
                return  # it is recorded already
        with self._switching:
            if isinstance(event, SpeakerName):
                self._names[event.speaker] = event
            if self._recorder is None:
                return
            if self._since is not None:
                if isinstance(event, UtteranceFinal):
                    self._since.add(event.utterance_id)
                elif self._is_of_before(event):
                    return
            self._recorder.write(event)

    def _is_of_before(self, event: Event) -> bool:
        """Whether it is about an utterance whose words are not in the recording."""
        if (
            not isinstance(event, EmotionEvent | LabelShift | UtteranceSpeaker)
            or getattr(event, "status", None) == "partial"
        ):
            return False
        return self._since is not None and event.utterance_id not in self._since

    def _hear(self, block: Block) -> None:
        recorder = self._recorder
        if recorder is not None:
            recorder.audio(block)


def new_folder(settings: Config) -> Path:
    """A name by the time of day, which nothing has yet, in `record.folder`."""
    if settings.record.folder is not None:
        where = Path(settings.record.folder)
    else:
        import platformdirs

        where = Path(platformdirs.user_data_dir("livemerc")) / "sessions"
    name = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    count, folder = 1, where / name
    while folder.exists():
        count += 1
        folder = where / f"{name}_{count}"
    return folder
