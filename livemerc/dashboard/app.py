"""The dashboard: a worker thread hands events over, the state takes them in, widgets redraw from it."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.message import Message
from textual.widgets import Footer

from livemerc.dashboard.bars import NowPanel
from livemerc.dashboard.help_screen import KEYS, MIC_KEY, RECORD_KEY, HelpScreen
from livemerc.dashboard.inputs_screen import InputsScreen
from livemerc.dashboard.meter import MeterPanel
from livemerc.dashboard.palette import PALETTES, Palette
from livemerc.dashboard.panel import Panel
from livemerc.dashboard.state import SessionState
from livemerc.dashboard.status_line import HeaderLine, StatusLine, TroubleBanner
from livemerc.dashboard.terminal import own_signals, own_terminal
from livemerc.dashboard.timeline import TimelinePanel
from livemerc.dashboard.transcript import Transcript
from livemerc.dashboard.worker import EventWorker, MonitorLike, Recordable, Switchable, WorkerLike
from livemerc.errors import EXIT_OK, EXIT_RUNTIME, LivemercError
from livemerc.process import EXIT_AT_ONCE, STOP_SIGNALS
from livemerc.text_safety import plain_text

REDRAW_EVERY_S = 0.1
"""At most ten redraws a second, however fast events come; gauges are polled at the same pace."""
_DRAIN_FOR_S = 0.02
"""UI time that events may take at once; keys are served in between."""
_JOIN_FOR_S = 4.0
"""How long leaving waits for the monitor's threads: under the 5 s in which Ctrl+C must have ended the program."""


class DashboardApp(App[int]):
    """One session on the screen. `clock` (seconds) and `ticking` are for tests: a fake clock, no timer of its own."""

    CSS_PATH = "dashboard.tcss"
    TITLE = "livemerc"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - as Textual declares it
        (0, "-narrow"),
        (112, "-wide"),
        (160, "-huge"),
    ]
    VERTICAL_BREAKPOINTS = [  # noqa: RUF012 - as Textual declares it
        (0, "-short"),
        (28, "-tall"),
    ]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "leave", "Quit"),
        Binding("ctrl+c,ctrl+q", "leave", "Quit", show=False, priority=True),
        Binding("f", "follow", "Follow"),
        Binding("up", "scroll('up')", "Scroll", key_display="↑↓", show=True),
        Binding("down", "scroll('down')", show=False),
        Binding("pageup", "scroll('page_up')", show=False),
        Binding("pagedown", "scroll('page_down')", show=False),
        Binding("home", "scroll('home')", show=False),
        Binding("end", "scroll('end')", show=False),
        Binding("r", "record", "Record"),
        Binding("m", "inputs", "Mic"),
        Binding("t", "next_theme", "Theme"),
        Binding("ctrl+z", "suspend_process", show=False),
        Binding("question_mark", "help", "Help", key_display="?"),
    ]

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
        self.palette: Palette = PALETTES[0]
        self.failure: BaseException | None = None
        self.redraws = 0
        self._monitor = monitor
        self._exit_at_end = exit_at_end
        self._clock = clock
        self._ticking = ticking
        self._last_redraw_s = float("-inf")
        self._dirty = True
        self._leaving = False
        self._ended = False
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
            yield NowPanel(self.state, id="now")
        yield TimelinePanel(self.state, id="timeline")
        yield MeterPanel(self.state, id="meter")
        yield StatusLine(self.state, id="status")
        yield Footer()

    # -- life ----------------------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        self._panels = list(self.query(Panel))
        self._transcript = self.query_one(Transcript)
        self._trouble = self.query_one(TroubleBanner)
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
        self._drain()
        self.state.apply_gauges(self._monitor.gauges())
        self._tell_state()
        self._dirty = True
        self._redraw_if_due()

    def _tell_state(self) -> None:
        """What is neither event nor gauge."""
        self.state.recording = self._monitor.recording if isinstance(self._monitor, Recordable) else None

    def _drain(self) -> None:
        until_s = self._clock() + _DRAIN_FOR_S
        while (event := self._worker.take()) is not None:
            self.state.apply(event)
            self._dirty = True
            if self._clock() > until_s:
                self.post_message(self.Arrived())
                return

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
        self._fit_trouble()
        for panel in self._panels:
            panel.redraw()
        self._transcript.redraw(self.state.take_changed_from())

    def _fit_trouble(self) -> None:
        height = self._trouble.needed_height(self.size.width)
        if self._trouble.display != bool(height):
            self._trouble.display = bool(height)
        if height and self._trouble.styles.height != height:
            self._trouble.styles.height = height

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

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A key for what this monitor cannot do is not there."""
        if action == "inputs":
            return self._microphone is not None
        return action != "record" or isinstance(self._monitor, Recordable)

    def action_record(self) -> None:
        if isinstance(self._monitor, Recordable):
            self.notify(self._monitor.toggle_recording(), markup=False)
            self.tick()

    @property
    def _microphone(self) -> Switchable | None:
        source = getattr(self._monitor, "source", None)
        return source if isinstance(source, Switchable) else None

    def action_inputs(self) -> None:
        from livemerc.audio.devices import inputs_now

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

    def action_follow(self) -> None:
        self._transcript.follow = True

    def action_scroll(self, how: str) -> None:
        getattr(self._transcript, f"scroll_{how}")(animate=False)

    def action_next_theme(self) -> None:
        self.palette = PALETTES[(PALETTES.index(self.palette) + 1) % len(PALETTES)]
        self.theme = self.palette.name
        self._transcript.relayout()
        self.redraw()

    def action_help(self) -> None:
        keys = [*KEYS]
        if isinstance(self._monitor, Recordable):
            keys.append(RECORD_KEY)
        if self._microphone is not None:
            keys.append(MIC_KEY)
        self.push_screen(HelpScreen(self.state.labels, tuple(keys)))


def show(monitor: MonitorLike, *, exit_at_end: bool = False) -> int:
    """`run_dashboard`, once Textual is loaded."""
    return run_app(DashboardApp(monitor, exit_at_end=exit_at_end))


def run_app(app: DashboardApp) -> int:
    """The screen in this process's own terminal. Returns the exit code; raises what the events raised."""
    with own_terminal(), own_signals():
        code = app.run()
    if app.failure is not None:
        raise app.failure
    if code is None:  # Textual has shown its traceback
        raise LivemercError("The screen failed; run again with --plain for lines instead, or with --debug for details.")
    return code
