"""The widgets of a session's screen, and the rows that each of them has."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Container
from textual.widget import Widget

from livemerc.dashboard.layout import VIEWS, Plan, plan
from livemerc.dashboard.panels.bars import NowPanel
from livemerc.dashboard.panels.health import HealthPanel
from livemerc.dashboard.panels.key_line import KeyLine
from livemerc.dashboard.panels.meter import MeterPanel
from livemerc.dashboard.panels.panel import Panel
from livemerc.dashboard.panels.status_line import HeaderLine, StatusLine, TroubleBanner
from livemerc.dashboard.panels.summary import SummaryPanel
from livemerc.dashboard.panels.timeline import CoursePanel, TimelinePanel
from livemerc.dashboard.panels.transcript import Transcript
from livemerc.dashboard.screens.search import SearchLine
from livemerc.dashboard.state.session import SessionState


class Arrangement:
    """Makes every widget once and keeps it by name; `fit` gives it rows as `layout.plan` says."""

    def __init__(self, state: SessionState) -> None:
        self._state = state
        self._view = VIEWS[0]
        self._fitted: tuple[Plan, int] | None = None  # the plan and the banner's rows
        self.header = HeaderLine(state, id="header")
        self.transcript = Transcript(state, id="transcript")
        self.search_line = SearchLine(id="search")
        self._trouble = TroubleBanner(state, id="trouble")
        self._now = NowPanel(state, id="now")
        self._summary = SummaryPanel(state, id="summary")
        self._health = HealthPanel(state, id="health")
        self._course = CoursePanel(state, id="course")
        self._timeline = TimelinePanel(state, id="timeline")
        self._meter = MeterPanel(state, id="meter")
        self._status = StatusLine(state, id="status")
        self._keys = KeyLine(state, id="keys")
        self._side = Container(self._now, self._summary, self._health, id="side")
        self._main = Container(self.transcript, self._side, id="main")
        self.panels: tuple[Panel, ...] = (
            self.header, self._trouble, self._now, self._summary, self._health, self._course, self._timeline,
            self._meter, self._status, self._keys,
        )  # fmt: skip
        """All that is drawn from the state alone."""

    def compose(self) -> ComposeResult:
        yield self.header
        yield self._trouble
        yield self._main
        yield self._course
        yield self._timeline
        yield self._meter
        yield self._status
        yield self.search_line
        yield self._keys

    @property
    def views(self) -> tuple[str, ...]:
        """The views that the key `v` goes through on a screen of this size; empty before the first `fit`."""
        return () if self._fitted is None else self._fitted[0].choices

    def next_view(self) -> None:
        """Shows the next of the `views`, from the next `fit` on."""
        views = self.views
        shown = self._view if self._view in views else views[0]
        self._view = views[(views.index(shown) + 1) % len(views)]

    def fit(self, width: int, height: int) -> bool:
        """Gives every widget its rows, and touches none that has them. Returns whether `views` changed."""
        trouble = self._trouble.needed_height(width)
        wanted = plan(
            width, height, view=self._view, labels=len(self._state.labels), marks=self._course.has_marks,
            speakers=len(self._state.courses), trouble=trouble,
        )  # fmt: skip
        if (wanted, trouble) == self._fitted:
            return False
        first, views = self._fitted is None, self.views
        self._fitted = wanted, trouble
        self._apply(wanted, trouble)
        return first or views != wanted.choices

    def _apply(self, wanted: Plan, trouble: int) -> None:
        wide = bool(wanted.side_width)
        slot = sum(wanted.slot.values())
        course_below = "course" in wanted.slot and not wide
        rows: dict[Widget, int] = {
            self._trouble: trouble,
            self._now: wanted.slot.get("now", 0),
            self._summary: wanted.slot.get("summary", 0),
            self._health: wanted.slot.get("health", 0),
            self._course: wanted.slot["course"] if course_below else wanted.course,
            self._timeline: wanted.timeline,
            self._meter: wanted.meter,
            self._status: wanted.status,
        }
        self._main.styles.layout = "horizontal" if wide else "vertical"
        self._side.styles.width = wanted.side_width if wide else "100%"
        self._side.styles.height = "100%" if wide else slot
        self._side.display = any(rows[panel] for panel in (self._now, self._summary, self._health))
        for panel, count in rows.items():
            panel.display = bool(count)
            panel.styles.height = count
