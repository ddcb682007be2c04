"""Words that try to steer the terminal: everything that the screen sends is looked at, byte by byte."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from helpers.dashboard import visible
from helpers.hostile import PIECES, invisible, session
from helpers.scripted_monitor import ScriptedGauges, ScriptedMonitor
from helpers.sessions import write_session
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from textual import events as textual_events
from textual.app import App
from textual.driver import Driver
from textual.geometry import Size

from livemerc.dashboard.app import DashboardApp
from livemerc.dashboard.label.app import LabelApp
from livemerc.events import MicState
from livemerc.sessions.annotation import Annotation

STEERING = re.compile(r"\x1b\[[0-9;:?<>=$ ]*[A-Za-z]|\x1b\]22;[a-z-]*(?:\x07|\x1b\\)")
"""What Textual itself sends: cursor, style, modes, the pointer's shape. No titles, no links, no clipboard."""
HOSTILE = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


class Recorder(Driver):
    """A terminal that only listens."""

    size_of_it = (120, 40)

    def __init__(self, *arguments: object, **named: object) -> None:
        super().__init__(*arguments, **named)  # type: ignore[arg-type]
        self.sent: list[str] = []

    def write(self, data: str) -> None:
        self.sent.append(data)

    def start_application_mode(self) -> None:
        size = Size(*self.size_of_it)
        self._app.call_later(self._app.post_message, textual_events.Resize(size, size))

    def stop_application_mode(self) -> None:
        """There is nothing to restore."""

    def disable_input(self) -> None:
        """There is none."""


class Recordable(ScriptedMonitor):
    """Whose recording speaks, too."""

    words = ""

    @property
    def recording(self) -> str | None:
        return self.words

    def toggle_recording(self) -> str:
        return self.words


async def sent_while(app: App[int], size: tuple[int, int], look: Callable[[], Awaitable[None]]) -> str:
    """All that went to the terminal while `look` had the screen; raises what it raised."""
    app.driver_class = type("Sized", (Recorder,), {"size_of_it": size})
    raised: list[BaseException] = []

    async def pilot(_: object) -> None:
        try:
            await look()
        except BaseException as error:
            raised.append(error)
            raise
        finally:
            app.exit(0)

    await app.run_async(size=size, auto_pilot=pilot)
    for error in (*raised, app._exception):
        if error is not None:
            raise error
    driver = app._driver
    assert isinstance(driver, Recorder)
    return "".join(driver.sent)


async def everything_sent(words: str, size: tuple[int, int], keys: Sequence[str]) -> tuple[str, str]:
    """All that went to the terminal while `keys` were pressed, and the rows of the transcript in the end."""
    monitor = Recordable(
        session(words), gauges=ScriptedGauges(mic=MicState(ok=False, why=words), degraded=words, loading=words or None)
    )
    monitor.words = words
    app = DashboardApp(monitor)
    seen: list[str] = []

    async def look() -> None:
        while (not monitor.delivered.is_set() or app.feed.waiting) and app._exception is None:
            await asyncio.sleep(0.01)
        for key in keys:
            app.post_message(textual_events.Key(key, key if len(key) == 1 else None))
            await asyncio.sleep(0.02)
            app.tick()
            await asyncio.sleep(0.02)
            rows = "".join(strip.text for strip in app.screen._compositor.render_strips())
            assert not invisible(rows), key
        for severity in ("information", "error"):
            app.notify(words or "-", severity=severity, markup=False)  # type: ignore[arg-type]  # a Literal
        await asyncio.sleep(0.1)
        seen.append(visible(app.arrangement.transcript))

    return await sent_while(app, size, look), seen[0]


KEYS = ("v", "v", "v", "enter", "enter", "right", "escape", "escape", "r", "t", "question_mark", "escape", "slash", "a")


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[
        Phase.explicit,
        Phase.reuse,
        Phase.generate,
    ],  # an example takes seconds: a hundred smaller ones are not tried
)
@given(words=HOSTILE, size=st.sampled_from([(60, 20), (80, 24), (120, 40), (200, 60)]))
def test_nothing_that_was_said_steers_the_terminal(words: str, size: tuple[int, int]) -> None:
    sent, _ = asyncio.run(everything_sent(words, size, KEYS))
    assert not invisible(STEERING.sub("", sent).replace("\n", ""))  # between the rows of a whole screen
    sent.encode()  # nothing that could not be written


@pytest.mark.parametrize(
    "words", ["[bold red]loud[/]", "[link=http://evil.example]here[/link]", "[@click=app.leave]x[/]"]
)
async def test_markup_stands_there_as_it_was_said(words: str) -> None:
    sent, rows = await everything_sent(words, (200, 60), ("enter", "enter"))
    assert rows.count(words) >= 4
    assert sent.count(words) > rows.count(words)  # in panels and in the details, too
    assert "\x1b]" not in STEERING.sub("", sent)


async def test_links_and_titles_are_pictures_of_what_they_were() -> None:
    words = "see \x1b]8;;http://evil.example\x07this\x1b]8;;\x07 \x1b]0;owned\x07"
    sent, rows = await everything_sent(words, (200, 60), ())
    assert "␛]8;;http://evil.example␇this␛]8;;␇ ␛]0;owned␇" in rows
    assert "\x1b]" not in STEERING.sub("", sent)
    assert "\x07" not in STEERING.sub("", sent)


async def everything_sent_by_label(folder: Path, words: str, size: tuple[int, int]) -> tuple[str, str]:
    """All that the screen of `livemerc label` sent while keys were pressed, and its rows in the beginning."""
    app = LabelApp(
        Annotation(folder), clip=None, silent=words or "-", play=lambda samples, rate_hz: None, hush=lambda: None
    )
    seen: list[str] = []

    async def look() -> None:
        await asyncio.sleep(0.1)
        seen.append("\n".join(strip.text for strip in app.screen._compositor.render_strips()))
        for key in ("down", "space", "t", "w", "escape", "s", "escape", "e", "escape", "question_mark", "escape"):
            app.post_message(textual_events.Key(key, key if len(key) == 1 else None))
            await asyncio.sleep(0.04)
            rows = "".join(strip.text for strip in app.screen._compositor.render_strips())
            assert not invisible(rows), key
        app.annotation.trouble = f"not saved: {words}"
        app.redraw()
        await asyncio.sleep(0.05)

    return await sent_while(app, size, look), seen[0]


@pytest.mark.parametrize(
    "words",
    [
        "".join(PIECES[:32]),
        "".join(PIECES[32:]),
        "[bold red]loud[/] [@click=app.leave]x[/] [link=http://evil.example]y",
    ],
    ids=["sequences", "scripts", "markup"],
)
@pytest.mark.parametrize("size", [(60, 20), (120, 40)])
async def test_nothing_in_a_recorded_session_steers_the_label_screen(
    tmp_path: Path, words: str, size: tuple[int, int]
) -> None:
    words = words.encode("utf-8", "replace").decode()  # as a file can hold them
    folder = write_session(tmp_path / "meeting \x1b[31m[bold red]漢字", session(words))
    sent, rows = await everything_sent_by_label(folder, words, size)
    assert not invisible(STEERING.sub("", sent).replace("\n", ""))
    assert "\x1b]" not in STEERING.sub("", sent)
    assert {cell_len(row) for row in rows.splitlines()} == {size[0]}  # no row hangs over or falls short
    assert "␛[31m[bold red]漢字" in rows
    if words.startswith("[bold"):
        assert rows.count("[bold red]loud[/]") >= 2
