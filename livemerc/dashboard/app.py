"""The dashboard: a worker thread hands events over, the state takes them in, widgets redraw from it."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ClassVar

from textual.app import App, ComposeResult, SystemCommand
from textual.binding import BindingType
from textual.containers import Container
from textual.events import Resize
from textual.message import Message
from textual.notifications import SeverityLevel
from textual.screen import Screen

from livemerc.dashboard.keys import KEYS, KeyLine, commands, told
from livemerc.dashboard.layout import VIEWS, Plan, plan
from livemerc.dashboard.palette import PALETTES, Palette, palette_for
from livemerc.dashboard.panels.bars import NowPanel
from livemerc.dashboard.panels.health import HealthPanel
from livemerc.dashboard.panels.meter import MeterPanel
from livemerc.dashboard.panels.panel import Panel
from livemerc.dashboard.panels.status_line import HeaderLine, StatusLine, TroubleBanner
from livemerc.dashboard.panels.summary import SummaryPanel
from livemerc.dashboard.panels.timeline import CoursePanel, TimelinePanel
from livemerc.dashboard.panels.transcript import Transcript
from livemerc.dashboard.reading import Reading
from livemerc.dashboard.screens.detail import DetailScreen
from livemerc.dashboard.screens.help import HelpScreen
from livemerc.dashboard.screens.inputs import InputsScreen
from livemerc.dashboard.screens.search import SearchLine
from livemerc.dashboard.state.session import SessionState
from livemerc.dashboard.terminal import own_signals, own_terminal, spare_the_collector
from livemerc.dashboard.worker import EventWorker, Markable, MonitorLike, Pausable, Recordable, Switchable, WorkerLike
from livemerc.errors import EXIT_OK, EXIT_RUNTIME, LivemercError
from livemerc.events import SessionStart
from livemerc.runtime.process import EXIT_AT_ONCE, STOP_SIGNALS
from livemerc.sessions.bookmarks import Bookmark
from livemerc.text_safety import plain_text

REDRAW_EVERY_S = 0.1
"""At most ten redraws a second, however fast events come; gauges are polled at the same pace."""
_DRAIN_FOR_S = 0.02
"""UI time that events may take at once; keys are served in between."""
_REST_FOR_S = 0.01
_JOIN_FOR_S = 4.0
"""How long leaving waits for the monitor's threads: under the 5 s in which Ctrl+C must have ended the program."""


