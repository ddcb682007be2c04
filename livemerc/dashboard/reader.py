"""What somebody who reads does with the transcript: follow its end, scroll, select, search, go to a time."""

from __future__ import annotations

from livemerc.dashboard.panels.transcript import Transcript
from livemerc.dashboard.screens.search import SearchLine
from livemerc.dashboard.state.utterance import Utterance


class Reader:
    """Moves `transcript`, and fills it with what is typed in `search_line`. It does not know where events come from."""

    def __init__(self, transcript: Transcript, search_line: SearchLine) -> None:
        self._transcript = transcript
        self._search_line = search_line
        self._scrolls = {
            "up": transcript.scroll_up,
            "down": transcript.scroll_down,
            "page_up": transcript.scroll_page_up,
            "page_down": transcript.scroll_page_down,
            "home": transcript.scroll_home,
            "end": transcript.scroll_end,
        }

    def offers(self, action: str) -> bool:
        """Whether the key for `action` makes sense now; True for whatever is not the reader's."""
        if action == "follow":
            return not self._transcript.follow
        if action == "found":
            return bool(self._transcript.query_text)
        return True

    @property
    def selected(self) -> Utterance | None:
        return self._transcript.selected

    def select_next(self, step: int) -> None:
        self._transcript.select_next(step)

    def follow(self) -> None:
        self._transcript.select(None)
        self._transcript.follow = True

    def scroll(self, how: str) -> None:
        """`how`: up, down, page_up, page_down, home or end. While an utterance is selected, up and down select."""
        if self.selected is not None and how in ("up", "down"):
            self._transcript.select_next(-1 if how == "up" else 1)
        else:
            self._scrolls[how](animate=False)

    def unselect(self) -> None:
        """Forget what is selected and what is searched for."""
        self._transcript.select(None)
        self._transcript.search("")
        if self._transcript.scroll_y >= self._transcript.max_scroll_y:
            self._transcript.follow = True

    def go_to(self, t_s: float) -> None:
        """Select what was said at `t_s`, or just before."""
        self._transcript.show_time(t_s)

    # -- search --------------------------------------------------------------------------------------------------------

    def open_search(self) -> None:
        self._search_line.open()

    def search(self, text: str) -> None:
        self._transcript.search(text)
        self._search_line.show_count(len(self._transcript.found()) if text else None)

    def close_search(self, keep: bool) -> None:
        """`keep`: go to the last utterance that was found; else forget the search."""
        if keep:
            self._transcript.find_next(-1)
        else:
            self._transcript.search("")

    def find_next(self, step: int) -> None:
        self._transcript.find_next(step)
