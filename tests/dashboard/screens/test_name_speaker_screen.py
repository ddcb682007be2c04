"""The key `s`: a name for a speaker, and a voice that is remembered once somebody has agreed."""

from __future__ import annotations

from helpers.dashboard import shown, until, visible
from helpers.scripted_monitor import ScriptedMonitor, emotion, final, start
from textual.widgets import Input, OptionList, Static

from livemerc.dashboard.app import DashboardApp
from livemerc.dashboard.panels.transcript import Transcript
from livemerc.dashboard.screens.name_speaker import ConsentScreen, NameSpeakerScreen, Tick
from livemerc.errors import InputError
from livemerc.events import Event, SpeakerName
from livemerc.speakers.voiceprints import Consent


class Naming(ScriptedMonitor):
    """Remembers what it is asked for; refuses to remember a voice where `too_little`."""

    def __init__(self, events: list[Event], *, voices: bool = True, too_little: bool = False) -> None:
        super().__init__(events)
        self.tells_voices_apart = voices
        self.too_little = too_little
        self.named: list[tuple[str, str | None]] = []
        self.remembered: list[tuple[str, str, Consent]] = []

    def name_speaker(self, speaker: str, name: str | None) -> None:
        self.named.append((speaker, name))

    def remember_voice(self, speaker: str, name: str, consent: Consent) -> None:
        if self.too_little:
            raise InputError("4 s of Sheila's voice were heard, and 10 s are needed to remember it; try again later.")
        self.remembered.append((speaker, name, consent))


def talk(*named: SpeakerName) -> list[Event]:
    """Three people in turn, the last utterance by S2."""
    events: list[Event] = [start()]
    for n, speaker in enumerate(["S1", "S2", "S3", "S1", "S2"], 1):
        events += [final(n, n * 3.0, n * 3.0 + 2, f"utterance number {n}", speaker), emotion(n, "joy", 0.6)]
    return [*events, *named]


def app_of(monitor: ScriptedMonitor) -> DashboardApp:
    return DashboardApp(monitor, ticking=False)


def note(app: DashboardApp) -> str:
    return str(app.screen.query_one("#naming-note", Static).render())


def lines(app: DashboardApp) -> list[str]:
    options = app.screen.query_one(OptionList)
    return [str(options.get_option_at_index(i).prompt) for i in range(options.option_count)]


async def test_whoever_spoke_last_is_proposed_and_gets_the_name_that_is_typed() -> None:
    monitor = Naming(talk())
    app = app_of(monitor)
    async with app.run_test(size=(100, 30)) as pilot:
        await shown(pilot, app, monitor)
        await pilot.press("s")
        assert isinstance(app.screen, NameSpeakerScreen)
        assert [line.split()[1] for line in lines(app)] == ["S1", "S2", "S3"]
        assert app.screen.query_one(OptionList).highlighted == 1
        await pilot.press(*"Sheila", "enter")
        await until(pilot, lambda: not isinstance(app.screen, NameSpeakerScreen))
        assert monitor.named == [("S2", "Sheila")]
        assert monitor.remembered == []


async def test_an_utterance_that_is_selected_proposes_its_speaker_and_the_arrows_choose_another() -> None:
    monitor = Naming(talk())
    app = app_of(monitor)
    async with app.run_test(size=(100, 30)) as pilot:
        await shown(pilot, app, monitor)
        await pilot.press("enter", "up", "s")
        assert app.screen.query_one(OptionList).highlighted == 0
        await pilot.press("up", *"Mia", "enter")
        await until(pilot, lambda: bool(monitor.named))
        assert monitor.named == [("S3", "Mia")]


async def test_the_screen_follows_the_last_name_and_a_name_can_be_taken_back() -> None:
    names = [SpeakerName(speaker="S2", name="Sheila"), SpeakerName(speaker="S2", name="Diane")]
    monitor = Naming(talk(*names))
    app = app_of(monitor)
    async with app.run_test(size=(100, 30)) as pilot:
        transcript = await shown(pilot, app, monitor)
        rows = visible(transcript)
        assert "Diane" in rows
        assert "Sheila" not in rows
        assert app.state.speakers == {"S1", "Diane", "S3"}
        await pilot.press("s")
        assert "Diane (S2)" in lines(app)[1]
        assert "take the name back" in note(app)
        await pilot.press("enter")
        await until(pilot, lambda: bool(monitor.named))
        assert monitor.named == [("S2", None)]


async def test_a_voice_is_remembered_only_after_a_yes() -> None:
    for answer, kept in (("y", 1), ("enter", 0)):
        monitor = Naming(talk())
        app = app_of(monitor)
        async with app.run_test(size=(100, 30)) as pilot:
            await shown(pilot, app, monitor)
            await pilot.press("s", *"Sheila", "tab", "space")
            assert app.screen.query_one(Tick).ticked
            await pilot.press("enter")
            await until(pilot, lambda app=app: isinstance(app.screen, ConsentScreen))
            assert monitor.named == [("S2", "Sheila")]
            assert monitor.remembered == []
            await pilot.press(answer)
            await until(pilot, lambda app=app: not isinstance(app.screen, ConsentScreen))
            await app.workers.wait_for_complete()
            assert len(monitor.remembered) == kept
            if kept:
                speaker, name, consent = monitor.remembered[0]
                assert (speaker, name, consent.how) == ("S2", "Sheila", "screen")
                assert "Sheila" in consent.question


async def test_what_is_refused_is_told_and_the_name_stays() -> None:
    monitor = Naming(talk(), too_little=True)
    app = app_of(monitor)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await shown(pilot, app, monitor)
        await pilot.press("s", *"S7", "enter")
        assert "person's name" in note(app)
        await pilot.press("backspace", "backspace", "enter")
        assert "Type a name" in note(app)
        await pilot.press(*"Sheila", "tab", "space", "enter")
        await until(pilot, lambda: isinstance(app.screen, ConsentScreen))
        await pilot.press("y")
        await until(pilot, lambda: any("10 s are needed" in n.message for n in app._notifications))
        assert monitor.named == [("S2", "Sheila")]


async def test_nothing_is_offered_where_nobody_can_be_named_or_no_voice_remembered() -> None:
    for monitor, offered in ((Naming([start()]), False), (ScriptedMonitor(talk()), False), (Naming(talk()), True)):
        app = app_of(monitor)
        async with app.run_test(size=(100, 30)) as pilot:
            await shown(pilot, app, monitor)
            assert ("s" in app.active_bindings and app.active_bindings["s"].enabled) == offered
            await pilot.press("s")
            assert isinstance(app.screen, NameSpeakerScreen) == offered
    monitor = Naming(talk(), voices=False)
    app = app_of(monitor)
    async with app.run_test(size=(60, 20)) as pilot:
        await shown(pilot, app, monitor)
        await pilot.press("s")
        assert not app.screen.query(Tick)
        assert app.screen.query_one(Input).has_focus
        await pilot.press("escape")
        assert app.query_one(Transcript)
        assert monitor.named == []
