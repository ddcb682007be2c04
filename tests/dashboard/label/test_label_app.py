"""The label screen: keys do what they say, what is saved is saved, and pictures at the sizes that are promised."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from helpers.sessions import HOSTILE, conversation, write_session
from textual.widgets import Input, OptionList

from livemerc.dashboard import terminal_app
from livemerc.dashboard.label import app as label_app
from livemerc.dashboard.label.app import LabelApp
from livemerc.dashboard.label.panels import CurrentPanel, LabelPanel, SavedPanel, UtterancePanel
from livemerc.dashboard.label.screens import LabelHelpScreen, PickScreen
from livemerc.dashboard.panels.key_line import KeyLine
from livemerc.errors import LivemercError
from livemerc.events import EmotionEvent, UtteranceFinal
from livemerc.sessions import annotation as annotation_module
from livemerc.sessions.annotation import Annotation
from livemerc.sessions.session import read_session

WORDS = (
    "Good morning, I am making coffee in the kitchen",
    "I have wonderful news, they gave me the job, and it begins on Monday already, in the very same house as yours!",
    "There is a letter for you on the table",
    "それは本当に[bold red]素晴らしい[/]ですね \x1b[31mשלום",
    "",
    "I hate them, they lied to us again and again",
)


def session(tmp_path: Path, utterances: int = 6, text: str | None = None) -> Path:
    events = []
    for event in conversation(utterances):
        if isinstance(event, UtteranceFinal):
            number = int(event.utterance_id[1:]) - 1
            words = WORDS[number % len(WORDS)] if text is None else text
            event = msgspec.structs.replace(event, text=words, speaker=("Ann", "Ben")[number % 2])
        elif isinstance(event, EmotionEvent) and event.utterance_id == "u3":
            event = msgspec.structs.replace(event, abstained="words and voice disagree")
        events.append(event)
    return write_session(tmp_path / "meeting", events)


def screen(folder: Path, **parts: object) -> LabelApp:
    given: dict[str, object] = {
        "clip": None, "silent": "no audio was kept", "play": lambda samples, rate_hz: None, "hush": lambda: None
    }  # fmt: skip
    return LabelApp(Annotation(folder), **(given | parts))  # type: ignore[arg-type]


def shown(app: LabelApp, panel: type[LabelPanel]) -> str:
    widget = app.query_one(panel)
    return "\n".join(widget.render_line(y).text.rstrip() for y in range(widget.size.height))


def labels(folder: Path) -> list[str | None]:
    return [
        "-" if utterance.nothing_to_judge else utterance.corrected_emotion
        for utterance in read_session(folder).utterances
    ]


async def test_digits_label_and_lead_to_the_next_and_all_is_on_the_disk(tmp_path: Path) -> None:
    folder = session(tmp_path)
    app = screen(folder)
    async with app.run_test(size=(60, 20)) as pilot:
        await pilot.press("2", "enter", "0", "4")
        assert labels(folder) == ["joy", "neutral", "-", "anger", None, None]
        assert app.annotation.position == 4
        assert "saved: anger" in shown(app, SavedPanel)
        await pilot.press("u", "u")
        assert labels(folder) == ["joy", "neutral", None, None, None, None]
        assert app.annotation.position == 2
        await pilot.press("home", "backspace")
        assert labels(folder)[0] is None
        await pilot.press("9")  # there are seven labels
        assert labels(folder)[0] is None
        await pilot.press("q")
    assert app.return_value == 0


async def test_words_are_corrected_in_place_and_escape_leaves_them(tmp_path: Path) -> None:
    folder = session(tmp_path)
    app = screen(folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("w")
        editor = app.query_one("#editor", Input)
        assert editor.display
        assert editor.value == WORDS[0]
        await pilot.press("q", "1", "enter")  # keys of the screen are letters here
        assert read_session(folder).utterances[0].text == WORDS[0] + "q1"
        assert not editor.display
        assert "✎" in shown(app, UtterancePanel)
        await pilot.press("w", "x", "escape", "down", "1")
        said = read_session(folder).utterances
        assert (said[0].text, said[1].corrected_emotion) == (WORDS[0] + "q1", "neutral")


async def test_hostile_words_are_not_changed_by_looking_at_them(tmp_path: Path) -> None:
    folder = session(tmp_path, text=HOSTILE)
    app = screen(folder)
    async with app.run_test(size=(60, 20)) as pilot:
        await pilot.press("w", "enter", "down", "s", "escape", "e", "escape")
        for panel in (UtterancePanel, CurrentPanel, SavedPanel):
            assert all(line.isprintable() for line in shown(app, panel).split("\n"))
    assert [u.text for u in read_session(folder).utterances] == [HOSTILE] * 6


async def test_a_speaker_is_picked_or_typed(tmp_path: Path) -> None:
    folder = session(tmp_path)
    app = screen(folder)
    async with app.run_test(size=(60, 20)) as pilot:
        await pilot.press("s")
        assert isinstance(app.screen, PickScreen)
        assert app.screen.query_one(OptionList).option_count == 3  # Ann, Ben, nobody known
        await pilot.press("down", "enter")
        assert app.annotation.current.speaker == "Ben"
        await pilot.press("s", *"Zoe", "enter", "down", "s", "escape")
    assert [u.speaker for u in read_session(folder).utterances][:2] == ["Zoe", "Ben"]


async def test_a_speaker_whom_nobody_knows_is_taken_out(tmp_path: Path) -> None:
    folder = session(tmp_path)
    app = screen(folder)
    async with app.run_test(size=(60, 20)) as pilot:
        await pilot.press("s", "up", "enter")  # from Ann, the first, to the last
        assert app.annotation.current.speaker is None
        await pilot.press("s")
        assert app.screen.query_one(OptionList).option_count == 2
        await pilot.press("escape")
    assert read_session(folder).utterances[0].speaker is None


async def test_an_emotion_can_be_picked_from_a_list(tmp_path: Path) -> None:
    folder = session(tmp_path)
    app = screen(folder)
    async with app.run_test(size=(60, 20)) as pilot:
        await pilot.press("e", "down", "enter")
    assert labels(folder)[0] == "joy"  # below neutral, which is the model's
    assert app.annotation.position == 1


async def test_orders_moves_and_the_next_one_without_a_label(tmp_path: Path) -> None:
    folder = session(tmp_path)
    app = screen(folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("o")
        assert app.annotation.current.utterance_id == "u3"  # the one that the model was not sure of
        await pilot.press("1", "o", "home", "n", "n")
        assert app.annotation.current.utterance_id == "u4"
        await pilot.press("end", "pageup", "up", "down", "t", "question_mark")
        assert isinstance(app.screen, LabelHelpScreen)
        await pilot.press("escape", "question_mark", "q")
    assert app.return_value == 0


async def test_what_is_not_saved_is_said_and_not_shown_as_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = session(tmp_path)
    app = screen(folder)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async with app.run_test(size=(60, 20)) as pilot:
        monkeypatch.setattr(annotation_module, "append_correction", full)
        await pilot.press("2")
        assert "NOT SAVED (No space left on device)" in shown(app, SavedPanel)
        assert (app.annotation.labelled, app.annotation.position) == (0, 0)
        assert "✓" not in shown(app, UtterancePanel)
        await pilot.press("w", "x", "enter")
        assert app.query_one("#editor", Input).display  # what was typed is kept to be tried again
        monkeypatch.undo()
        await pilot.press("enter", "2")
        assert "NOT SAVED" not in shown(app, SavedPanel)
    assert labels(folder)[0] == "joy"
    assert read_session(folder).utterances[0].text == WORDS[0] + "x"


async def test_the_current_utterance_is_played_and_no_output_is_said(tmp_path: Path) -> None:
    played: list[tuple[int, int]] = []
    hushed: list[bool] = []

    def clip(index: int) -> Callable[[], tuple[np.ndarray, int]]:
        def read() -> tuple[np.ndarray, int]:
            return np.zeros(8_000 * (index + 1), np.float32), 16_000

        return read

    def play(samples: np.ndarray, rate_hz: int) -> None:
        if len(samples) > 8_000:
            raise LivemercError("Nothing can be played: no audio output (none); check the system's sound settings.")
        played.append((len(samples), rate_hz))

    app = screen(session(tmp_path), clip=clip, play=play, hush=lambda: hushed.append(True))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("space")
        await app.workers.wait_for_complete()
        assert played == [(8_000, 16_000)]
        assert "playing 0.5 s" in shown(app, SavedPanel)
        await pilot.press("escape")
        assert hushed == [True]
        await pilot.press("down", "space")
        await app.workers.wait_for_complete()
        assert "no audio output" in shown(app, SavedPanel)
    silent = screen(session(tmp_path / "other"))
    async with silent.run_test(size=(80, 24)) as pilot:
        await pilot.press("space")
        assert "no audio was kept" in shown(silent, SavedPanel)


async def test_thousands_of_utterances_are_as_quick_as_ten_to_draw(tmp_path: Path) -> None:
    app = screen(session(tmp_path, utterances=3000))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("end", "1", "pageup", "home")
        widget = app.query_one(UtterancePanel)
        assert len(widget.lines(80, 12)) == 12


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 40)], ids=lambda s: f"{s[0]}x{s[1]}")
async def test_nothing_hangs_over_at_any_size(tmp_path: Path, size: tuple[int, int]) -> None:
    app = screen(session(tmp_path))
    async with app.run_test(size=size) as pilot:
        for _ in range(6):
            for panel in app.query(LabelPanel):
                for line in panel.lines(panel.size.width, panel.size.height):
                    assert line.cell_len <= panel.size.width
            keys = shown(app, CurrentPanel)
            assert "nothing to judge" in keys
            assert "7 ✖ disgust" in keys
            await pilot.press("down")
        assert app.query_one(KeyLine).region.bottom == size[1]


Compare = Callable[..., bool]


@pytest.fixture(autouse=True)
def _colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.mark.parametrize("size", [(60, 20), (100, 30)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_picture_of_a_pass(snap_compare: Compare, tmp_path: Path, size: tuple[int, int]) -> None:
    app = screen(session(tmp_path))
    assert snap_compare(app, terminal_size=size, press=("2", "0", "down", "5", "up", "up"))


def test_picture_of_the_editor(snap_compare: Compare, tmp_path: Path) -> None:
    app = screen(session(tmp_path))
    assert snap_compare(app, terminal_size=(60, 20), press=("down", "down", "w"))


def test_picture_of_the_help(snap_compare: Compare, tmp_path: Path) -> None:
    assert snap_compare(screen(session(tmp_path)), terminal_size=(60, 20), press=("question_mark",))


@pytest.mark.parametrize(
    ("ground", "theme", "named"),
    [("15;0", "auto", "dark"), ("0;15", "auto", "light"), ("0;15", "high-contrast", "high-contrast")],
)
def test_it_begins_in_the_theme_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ground: str, theme: str, named: str
) -> None:
    monkeypatch.setenv("COLORFGBG", ground)
    monkeypatch.setattr(terminal_app, "own_terminal", lambda: contextlib.nullcontext(lambda: False))
    app = screen(session(tmp_path))
    monkeypatch.setattr(app, "run", lambda: 0)
    assert label_app.run_label(app, theme) == 0
    assert (app.palette.name, app.theme) == (named, named)


async def test_without_its_terminal_it_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_app, "_LOOK_AT_TERMINAL_EVERY_S", 0.05)
    app = screen(session(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause(0.2)
        assert app.return_value is None
        app.terminal_gone = lambda: True
        while app.return_value is None:
            await pilot.pause(0.05)
    assert app.return_value == 0
