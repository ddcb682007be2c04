"""Pictures of the screen at every size that is promised. Look at them before accepting a change."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

import msgspec
import pytest
from helpers.paths import PROJECT
from helpers.scripted_monitor import (
    FakeClock,
    ScriptedGauges,
    ScriptedMonitor,
    conversation,
    emotion,
    end,
    final,
    partial,
    start,
)
from textual.app import App
from textual.pilot import Pilot

from livemerc.dashboard.app import DashboardApp
from livemerc.emotions import LABELS
from livemerc.events import EmotionEvent, Event, MicState, Status
from livemerc.purpose import PURPOSES, WORDS_ALONE
from livemerc.runtime.notices import PAUSED

SIZES = [(60, 20), (80, 24), (120, 40), (200, 60)]
SPEAKING = ScriptedGauges(t_s=27.4, elapsed_s=27.4, level_dbfs=-22.5, speaking=True, lag_s=0.4, queued={"asr": 1})


def empty() -> ScriptedMonitor:
    return ScriptedMonitor(
        gauges=ScriptedGauges(t_s=3, elapsed_s=3, level_dbfs=-48, loading="loading models", mic=MicState(ok=True))
    )


def speaking() -> ScriptedMonitor:
    """The first words, and what the voice alone says of them so far."""
    return ScriptedMonitor(
        [
            start("mic:Built-in Audio"),
            partial(1, 0.8, "so you came"),
            emotion(1, "surprise", 0.41, status="partial", second="joy", voice=("surprise", 0.41), total_ms=None),
        ],
        gauges=ScriptedGauges(t_s=2.4, elapsed_s=2.4, level_dbfs=-18, speaking=True, mic=MicState(ok=True)),
    )


def conversing() -> ScriptedMonitor:
    monitor = ScriptedMonitor(
        [*conversation(), emotion(8, "sadness", 0.44, status="partial", voice=("sadness", 0.44), total_ms=None)],
        gauges=SPEAKING,
    )
    monitor.recording = "rec + audio"
    return monitor


def revised() -> ScriptedMonitor:
    joy, anger = ("joy", 0.6), ("anger", 0.7)
    return ScriptedMonitor(
        [
            start(),
            final(1, 1, 3, "well that is just wonderful isn't it", "Ann"),
            emotion(1, "joy", 0.55, words=joy, voice=("joy", 0.4)),
            final(2, 4, 5, "I said I was sorry", "Robert"),
            emotion(1, "anger", 0.61, status="revised", revision=1, second="joy", words=joy, voice=anger),
            emotion(2, "sadness", 0.72, words=("sadness", 0.6), voice=("sadness", 0.5)),
            final(3, 7, 9, "you are always sorry", "Ann"),
            emotion(1, "anger", 0.64, status="frozen", revision=2, second="joy", words=joy, voice=anger),
            emotion(2, "fear", 0.51, status="revised", revision=1, second="sadness"),
            emotion(3, "neutral", 0.42, second="disgust", words=("neutral", 0.64), voice=("anger", 0.4)),
            emotion(3, "disgust", 0.5, status="revised", revision=1, second="anger", words=("neutral", 0.64),
                    voice=("anger", 0.4)),
        ],
        gauges=ScriptedGauges(t_s=9.8, elapsed_s=9.8, level_dbfs=-55),
    )  # fmt: skip


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
            final(4, 11, 13, "それは本当に[bold red]素晴らしい[/]ですね \x1b[31mשלום עולם"),
            emotion(4, "joy", 0.44, second="anger", words=("joy", 0.6), voice=("anger", 0.6),
                    abstained="words and voice disagree"),
        ],
        gauges=ScriptedGauges(t_s=14, elapsed_s=14, level_dbfs=-41),
    )  # fmt: skip


def degraded() -> ScriptedMonitor:
    given_up = "12 s behind: the voice is judged at once, words come later"
    return ScriptedMonitor(
        [*conversation(), Status(t_s=26, lag_s=12.4, queued={"asr": 6}, degraded=given_up)],
        gauges=ScriptedGauges(
            t_s=27.4, elapsed_s=27.4, level_dbfs=-31, speaking=True, lag_s=12.4, queued={"asr": 6}, degraded=given_up
        ),
    )


def deaf() -> ScriptedMonitor:
    """Trouble with the microphone."""
    muted = "only zeros have come for 3 s: the microphone is muted; unmute it in the system's sound settings"
    mic = MicState(ok=False, why=muted)
    return ScriptedMonitor(
        [
            *conversation()[:-1],
            Status(t_s=25, lag_s=0.2, queued={}, dropped_s=1.2, overruns=3, mic=mic),
            Status(t_s=27.4, lag_s=0.2, queued={}, dropped_s=1.2, overruns=3, mic=mic),
        ],
        gauges=ScriptedGauges(
            t_s=27.4, elapsed_s=27.4, level_dbfs=-2, lag_s=0.2, dropped_s=1.2, overruns=3, mic=mic
        ),
    )  # fmt: skip


def paused() -> ScriptedMonitor:
    monitor = ScriptedMonitor(
        [*conversation()[:-1], Status(t_s=25, lag_s=0.0, queued={}, degraded=PAUSED),
         Status(t_s=27.4, lag_s=0.0, queued={}, degraded=PAUSED)],
        gauges=ScriptedGauges(t_s=27.4, elapsed_s=27.4, mic=MicState(ok=True)),
    )  # fmt: skip
    monitor.pause(True)
    return monitor


def finished() -> ScriptedMonitor:
    return ScriptedMonitor([*conversation(), end(28, 7)], gauges=ScriptedGauges(t_s=28, elapsed_s=28), ends=True)


def hundreds() -> ScriptedMonitor:
    """500 utterances of three people over most of an hour, with all that can be marked."""
    dice = random.Random(5)
    events: list[Event] = [start("mic:Built-in Audio")]
    t_s, mood = 0.0, "neutral"
    for number in range(1, 501):
        t_s += dice.uniform(0.4, 6.0)
        length_s = dice.uniform(0.4, 7.0)
        mood = mood if dice.random() < 0.6 else dice.choice(LABELS)
        words = " ".join(dice.choice(WORDS) for _ in range(1 + int(length_s * 2.5)))
        voice = (mood if dice.random() < 0.7 else dice.choice(LABELS), dice.uniform(0.3, 0.8))
        sure = dice.uniform(0.3, 0.95)
        events.append(final(number, t_s, t_s + length_s, words, ("Ann", "Robert", "Eve")[number * 7 % 3]))
        events.append(
            emotion(number, mood, sure, status="frozen" if number < 499 else "provisional",
                    words=(mood, dice.uniform(0.3, 0.9)), voice=voice, total_ms=dice.uniform(400, 900),
                    abstained="unsure: no class stands out" if sure < 0.4 else None)
        )  # fmt: skip
        t_s += length_s
        if number == 200:
            events.append(Status(t_s=t_s, lag_s=0.1, queued={}, dropped_s=8.0, overruns=1))
        if number in (320, 321):
            events.append(Status(t_s=t_s, lag_s=0.1, queued={}, dropped_s=8.0, degraded=PAUSED))
        if number == 340:
            events.append(Status(t_s=t_s, lag_s=0.1, queued={}, dropped_s=8.0))
    return ScriptedMonitor(
        events,
        gauges=ScriptedGauges(t_s=t_s, elapsed_s=t_s, level_dbfs=-38, dropped_s=8, overruns=1, mic=MicState(ok=True)),
    )


def of_purpose(**voice: Any) -> Callable[[], ScriptedMonitor]:
    """The conversation of a session that says what it is for and whose voice is judged."""

    def scene() -> ScriptedMonitor:
        (first, *others) = conversation()
        events = [_without_voice(event) for event in others] if voice["text_only"] else others
        monitor = ScriptedMonitor([msgspec.structs.replace(first, **voice), *events], gauges=SPEAKING)
        monitor.recording = "rec + audio"
        return monitor

    return scene


def _without_voice(event: Event) -> Event:
    if not isinstance(event, EmotionEvent):
        return event
    return msgspec.structs.replace(event, modality=msgspec.structs.replace(event.modality, speech=None))


WORDS = [
    "well",
    "I",
    "never",
    "said",
    "that",
    "you",
    "could",
    "have",
    "it",
    "and",
    "then",
    "they",
    "came",
    "to",
    "the",
    "house",
    "by",
    "the",
    "river",
]
SCENES: dict[str, Callable[[], ScriptedMonitor]] = {
    scene.__name__: scene
    for scene in (empty, speaking, conversing, revised, abstained, degraded, deaf, paused, finished, hundreds)
}


OF_PURPOSES: dict[str, Callable[[], ScriptedMonitor]] = {
    purpose: of_purpose(purpose=purpose, text_only=purpose in WORDS_ALONE) for purpose in PURPOSES
} | {"me": of_purpose(purpose="personal", text_only=False, judge_voice_of=["me"])}


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
        if monitor.delivered.is_set() and not app.feed.waiting and (app.ended or not monitor._ends):
            break
        await pilot.pause(0.01)
    for _ in range(12):
        clock.now_s += 0.1
        app.tick()
    await pilot.pause()


Compare = Callable[..., bool]


def picture(compare: Compare, scene: str, size: tuple[int, int], press: tuple[str, ...] = ()) -> bool:
    app: App[int] | PurePath = DashboardApp((SCENES | OF_PURPOSES)[scene](), clock=FakeClock(), ticking=False)

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


@pytest.mark.parametrize("scene", OF_PURPOSES)
def test_purpose(snap_compare: Compare, scene: str) -> None:
    assert picture(snap_compare, scene, (60, 20) if scene in ("education", "me") else (80, 24))


@pytest.mark.parametrize("size", [(60, 20), (120, 40)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_notice(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert picture(snap_compare, "work", size, ("i",))


@pytest.mark.parametrize("theme_presses", [1, 2], ids=["light", "high_contrast"])
def test_theme(snap_compare: Compare, theme_presses: int) -> None:
    assert picture(snap_compare, "revised", (120, 40), ("t",) * theme_presses)


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
def test_help(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert picture(snap_compare, "conversing", size, ("question_mark",))


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
def test_detail(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert picture(snap_compare, "revised", size, ("enter", "up", "up", "enter"))


@pytest.mark.parametrize("presses", [1, 2, 3], ids=["course", "summary", "health"])
@pytest.mark.parametrize("size", SIZES[:2], ids=lambda s: f"{s[0]}x{s[1]}")
def test_views_of_a_narrow_screen(snap_compare: Compare, size: tuple[int, int], presses: int) -> None:
    assert picture(snap_compare, "hundreds", size, ("v",) * presses)


def test_the_other_view_of_a_wide_screen(snap_compare: Compare) -> None:
    assert picture(snap_compare, "conversing", (120, 40), ("v",))


@pytest.mark.parametrize("size", [(60, 20), (120, 40)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_search_and_bookmark(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert picture(snap_compare, "conversing", size, ("slash", *"you", "enter", "b"))


def test_palette(snap_compare: Compare) -> None:
    assert picture(snap_compare, "conversing", (80, 24), ("ctrl+p",))


def test_no_colour_still_tells_every_label(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert picture(snap_compare, "conversing", (80, 24))


def test_the_picture_of_the_documents_loads_nothing_from_elsewhere() -> None:
    picture = (PROJECT / "docs" / "dashboard.svg").read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^\s\"')<]+|url\((?!#)[^)]*\)|@import", picture)) == {"http://www.w3.org/2000/svg"}
    assert len(picture.encode()) < 200_000
    assert "neutral" in picture
