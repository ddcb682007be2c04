"""Write the session to a file: the one that is recorded or replayed, else what stands on the screen."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from livemerc.dashboard.state.on_screen import events_on_screen
from livemerc.dashboard.state.session import SessionState
from livemerc.errors import ConfigError, LivemercError
from livemerc.events import encode
from livemerc.text_safety import plain_text

_KINDS = {
    "vtt": ("vtt", "subtitles with speakers (WebVTT)"),
    "srt": ("srt", "subtitles (SubRip)"),
    "csv": ("csv", "a table, a row an utterance"),
    "parquet": ("parquet", "the same for data frames"),
    "jsonl": ("jsonl", "the events; livemerc replay plays them"),
    "html": ("html", "a report to read and to print"),
    "rttm": ("rttm", "who spoke when"),
    "emotionml": ("emotionml.xml", "W3C EmotionML 1.0"),
    "textgrid": ("TextGrid", "Praat"),
    "audacity": ("txt", "labels for Audacity"),
}
"""Suffix and explanation of each format."""
_KEYS = "Enter: write    Tab: the file's name    Esc: back"
_ON_SCREEN = "Not recorded: what stands on the screen is written."


class ExportScreen(ModalScreen[str | None]):
    """Ends with a sentence about what was written, or with None. `folder`: the session; None: what is on the screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Back"),
        Binding("ctrl+q,ctrl+c", "app.leave", show=False),
    ]

    def __init__(self, state: SessionState, folder: Path | None, name: str) -> None:
        super().__init__()
        self._state = state
        self._folder = folder
        self._stem = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "session"

    def compose(self) -> ComposeResult:
        with Vertical(id="export"):
            if self._folder is None:
                yield Static(_ON_SCREEN, id="export-what", markup=False)
            yield OptionList(
                *(Option(f"{kind:<10} {told}", id=kind) for kind, (_, told) in _KINDS.items()), id="export-kinds"
            )
            yield Input(id="export-file", compact=True)
            yield Static(_KEYS, id="export-note", markup=False)

    def on_mount(self) -> None:
        kinds = self.query_one(OptionList)
        kinds.highlighted = 0
        kinds.focus()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        suffix, _ = _KINDS[str(event.option_id)]
        self.query_one(Input).value = f"{self._stem}.{suffix}"

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self._begin(str(event.option_id))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        kinds = self.query_one(OptionList)
        if kinds.highlighted is not None:
            self._begin(str(kinds.get_option_at_index(kinds.highlighted).id))

    def _begin(self, kind: str) -> None:
        target = Path(self.query_one(Input).value).expanduser()
        lines = None
        if self._folder is None:
            lines = b"".join(encode(event) + b"\n" for event in events_on_screen(self._state))
        folder = self._folder
        self.query_one("#export-note", Static).update("Writing …")
        self.run_worker(self._write(lambda: write(folder, lines, kind, target), target), exclusive=True)

    async def _write(self, work: Callable[[], None], target: Path) -> None:
        try:
            await asyncio.to_thread(work)  # a library may have to load, and a disk may be slow
        except LivemercError as error:
            self.query_one("#export-note", Static).update(plain_text(str(error)))
        else:
            self.dismiss(f"Written: {plain_text(str(target))}")


def write(folder: Path | None, lines: bytes | None, kind: str, target: Path) -> None:
    """The session in `folder`, else the events in `lines`, in the format `kind`. Raises `LivemercError`."""
    from livemerc import export
    from livemerc.export.output import check_target, write_file

    with tempfile.TemporaryDirectory(prefix="livemerc-") as room:
        session = folder
        if session is None:
            session = Path(room) / "session.jsonl"
            session.write_bytes(lines or b"")
        if target.exists():  # its name was proposed here: it would be replaced by mistake
            raise ConfigError(f"{target}: exists already; choose another name.")
        check_target(target, session)
        if kind == "html":
            from livemerc.report import html
            from livemerc.sessions.session import read_session

            data = html(read_session(session)).encode("utf-8")
        else:
            data = export.export(session, kind).data  # type: ignore[arg-type]  # a name of `FormatName`
        write_file(data, target)
