"""One utterance in full."""

from __future__ import annotations

from helpers.dashboard import details, shown
from helpers.scripted_monitor import ScriptedMonitor, emotion, final, start

from livemerc.dashboard.app import DashboardApp
from livemerc.events import LabelShift


async def test_the_details_tell_everything_that_is_known_of_an_utterance_and_follow_its_revisions() -> None:
    words, voice = ("neutral", 0.8), ("anger", 0.35)
    monitor = ScriptedMonitor(
        [
            start(),
            final(1, 1.0, 3.5, "that is fine", "Ann", overlaps=[(1.5, 2.0)]),
            emotion(1, "joy", 0.4, status="provisional", words=words, voice=voice, total_ms=712.0),
            emotion(1, "anger", 0.61, status="revised", revision=1, words=words, voice=voice),
        ]
    )
    app = DashboardApp(monitor)
    async with app.run_test(size=(100, 40)) as pilot:
        await shown(pilot, app, monitor)
        await pilot.press("enter", "enter")
        told = await details(pilot, app, "that is fine")
        for what in (
            "00:01.0 - 00:03.5", "2.5 s", "Ann", "that is fine", ".610", ".800", ".350", "words neutral, voice unclear",
            "first", "joy .40", "revised", "anger .61", "pocketsphinx en-us, 80% sure",
            "somebody else speaks, too: 00:01.5 to 00:02.0",
            "endpoint 450, in all 712",
        ):  # fmt: skip
            assert what in told, what
        app.state.apply(emotion(1, "fear", 0.7, status="frozen", revision=2, words=words, voice=voice))
        app.redraw()
        assert "settled" in await details(pilot, app, "fear .70")


async def test_the_details_tell_what_a_shift_went_by_and_nothing_where_no_single_one_decides() -> None:
    monitor = ScriptedMonitor(
        [
            start(),
            final(1, 1.0, 3.5, "that is fine", "Ann"),
            emotion(1, "joy", 0.7, status="frozen", revision=1),
            final(2, 33.0, 34.5, "you lied to me", "Bob"),
            emotion(2, "anger", 0.7, status="frozen", revision=1),
            final(3, 40.0, 41.5, "did I", "Ann"),
            emotion(3, "anger", 0.6, status="frozen", revision=1),
        ]
    )
    app = DashboardApp(monitor)
    async with app.run_test(size=(100, 40)) as pilot:
        await shown(pilot, app, monitor)
        await pilot.press("enter", "enter")
        assert "because of" not in await details(pilot, app, "did I")
        app.state.apply(LabelShift(utterance_id="u3", before="u1", because=None))
        app.redraw()
        assert "because of" not in await details(pilot, app, "did I")
        app.state.apply(LabelShift(utterance_id="u3", before="u1", because="u2"))
        app.redraw()
        told = await details(pilot, app, "because of 00:33")
        assert "Bob" in told
        assert "you lied to me" in told
