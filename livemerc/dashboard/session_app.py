"""A session's screen, whoever feeds it: events go into the state, and the widgets are drawn from the state."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from textual.app import ComposeResult, SystemCommand
from textual.events import Resize
from textual.message import Message
from textual.notifications import SeverityLevel
from textual.screen import Screen

from livemerc.dashboard.arrangement import Arrangement
from livemerc.dashboard.keys import commands, key_help
from livemerc.dashboard.panels.timeline import CoursePanel
from livemerc.dashboard.panels.transcript import Transcript
from livemerc.dashboard.reader import Reader
from livemerc.dashboard.screens.detail import DetailScreen
from livemerc.dashboard.screens.export import ExportScreen
from livemerc.dashboard.screens.help import HelpScreen
from livemerc.dashboard.screens.search import SearchLine
from livemerc.dashboard.state.session import SessionState
from livemerc.dashboard.terminal import spare_the_collector
from livemerc.dashboard.terminal_app import TerminalApp
from livemerc.dashboard.watched import Feed
from livemerc.errors import EXIT_OK, EXIT_RUNTIME, LivemercError
from livemerc.events import SessionStart
from livemerc.notation import clock
from livemerc.sessions.bookmarks import Bookmark, bookmark_now
from livemerc.text_safety import plain_text

REDRAW_EVERY_S = 0.1
"""At most ten redraws a second, however fast events come; gauges are polled at the same pace."""
_DRAIN_FOR_S = 0.02
"""UI time that events may take at once; keys are served in between."""
_REST_FOR_S = 0.01
_JOIN_FOR_S = 4.0
"""How long leaving waits for the feed's threads: under the 5 s in which Ctrl+C must have ended the program."""


