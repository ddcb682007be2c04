"""The screen of a live session: it can pause the monitor, record, mark, and go on with another microphone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from textual.binding import BindingType

from livemerc.dashboard.keys import KEYS
from livemerc.dashboard.live_feed import LiveFeed
from livemerc.dashboard.screens.inputs import InputsScreen
from livemerc.dashboard.screens.name_speaker import ConsentScreen, NameGiven, NameSpeakerScreen
from livemerc.dashboard.screens.notice import NoticeScreen
from livemerc.dashboard.session_app import SessionApp
from livemerc.dashboard.state.speakers import heard_speakers
from livemerc.dashboard.watched import NamesSpeakers, WatchedMonitor, microphone_of
from livemerc.errors import EXIT_OK, LivemercError
from livemerc.runtime.process import EXIT_AT_ONCE
from livemerc.sessions.bookmarks import Bookmark
from livemerc.speakers.voiceprints import Consent, now, question_of


class DashboardApp(SessionApp):
    """One live session. With `exit_at_end` the screen closes when the events end, else it stays until `q`."""

    BINDINGS: ClassVar[list[BindingType]] = [*KEYS]

    def __init__(
        self,
        monitor: WatchedMonitor,
        *,
        exit_at_end: bool = False,
        clock: Callable[[], float] = time.monotonic,
        ticking: bool = True,
    ) -> None:
        self._monitor = monitor
        self._live_feed = LiveFeed(monitor)
        super().__init__(self._live_feed, clock=clock, ticking=ticking)
        self.exit_at_end = exit_at_end

    def update_state(self) -> None:
        self.state.recording = self._monitor.recording

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "inputs":
            voice = self.state.voice  # another microphone may hear others than the one whose voice is judged
            return microphone_of(self._monitor) is not None and (voice is None or not voice.by_channel)
        if action in ("pause", "record"):
            return not self.ended
        if action == "notice":
            return not self.ended and self.state.voice is not None
        if action == "name_speaker":
            return not self.ended and bool(self.state.speakers) and isinstance(self._monitor, NamesSpeakers)
        return super().check_action(action, parameters)

    def offers(self) -> tuple[bool, ...]:
        return *super().offers(), bool(self.state.speakers)

    # -- keys ----------------------------------------------------------------------------------------------------------

    def action_leave(self) -> None:
        """Finish the last utterance, then leave; asked a second time, leave at once."""
        if self.ended or self.leaving:
            self.exit(EXIT_OK if self.ended else EXIT_AT_ONCE)
            return
        self.leaving = True
        self.state.finishing()
        self._live_feed.stop()
        self.redraw()

    def action_pause(self) -> None:
        paused = not self._monitor.paused
        self._monitor.pause(paused)
        self.notify("Nothing is being heard; space goes on" if paused else "Listening again")
        self.tick()

    def action_record(self) -> None:
        self.notify(self._monitor.toggle_recording())
        self.tick()

    def action_notice(self) -> None:
        voice = self.state.voice
        if voice is not None:
            compared = self.state.start is not None and self.state.start.voiceprints is not None
            self.push_screen(NoticeScreen(voice, self._monitor.recording, compared=compared))
            self.notify(self._monitor.notice_shown())

    @property
    def session_folder(self) -> Path | None:
        return self._monitor.recording_folder

    @property
    def can_bookmark(self) -> bool:
        return not self.ended

    def keep_bookmark(self, bookmark: Bookmark) -> str:
        return self._monitor.bookmark(bookmark)

    # -- another microphone --------------------------------------------------------------------------------------------

    def action_inputs(self) -> None:
        from livemerc.audio.microphone.devices import inputs_now

        microphone = microphone_of(self._monitor)
        if microphone is not None and not self.ended:
            self.push_screen(InputsScreen(inputs_now, microphone.name.removeprefix("mic:")), self._switch)

    def _switch(self, device: str | int | None) -> None:
        if device is not None:
            self.run_worker(self._switched(device))

    async def _switched(self, device: str | int) -> None:
        microphone = microphone_of(self._monitor)
        assert microphone is not None
        try:
            await asyncio.to_thread(self._monitor.switch, device)  # opening a device takes its time
        except LivemercError as error:
            self.notify(str(error), severity="error")
        else:
            self.state.changed_source(microphone.name)
            self.notify(f"Listening to {microphone.name.removeprefix('mic:')}")

    # -- who speaks ----------------------------------------------------------------------------------------------------

    def action_name_speaker(self) -> None:
        speakers = heard_speakers(self.state.utterances)
        if not speakers or not isinstance(self._monitor, NamesSpeakers):
            return
        about = self.reader.selected or next((u for u in reversed(self.state.utterances) if u.speaker_id), None)
        ids = [one.speaker for one in speakers]
        at = ids.index(about.speaker_id) if about is not None and about.speaker_id in ids else 0
        self.push_screen(NameSpeakerScreen(speakers, at, voices=self._monitor.tells_voices_apart), self._named)

    def _named(self, given: NameGiven | None) -> None:
        if given is None or not isinstance(self._monitor, NamesSpeakers):
            return
        try:
            self._monitor.name_speaker(given.speaker, given.name)
        except LivemercError as error:
            self.notify(str(error), severity="error")
            return
        self.notify(f"{given.speaker} is {given.name}" if given.name else f"{given.speaker} has no name any more")
        if given.remember and given.name is not None:
            speaker, name, question = given.speaker, given.name, question_of(given.name)

            def answered(yes: bool | None) -> None:
                if yes:
                    consent = Consent(question=question, given_at=now(), how="screen")
                    self.run_worker(self._remembered(speaker, name, consent))
                else:
                    self.notify(f"{name} has not agreed: the voice is not remembered")

            self.push_screen(ConsentScreen(question), answered)

    async def _remembered(self, speaker: str, name: str, consent: Consent) -> None:
        assert isinstance(self._monitor, NamesSpeakers)
        try:
            await asyncio.to_thread(self._monitor.remember_voice, speaker, name, consent)  # a disk may be slow
        except LivemercError as error:
            self.notify(str(error), severity="error", timeout=8.0)
        else:
            self.notify(f"{name}'s voice is remembered (`livemerc speakers forget {name}` takes it away)", timeout=6.0)
