"""What a reader does with the transcript: scroll, select, look into, search, mark, go to a time."""

from __future__ import annotations

from bisect import insort
from pathlib import Path
from typing import TYPE_CHECKING

from livemerc.dashboard.panels.timeline import CoursePanel
from livemerc.dashboard.panels.transcript import Transcript
from livemerc.dashboard.screens.detail import DetailScreen
from livemerc.dashboard.screens.export import ExportScreen
from livemerc.dashboard.screens.search import SearchLine
from livemerc.dashboard.state.session import SessionState
from livemerc.dashboard.state.utterance import Utterance
from livemerc.notation import clock
from livemerc.sessions.bookmarks import Bookmark, bookmark_now

if TYPE_CHECKING:
    from textual.app import App

    from livemerc.dashboard.layout import Plan

    _Base = App[int]
else:
    _Base = object


class Reading(_Base):
    """Mixed into the app: its part that asks nothing of the monitor but where to keep a bookmark."""

    state: SessionState
    view: str
    _fitted: tuple[Plan, int] | None
    _transcript: Transcript
    _searching: SearchLine

    if TYPE_CHECKING:  # what the app brings

        def redraw(self) -> None: ...
        def keep_bookmark(self, bookmark: Bookmark) -> str: ...
        @property
        def session_folder(self) -> Path | None: ...

    def check_reading(self, action: str) -> bool:
        """Whether a key of the reader's makes sense now."""
        if action == "export":
            return self.has_words
        if action == "view":
            return self._fitted is not None and len(self._fitted[0].choices) > 1
        if not hasattr(self, "_transcript"):
            return True
        if action == "follow":
            return not self._transcript.follow
        if action == "found":
            return bool(self._transcript.sought)
        return True

    @property
    def has_words(self) -> bool:
        """Whether there is anything to write to a file."""
        return any(utterance.final for utterance in self.state.utterances[:2])

    @property
    def selected(self) -> Utterance | None:
        return self._transcript.selected

    def select_next(self, step: int) -> None:
        self._transcript.select_next(step)

    # -- keys ----------------------------------------------------------------------------------------------------------

    def action_follow(self) -> None:
        self._transcript.select(None)
        self._transcript.follow = True

    def action_scroll(self, how: str) -> None:
        if self.selected is not None and how in ("up", "down"):
            self._transcript.select_next(-1 if how == "up" else 1)
        else:
            getattr(self._transcript, f"scroll_{how}")(animate=False)

    def action_unselect(self) -> None:
        self._transcript.select(None)
        self._transcript.seek("")
        self.refresh_bindings()
        if self._transcript.scroll_y >= self._transcript.max_scroll_y:
            self._transcript.follow = True

    def action_details(self) -> None:
        if self.selected is None:
            self._transcript.select_next(0)
        else:
            self.push_screen(DetailScreen(self.state))

    def action_search(self) -> None:
        self._searching.open()

    def action_found(self, step: int) -> None:
        self._transcript.find_next(step)

    def action_view(self) -> None:
        assert self._fitted is not None
        choices = self._fitted[0].choices
        shown = self.view if self.view in choices else choices[0]
        self.view = choices[(choices.index(shown) + 1) % len(choices)]
        self.redraw()

    def action_export(self) -> None:
        start, folder = self.state.start, self.session_folder
        named = start.started_at[:19].replace(":", "-") if start is not None else "session"
        name = f"livemerc-{named}" if folder is None else folder.resolve().name
        self.push_screen(ExportScreen(self.state, folder, name), self._exported)

    def _exported(self, sentence: str | None) -> None:
        if sentence is not None:
            self.notify(sentence, markup=False)

    def action_bookmark(self) -> None:
        selected = self.selected
        bookmark = bookmark_now(self.now_s if selected is None else selected.start_s)
        sentence = self.keep_bookmark(bookmark)
        insort(self.state.bookmarks, bookmark, key=lambda b: b.t_s)
        self.notify(f"{clock(bookmark.t_s)}  {sentence}", markup=False)
        self.redraw()

    @property
    def now_s(self) -> float:
        """Audio time that the screen shows."""
        return self.state.duration_s

    # -- what the widgets tell -----------------------------------------------------------------------------------------

    def on_transcript_opened(self) -> None:
        self.push_screen(DetailScreen(self.state))

    def on_transcript_selection_changed(self) -> None:
        self.redraw()

    def on_course_chosen(self, message: CoursePanel.Chosen) -> None:
        self.go_to(message.t_s)

    def go_to(self, t_s: float) -> None:
        """Somebody pointed at a time."""
        self._transcript.show_time(t_s)

    def on_search_line_sought(self, message: SearchLine.Sought) -> None:
        self._transcript.seek(message.text)
        self._searching.tell(len(self._transcript.found()) if message.text else None)

    def on_search_line_closed(self, message: SearchLine.Closed) -> None:
        if message.keep:
            self._transcript.find_next(-1)
        else:
            self._transcript.seek("")
        self.refresh_bindings()
