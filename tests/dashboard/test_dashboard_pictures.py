"""Pictures of the screen at every size that is promised. Look at them before accepting a change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath

import pytest
from scripted_monitor import (
    FakeClock,
    ScriptedGauges,
    ScriptedMonitor,
    conversation,
    emotion,
    end,
    final,
    start,
)
from textual.app import App
from textual.pilot import Pilot

from livemerc.dashboard.app import DashboardApp
from livemerc.events import MicState

SIZES = [(60, 20), (80, 24), (120, 40), (200, 60)]
SPEAKING = ScriptedGauges(t_s=27.4, elapsed_s=27.4, level_dbfs=-22.5, speaking=True, lag_s=0.4, queued={"brain": 1})


def loading() -> ScriptedMonitor:
    return ScriptedMonitor(gauges=ScriptedGauges(t_s=3, elapsed_s=3, level_dbfs=-48, loading="loading models"))


def talking() -> ScriptedMonitor:
    return ScriptedMonitor(conversation(), gauges=SPEAKING)


def revised() -> ScriptedMonitor:
    joy, anger = ("joy", 0.6), ("anger", 0.7)
    return ScriptedMonitor(
        [
            start(),
            final(1, 1, 3, "well that is just wonderful isn't it", "Ann"),
            emotion(1, "joy", 0.55),
            final(2, 4, 5, "I said I was sorry", "Robert"),
            emotion(1, "anger", 0.61, status="revised", revision=1, second="joy", words=joy, voice=anger),
            emotion(2, "sadness", 0.72, words=("sadness", 0.6), voice=("sadness", 0.5)),
            final(3, 7, 9, "you are always sorry", "Ann"),
            emotion(1, "anger", 0.64, status="frozen", revision=2, second="joy", words=joy, voice=anger),
            emotion(2, "fear", 0.51, status="revised", revision=1, second="sadness"),
            emotion(3, "anger", 0.7, second="disgust", words=("disgust", 0.44), voice=anger),
        ],
        gauges=ScriptedGauges(t_s=9.8, elapsed_s=9.8, level_dbfs=-55),
    )


def abstained() -> ScriptedMonitor:
    return ScriptedMonitor(
        [
            start("mic:Built-in Audio"),
            final(1, 1, 1.3, "mm"),
            emotion(1, "neutral", 0.34, abstained="short: less than half a second of voice"),
            final(2, 4, 7, "thanks for watching thanks for watching thanks for watching", gated="repetition"),
            emotion(2, "sadness", 0.48, voice=("sadness", 0.48)),
            final(3, 9, 10, ""),
            emotion(3, "fear", 0.66, voice=("fear", 0.66)),
            final(4, 11, 13, "それは本当に[bold red]素晴らしい[/]ですね \x1b[31mשלום"),
            emotion(4, "joy", 0.44, second="anger", words=("joy", 0.6), voice=("anger", 0.6),
                    abstained="words and voice disagree"),
        ],
        gauges=ScriptedGauges(t_s=14, elapsed_s=14, level_dbfs=-41),
    )  # fmt: skip


def trouble() -> ScriptedMonitor:
    muted = "only zeros have come for 3 s: the microphone is muted; unmute it in the system's sound settings"
    return ScriptedMonitor(
        conversation(),
        gauges=ScriptedGauges(
            t_s=27.4, elapsed_s=27.4, level_dbfs=-2, lag_s=7.4, dropped_s=1.2, overruns=3, queued={"brain": 4},
            mic=MicState(ok=False, why=muted), degraded="partials are off, the recogniser uses shorter beams",
        ),
    )  # fmt: skip


def finished() -> ScriptedMonitor:
    return ScriptedMonitor([*conversation(), end(28, 7)], gauges=ScriptedGauges(t_s=28, elapsed_s=28), ends=True)


SCENES: dict[str, Callable[[], ScriptedMonitor]] = {
    scene.__name__: scene for scene in (loading, talking, revised, abstained, trouble, finished)
}


@pytest.fixture(autouse=True)
def _colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)


async def settle(pilot: Pilot[int]) -> None:
    """All events are in, a second of gauges has passed, and what is seen is drawn."""
    app = pilot.app
    assert isinstance(app, DashboardApp)
    monitor, clock = app._monitor, app._clock
    assert isinstance(monitor, ScriptedMonitor)
    assert isinstance(clock, FakeClock)
    for _ in range(500):
        if monitor.delivered.is_set() and not app._worker.waiting and (app._ended or not monitor._ends):
            break
        await pilot.pause(0.01)
    for _ in range(12):
        clock.now_s += 0.1
        app.tick()
    await pilot.pause()


Compare = Callable[..., bool]


def picture(compare: Compare, scene: str, size: tuple[int, int], press: tuple[str, ...] = ()) -> bool:
    app: App[int] | PurePath = DashboardApp(SCENES[scene](), clock=FakeClock(), ticking=False)

    async def before(pilot: Pilot[int]) -> None:
        await settle(pilot)
        for key in press:
            await pilot.press(key)
        await pilot.pause()

    return compare(app, terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("scene", SCENES)
def test_scene(snap_compare: Compare, scene: str, size: tuple[int, int]) -> None:
    assert picture(snap_compare, scene, size)


@pytest.mark.parametrize("theme_presses", [1, 2], ids=["light", "high_contrast"])
def test_theme(snap_compare: Compare, theme_presses: int) -> None:
    assert picture(snap_compare, "revised", (120, 40), ("t",) * theme_presses)


@pytest.mark.parametrize("size", [(60, 20), (120, 40)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_help(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert picture(snap_compare, "talking", size, ("question_mark",))


def test_no_colour_still_tells_every_label(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert picture(snap_compare, "talking", (80, 24))