class DashboardApp(Reading, App[int]):
    """One session on the screen. `clock` (seconds) and `ticking` are for tests: a fake clock, no timer of its own."""

    CSS_PATH = "dashboard.tcss"
    TITLE = "livemerc"
    ENABLE_COMMAND_PALETTE = True
    NOTIFICATION_TIMEOUT = 3.0
    COMMAND_PALETTE_DISPLAY = "^p"
    AUTO_FOCUS = None  # keys are the app's, until somebody searches
    BINDINGS: ClassVar[list[BindingType]] = [*KEYS]

    own_process = False
    """Whether the process is there for this screen: see `spare_the_collector`."""

    class Arrived(Message):
        """Events wait in the inbox. Pending ones replace each other."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, DashboardApp.Arrived)

    class Ended(Message):
        """The monitor's events have ended, well or with an error."""

        def __init__(self, error: BaseException | None) -> None:
            super().__init__()
            self.error = error

    def __init__(
        self,
        monitor: MonitorLike,
        *,
        exit_at_end: bool = False,
        clock: Callable[[], float] = time.monotonic,
        ticking: bool = True,
    ) -> None:
        super().__init__()
        self.state = SessionState()
        self.palette: Palette = palette_for(os.environ)
        self.failure: BaseException | None = None
        self.redraws = 0
        self._monitor = monitor
        self._exit_at_end = exit_at_end
        self._clock = clock
        self._ticking = ticking
        self._last_redraw_s = float("-inf")
        self._dirty = True
        self._resting: asyncio.TimerHandle | None = None  # events are left, and are seen to after a rest
        self._leaving = False
        self._ended = False
        self.terminal_gone: Callable[[], bool] = lambda: False
        self._recordable = monitor if isinstance(monitor, Recordable) else None  # asking a protocol takes its time
        self._pausable = monitor if isinstance(monitor, Pausable) else None
        self._markable = monitor if isinstance(monitor, Markable) else None
        self.view = VIEWS[0]
        self._fitted: tuple[Plan, int] | None = None
        self._offered: tuple[bool, ...] = ()
        self._worker = self._listen(monitor)
        for palette in PALETTES:
            self.register_theme(palette.theme())
        self.theme = self.palette.name

    def _listen(self, monitor: MonitorLike) -> WorkerLike:
        return EventWorker(
            monitor,
            arrived=lambda: self.post_message(self.Arrived()),
            ended=lambda error: self.post_message(self.Ended(error)),
        )

    def compose(self) -> ComposeResult:
        yield HeaderLine(self.state, id="header")
        yield TroubleBanner(self.state, id="trouble")
        with Container(id="main"):
            yield Transcript(self.state, id="transcript")
            with Container(id="side"):
                yield NowPanel(self.state, id="now")
                yield SummaryPanel(self.state, id="summary")
                yield HealthPanel(self.state, id="health")
        yield CoursePanel(self.state, id="course")
        yield TimelinePanel(self.state, id="timeline")
        yield MeterPanel(self.state, id="meter")
        yield StatusLine(self.state, id="status")
        yield SearchLine(id="search")
        yield KeyLine(self.state, id="keys")

    # -- life ----------------------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        self._panels = list(self.query(Panel))
        # not asked for at each redraw: a last one may come while the screen is being taken down
        self._by_id = {widget.id: widget for widget in self.query("*") if widget.id}
        self._transcript = self.query_one(Transcript)
        self._trouble = self.query_one(TroubleBanner)
        self._course = self.query_one(CoursePanel)
        self._searching = self.query_one(SearchLine)
        self._fit()
        self._catch_signals()
        self._worker.start()
        if self._ticking:
            self.set_interval(REDRAW_EVERY_S, self.tick)

    async def on_unmount(self) -> None:
        # joined off the loop: the worker may be posting to it
        await asyncio.to_thread(self._worker.cancel, 0.0 if self._leaving and not self._ended else _JOIN_FOR_S)

    def _catch_signals(self) -> None:
        """A signal from outside leaves as `q` does. Windows has no such handlers, and threads may not set them."""
        if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # under nohup it stays ignored
                loop.add_signal_handler(number, self.action_leave)

    # -- events --------------------------------------------------------------------------------------------------------

    def on_dashboard_app_arrived(self) -> None:
        self._drain()
        self._redraw_if_due()

    def on_dashboard_app_ended(self, message: Ended) -> None:
        while self._worker.waiting:
            self._drain()
        self._ended = True
        if message.error is not None:
            self.failure = message.error
            self.exit(EXIT_RUNTIME)
            return
        self.state.finished()
        self._dirty = True
        if self._exit_at_end or self._leaving:
            self.exit(EXIT_OK)
            return
        self._redraw_if_due()

    def tick(self) -> None:
        """Ten times a second: gauges, what events are left, and one redraw."""
        if self.terminal_gone() and not self._leaving:
            self.action_leave()
        self._resize_if_missed()
        self._drain()
        self.state.apply_gauges(self._monitor.gauges())
        self._tell_state()
        self._dirty = True
        self._redraw_if_due()

    def _resize_if_missed(self) -> None:
        """Textual tells the screen of a new size by a timer of 8 ms, and a timer that finds itself late on a busy
        machine never fires (8.x): the screen would keep the old size for ever."""
        if self.screen_stack and self.size and self.screen.outer_size != self.size:
            self.screen.post_message(Resize(self.size, self.size))

    def _tell_state(self) -> None:
        """What is neither event nor gauge."""
        self.state.recording = self._recordable.recording if self._recordable is not None else None

    def _drain(self) -> None:
        until_s = self._clock() + _DRAIN_FOR_S
        while (event := self._worker.take()) is not None:
            self.state.apply(event)
            self._dirty = True
            if self.own_process and isinstance(event, SessionStart):
                gc.freeze()  # the models are there
            if self._clock() > until_s:
                # not at once: a queue that is never empty would keep the loop from drawing, from timers and from keys
                if self._resting is None:
                    self._resting = asyncio.get_running_loop().call_later(_REST_FOR_S, self._go_on)
                return

    def _go_on(self) -> None:
        self._resting = None
        self.post_message(self.Arrived())

    # -- drawing -------------------------------------------------------------------------------------------------------

    def _redraw_if_due(self) -> None:
        now_s = self._clock()
        # half a millisecond of grace: the timer's own jitter must not halve the rate
        if self._dirty and now_s - self._last_redraw_s >= REDRAW_EVERY_S - 0.0005:
            self._last_redraw_s = now_s
            self.redraw()

    def redraw(self) -> None:
        self._dirty = False
        self.redraws += 1
        self._fit()
        for panel in self._panels:
            if panel.display:
                panel.redraw()
        self._transcript.redraw(self.state.take_changed_from())
        top = self.screen_stack[-1] if self.screen_stack else None  # none while the app leaves
        if isinstance(top, DetailScreen):
            top.redraw()
        offered = self._offers()
        if offered != self._offered:
            self._offered = offered
            self.refresh_bindings()

    def _offers(self) -> tuple[bool, ...]:
        """What keys depend on: where it changes, the footer does."""
        return self._ended, self.has_words

    def _fit(self) -> None:
        """Give every panel its rows; touches nothing that has them."""
        width, height = self.size
        trouble = self._trouble.needed_height(width)
        wanted = plan(
            width, height, view=self.view, labels=len(self.state.labels), marks=self._course.has_marks,
            speakers=len(self.state.courses), trouble=trouble,
        )  # fmt: skip
        if (wanted, trouble) == self._fitted:
            return
        before, self._fitted = self._fitted, (wanted, trouble)
        wide = bool(wanted.side_width)
        main, side = self._by_id["main"], self._by_id["side"]
        main.styles.layout = "horizontal" if wide else "vertical"
        side.styles.width = wanted.side_width if wide else "100%"
        slot = sum(wanted.slot.values())
        side.styles.height = "100%" if wide else slot
        side.display = bool(slot)
        course_below = "course" in wanted.slot and not wide
        rows = {
            "trouble": trouble, "course": wanted.slot["course"] if course_below else wanted.course,
            "timeline": wanted.timeline, "meter": wanted.meter, "status": wanted.status,
            **{name: wanted.slot.get(name, 0) for name in ("now", "summary", "health")},
        }  # fmt: skip
        side.display = any(rows[name] for name in ("now", "summary", "health"))
        for name, count in rows.items():
            panel = self._by_id[name]
            panel.display = bool(count)
            panel.styles.height = count
        if before is None or before[0].choices != wanted.choices:
            self.refresh_bindings()

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """As Textual's, with nothing in it that is markup or steers the terminal: names of files may stand in it."""
        super().notify(plain_text(message), title=plain_text(title), severity=severity, timeout=timeout, markup=markup)

    # -- keys ----------------------------------------------------------------------------------------------------------

    def action_leave(self) -> None:
        """Finish the last utterance, then leave; asked a second time, leave at once."""
        if self._ended or self._leaving:
            self.exit(EXIT_OK if self._ended else EXIT_AT_ONCE)
            return
        self._leaving = True
        self.state.finishing()
        self._worker.stop_monitor()
        self.redraw()

    def on_transcript_follow_changed(self, message: Transcript.FollowChanged) -> None:
        header = self.query_one(HeaderLine)
        header.following = message.follow
        header.redraw()
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A key for what this monitor cannot do, or what makes no sense now, is not there."""
        if action == "inputs":
            return self._microphone is not None
        if action in ("pause", "record"):
            able = self._pausable if action == "pause" else self._recordable
            return able is not None and not self._ended
        if action == "bookmark":
            return self.can_bookmark
        return self.check_reading(action)

    @property
    def can_bookmark(self) -> bool:
        return self._markable is not None and not self._ended

    def action_pause(self) -> None:
        if self._pausable is None:
            return
        paused = not self._pausable.paused
        self._pausable.pause(paused)
        self.notify("Nothing is being heard; space goes on" if paused else "Listening again", markup=False)
        self.tick()

    @property
    def session_folder(self) -> Path | None:
        """Where the session is recorded; None while it is not."""
        return None if self._recordable is None else self._recordable.recording_folder

    def keep_bookmark(self, bookmark: Bookmark) -> str:
        """Returns a sentence on where it is kept."""
        assert self._markable is not None
        return self._markable.bookmark(bookmark)

    def action_record(self) -> None:
        if self._recordable is not None:
            self.notify(self._recordable.toggle_recording(), markup=False)
            self.tick()

    @property
    def _microphone(self) -> Switchable | None:
        source = getattr(self._monitor, "source", None)
        return source if isinstance(source, Switchable) else None

    def action_inputs(self) -> None:
        from livemerc.audio.microphone.devices import inputs_now

        microphone = self._microphone
        if microphone is not None and not self._ended:
            self.push_screen(InputsScreen(inputs_now, microphone.name.removeprefix("mic:")), self._switch)

    def _switch(self, device: str | int | None) -> None:
        if device is not None:
            self.run_worker(self._switched(device))

    async def _switched(self, device: str | int) -> None:
        microphone = self._microphone
        assert microphone is not None
        try:
            await asyncio.to_thread(microphone.switch, device)  # opening a device takes its time
        except LivemercError as error:
            self.notify(plain_text(str(error)), severity="error", markup=False)
        else:
            self.state.changed_source(microphone.name)
            self.notify(f"Listening to {plain_text(microphone.name.removeprefix('mic:'))}", markup=False)

    def action_next_theme(self) -> None:
        self.palette = PALETTES[(PALETTES.index(self.palette) + 1) % len(PALETTES)]
        self.theme = self.palette.name
        self._transcript.relayout()
        self.redraw()

    def action_help(self) -> None:
        self.push_screen(HelpScreen(self.state.labels, told(self)))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The palette has what the keys have."""
        return commands(self)


def show(monitor: MonitorLike, *, exit_at_end: bool = False, theme: str = "auto") -> int:
    """`run_dashboard`, once Textual is loaded."""
    return run_app(DashboardApp(monitor, exit_at_end=exit_at_end), theme)


def run_app(app: DashboardApp, theme: str = "auto") -> int:
    """The screen in this process's own terminal. Returns the exit code; raises what the events raised."""
    app.own_process = True
    app.palette = palette_for(os.environ, theme)
    app.theme = app.palette.name
    spare_the_collector()
    with own_terminal() as app.terminal_gone, own_signals():
        code = app.run()
    if app.failure is not None:
        raise app.failure
    if code is None:  # Textual has shown its traceback
        raise LivemercError("The screen failed; run again with --plain for lines instead, or with --debug for details.")
    return code
