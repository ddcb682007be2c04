"""A speaker has one colour, by the id, whatever they are called: on every part of the screen."""

from __future__ import annotations

from helpers.dashboard import shown, state_after
from helpers.scripted_monitor import ScriptedMonitor, emotion, final, start

from livemerc.dashboard.app import DashboardApp
from livemerc.dashboard.palette import DARK
from livemerc.dashboard.panels.bars import NowPanel
from livemerc.dashboard.panels.panel import Panel
from livemerc.dashboard.panels.summary import SummaryPanel
from livemerc.dashboard.panels.timeline import CoursePanel
from livemerc.dashboard.panels.transcript import Transcript
from livemerc.dashboard.state.session import SessionState
from livemerc.dashboard.state.speakers import heard_speakers
from livemerc.events import Event, SpeakerName

ANN = SpeakerName(speaker="S1", name="Ann")


def said(*named: SpeakerName) -> list[Event]:
    """S1 three times, S2, S3."""
    events: list[Event] = [start()]
    for n, speaker in enumerate(["S1", "S2", "S1", "S3", "S1"], 1):
        events += [final(n, n * 3.0, n * 3.0 + 2, f"utterance number {n}", speaker), emotion(n, "joy", 0.6)]
    return [*events, *named]


def colours_of(widget: Panel | Transcript, word: str) -> set[str]:
    """Those in which it draws `word`."""
    return {
        segment.style.color.name
        for y in range(widget.size.height)
        for segment in widget.render_line(y)
        if word in segment.text and segment.style is not None and segment.style.color is not None
    }


def coloured(state: SessionState) -> list[tuple[str | None, str | None]]:
    return [(utterance.speaker, utterance.coloured) for utterance in state.utterances]


async def test_a_speaker_who_gets_a_name_keeps_the_colour_on_every_part_of_the_screen() -> None:
    monitor = ScriptedMonitor(said(ANN))
    app = DashboardApp(monitor, ticking=False)
    async with app.run_test(size=(160, 50)) as pilot:
        transcript = await shown(pilot, app, monitor)
        for part in (transcript, *(app.query_one(kind) for kind in (SummaryPanel, CoursePanel, NowPanel))):
            assert colours_of(part, "Ann") == {app.palette.speaker("S1")}, part
        assert colours_of(transcript, "S2") == {app.palette.speaker("S2")}
        assert app.palette.speaker("S1") != app.palette.speaker(None)


def test_the_colour_stays_when_a_name_comes_goes_and_is_another() -> None:
    state = state_after(*said())
    for name in ("Ann", "Anna", None):
        state.apply(SpeakerName(speaker="S1", name=name))
        first = (name or "S1", "S1")
        assert coloured(state) == [first, ("S2", "S2"), first, ("S3", "S3"), first]
        assert state.coloured(name or "S1") == "S1"


def test_two_ids_of_one_name_have_the_colour_of_the_first_whichever_was_named_first() -> None:
    state = state_after(*said(SpeakerName(speaker="S3", name="Ann")))
    before = state.copy()
    assert coloured(state)[3] == ("Ann", "S3")
    state.apply(ANN)
    assert [colour for _, colour in coloured(state)] == ["S1", "S2", "S1", "S1", "S1"]
    assert [one.coloured for one in heard_speakers(state.utterances)] == ["S1", "S2", "S1"]
    state.apply(SpeakerName(speaker="S1", name=None))
    assert [colour for _, colour in coloured(state)] == ["S1", "S2", "S1", "S3", "S1"]
    assert coloured(before) == coloured(state)


def test_a_name_that_stands_in_the_file_has_no_colour() -> None:
    state = state_after(start(), final(1, 0, 2, "yes", "Ann"))
    assert coloured(state) == [("Ann", "Ann")]
    assert DARK.speaker("Ann") == DARK.speaker(None)