class SessionApp(TerminalApp):
    """What the live screen, a replay and a watched session share. It asks nothing of the monitor.

    `clock` (seconds) and `ticking` are for tests: a fake clock, no timer of its own.
    """

    CSS_PATH = "dashboard.tcss"
    TITLE = "livemerc"
    ENABLE_COMMAND_PALETTE = True
    NOTIFICATION_TIMEOUT = 3.0
    COMMAND_PALETTE_DISPLAY = "^p"
    AUTO_FOCUS = None  # keys are the app's, until somebody searches

    own_process = False
    """Whether the process is there for this screen alone: see `spare_the_collector`."""

    class Arrived(Message):
        """Events wait to be taken. Pending ones replace each other."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, SessionApp.Arrived)

    class Ended(Message):
        """The events have ended, well or with an error."""

        def __init__(self, error: BaseException | None) -> None:
            super().__init__()
            self.error = error

    def __init__(self, feed: Feed, *, clock: Callable[[], float] = time.monotonic, ticking: bool = True) -> None:
        super().__init__()
        self.state = SessionState()
        self.feed = feed
        self.failure: BaseException | None = None
        self.redraws = 0
        self.ended = False
        self.exit_at_end = False
        self.arrangement = Arrangement(self.state)
        self.reader = Reader(self.arrangement.transcript, self.arrangement.search_line)
        self._clock = clock
        self._ticking = ticking
        self._last_redraw_s = float("-inf")
        self._dirty = True
        self._rest: asyncio.TimerHandle | None = None  # after it the events that are left are taken
        self._offered: tuple[bool, ...] = ()

    def compose(self) -> ComposeResult:
        yield from self.arrangement.compose()

    # -- life ----------------------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        self.arrangement.fit(*self.size)
        self.leave_on_signals()
        self.feed.start(
            arrived=lambda: self.post_message(self.Arrived()),
            ended=lambda error: self.post_message(self.Ended(error)),
        )
        if self._ticking:
            self.set_interval(REDRAW_EVERY_S, self.tick)

    async def on_unmount(self) -> None:
        # off the loop: a thread that is joined may be posting to it
        await asyncio.to_thread(self.feed.close, 0.0 if self.leaving and not self.ended else _JOIN_FOR_S)

    # -- events --------------------------------------------------------------------------------------------------------

    def on_session_app_arrived(self) -> None:
        self._drain()
        self._redraw_if_due()

    def on_session_app_ended(self, message: Ended) -> None:
        while self.feed.waiting:
            self._drain()
        self.ended = True
        if message.error is not None:
            self.failure = message.error
            self.exit(EXIT_RUNTIME)
            return
        self.state.finished()
        self._dirty = True
        if self.exit_at_end or self.leaving:
            self.exit(EXIT_OK)
            return
        self._redraw_if_due()

    def tick(self) -> None:
        """Ten times a second: gauges, what events are left, and one redraw."""
        if self.terminal_gone():
            self.hang_up()
        self._resize_if_missed()
        self._drain()
        self.state.apply_gauges(self.feed.gauges())
        self.update_state()
        self._dirty = True
        self._redraw_if_due()

    def _resize_if_missed(self) -> None:
        """Textual tells the screen of a new size by a timer of 8 ms, and a timer that finds itself late on a busy
        machine never fires (8.x): the screen would keep the old size for ever."""
        if self.screen_stack and self.size and self.screen.outer_size != self.size:
            self.screen.post_message(Resize(self.size, self.size))

    def update_state(self) -> None:
        """Put into the state what is neither event nor gauge."""

    def _drain(self) -> None:
        until_s = self._clock() + _DRAIN_FOR_S
        while (event := self.feed.take()) is not None:
            self.state.apply(event)
            self._dirty = True
            if self.own_process and isinstance(event, SessionStart):
                gc.freeze()  # the models are there
            if self._clock() > until_s:
                # not at once: a queue that is never empty would keep the loop from drawing, from timers and from keys
                if self._rest is None:
                    self._rest = asyncio.get_running_loop().call_later(_REST_FOR_S, self._drain_again)
                return

    def _drain_again(self) -> None:
        self._rest = None
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
        if self.arrangement.fit(*self.size):
            self.refresh_bindings()
        for panel in self.arrangement.panels:
            if panel.display:
                panel.redraw()
        self.arrangement.transcript.redraw(self.state.take_changed_from())
        top = self.screen_stack[-1] if self.screen_stack else None  # none while the app leaves
        if isinstance(top, DetailScreen):
            top.redraw()
        offered = self.offers()
        if offered != self._offered:
            self._offered = offered
            self.refresh_bindings()

    def offers(self) -> tuple[bool, ...]:
        """What keys depend on: the footer changes with it."""
        return self.ended, self.state.has_words, self.state.voice is not None

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """As Textual's, but nothing in it is markup or steers the terminal: names of files may stand in it."""
        super().notify(plain_text(message), title=plain_text(title), severity=severity, timeout=timeout, markup=markup)

    # -- keys ----------------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A key that makes no sense now is not there."""
        if action == "export":
            return self.state.has_words
        if action == "view":
            return len(self.arrangement.views) > 1
        if action == "bookmark":
            return self.can_bookmark
        return self.reader.offers(action)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The palette has what the keys have."""
        return commands(self)

    def action_help(self) -> None:
        self.push_screen(HelpScreen(self.state.labels, key_help(self)))

    def action_next_theme(self) -> None:
        self.wear_next()
        self.arrangement.transcript.relayout()
        self.redraw()

    def action_view(self) -> None:
        self.arrangement.next_view()
        self.redraw()

    def action_follow(self) -> None:
        self.reader.follow()

    def action_scroll(self, how: str) -> None:
        self.reader.scroll(how)

    def action_unselect(self) -> None:
        self.reader.unselect()
        self.refresh_bindings()

    def action_search(self) -> None:
        self.reader.open_search()

    def action_found(self, step: int) -> None:
        self.reader.find_next(step)

    def action_details(self) -> None:
        if self.reader.selected is None:
            self.reader.select_next(0)
        else:
            self._open_details()

    def _open_details(self) -> None:
        self.push_screen(DetailScreen(self.state, self.arrangement.transcript))

    # -- what the widgets tell -----------------------------------------------------------------------------------------

    def on_transcript_follow_changed(self, message: Transcript.FollowChanged) -> None:
        self.arrangement.header.following = message.follow
        self.arrangement.header.redraw()
        self.refresh_bindings()

    def on_transcript_opened(self) -> None:
        self._open_details()

    def on_transcript_selection_changed(self) -> None:
        self.redraw()

    def on_course_chosen(self, message: CoursePanel.Chosen) -> None:
        self.go_to(message.t_s)

    def go_to(self, t_s: float) -> None:
        """Somebody pointed at a time."""
        self.reader.go_to(t_s)

    def on_search_line_changed(self, message: SearchLine.Changed) -> None:
        self.reader.search(message.text)

    def on_search_line_closed(self, message: SearchLine.Closed) -> None:
        self.reader.close_search(message.keep)
        self.refresh_bindings()

    # -- bookmarks and files -------------------------------------------------------------------------------------------

    @property
    def now_s(self) -> float:
        """Audio time that the screen shows."""
        return self.state.duration_s

    @property
    def session_folder(self) -> Path | None:
        """Where the session is recorded; None while it is not."""
        return None

    @property
    def can_bookmark(self) -> bool:
        """Whether there is a place for bookmarks."""
        return False

    def keep_bookmark(self, bookmark: Bookmark) -> str:
        """Keeps it where the session is kept, which is nowhere unless a screen knows better. Returns a sentence that
        says so."""
        return "Marked on the screen alone"

    def action_bookmark(self) -> None:
        selected = self.reader.selected
        bookmark = bookmark_now(self.now_s if selected is None else selected.start_s)
        sentence = self.keep_bookmark(bookmark)
        self.state.add_bookmark(bookmark)
        self.notify(f"{clock(bookmark.t_s)}  {sentence}")
        self.redraw()

    def action_export(self) -> None:
        start, folder = self.state.start, self.session_folder
        named = start.started_at[:19].replace(":", "-") if start is not None else "session"
        name = f"livemerc-{named}" if folder is None else folder.resolve().name
        self.push_screen(ExportScreen(self.state, folder, name), self._exported)

    def _exported(self, sentence: str | None) -> None:
        if sentence is not None:
            self.notify(sentence)


def run_session(app: SessionApp, theme: str = "auto") -> int:
    """The screen in this process's own terminal. Returns the exit code; raises what the events raised."""
    app.own_process = True
    spare_the_collector()
    code = app.run_in_terminal(theme)
    if app.failure is not None:
        raise app.failure
    if code is None:
        raise LivemercError("The screen failed; run again with --plain for lines instead, or with --debug for details.")
    return code
