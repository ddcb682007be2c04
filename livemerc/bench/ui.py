"""`livemerc bench ui`: what the dashboard costs in a long session. The real screen, drawn in full, to nobody."""

from __future__ import annotations

import asyncio
import gc
import inspect
import itertools
import random
import sys
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import psutil
from textual import events as textual_events
from textual.binding import BindingType
from textual.driver import Driver
from textual.geometry import Size

from livemerc.bench.measuring import machine, percentiles
from livemerc.dashboard.keys import READING_KEYS
from livemerc.dashboard.session_app import REDRAW_EVERY_S, SessionApp
from livemerc.dashboard.terminal import spare_the_collector
from livemerc.dashboard.watched import EventSource
from livemerc.dashboard.worker import EventWorker
from livemerc.emotions import LABELS
from livemerc.events import (
    AsrInfo,
    CheckpointInfo,
    EmotionEvent,
    EmotionStatus,
    Event,
    FinalAsr,
    Modality,
    SessionStart,
    Status,
    Timing,
    UtteranceFinal,
    UtterancePartial,
)
from livemerc.runtime.gauges import Gauges

SIZE = (120, 40)
UTTERANCES, UTTERANCES_QUICK = 10_000, 3_000
LIMITS = {"append_ms": 16.0, "scroll_ms": 16.0, "bytes_per_utterance": 2048.0, "idle_cpu": 0.10, "redraws_per_s": 10.0}
_MEASURED = 1_000  # appends, evenly spread; the others are drawn too
_WARM_UP = 1_000  # utterances after which the caches are full: memory is counted from here
_QUIET_S = 0.02  # nothing has been drawn for so long: the picture is whole
_KEYS = ("up", "pageup", "pageup", "down", "pagedown", "home", "end", "pageup")
_TALK = "so you came after all and I thought nobody would ever listen to what we say in this kitchen today"


def main(quick: bool = False, json: bool = False) -> int:
    """Measures and prints a table, or one JSON object. `quick`: 3,000 utterances instead of 10,000."""
    spare_the_collector()  # as the screen's own process does
    figures = asyncio.run(measure(quick))
    if json:
        import msgspec

        sys.stdout.write(msgspec.json.encode(figures).decode() + "\n")
    else:
        for line in table(figures):
            print(line)
    return 0


async def measure(quick: bool = False) -> dict[str, Any]:
    """All figures: ms of the UI's thread (p50, p95, n), bytes an utterance, shares of a core, redraws a second."""
    utterances = UTTERANCES_QUICK if quick else UTTERANCES
    seconds = 5.0 if quick else 15.0
    figures: dict[str, Any] = {"machine": machine(), "utterances": utterances, "columns": SIZE[0], "rows": SIZE[1]}
    figures |= await _long_session(utterances)
    figures["idle_cpu"] = await _share_of_a_core(Quiet(), seconds)
    figures["idle_cpu_room_noise"] = await _share_of_a_core(Quiet(jitter_db=3.0), seconds)
    figures |= await _flood(seconds)
    figures["limits"] = LIMITS
    figures["over_limit"] = sorted(name for name, most in LIMITS.items() if _judged(figures[name]) > most)
    return figures


# -- a session out of nothing ------------------------------------------------------------------------------------------


def start() -> SessionStart:
    return SessionStart(
        version="bench", labels=list(LABELS), checkpoint=CheckpointInfo(id="bench", sha256="0" * 64, licence="none"),
        asr=AsrInfo(engine="none"), device="cpu", source="bench", started_at="2026-01-01T00:00:00+00:00",
    )  # fmt: skip


def utterance(number: int, dice: random.Random) -> list[Event]:
    """What a live session sends for one: hypotheses, words, estimates (a third is revised), seven status lines."""
    name, begin_s = f"u{number}", number * 3.5
    words = [dice.choice(_TALK.split()) for _ in range(dice.randint(1, 28))]
    sent: list[Event] = [
        UtterancePartial(utterance_id=name, start_s=begin_s, text=" ".join(words[: len(words) * part // 3]))
        for part in (1, 2, 3)
    ]
    sent.append(
        UtteranceFinal(
            utterance_id=name, start_s=begin_s, end_s=begin_s + 0.1 * len(words) + 0.3, text=" ".join(words),
            speaker=("Ann", "Robert")[number % 2],
            asr=FinalAsr(engine="none", confidence=0.8, gated="noisy" if number % 40 == 0 else None),
        )
    )  # fmt: skip
    revised = number % 3 == 0
    course: list[tuple[EmotionStatus, bool]] = [("provisional", False), ("frozen", revised)]
    if revised:
        course.insert(1, ("revised", True))
    for revision, (status, other) in enumerate(course):
        sent.append(_estimate(name, revision, status, dice, abstained=number % 10 == 0 and not other))
    for half in range(7):
        sent.append(Status(t_s=begin_s + half / 2, lag_s=0.2, queued={"asr": 0}, level_dbfs=dice.uniform(-50, -12)))
    return sent


def _estimate(name: str, revision: int, status: EmotionStatus, dice: random.Random, abstained: bool) -> EmotionEvent:
    def spread() -> dict[str, float]:
        weights = [dice.random() ** 3 + 1e-3 for _ in LABELS]
        return {label: weight / sum(weights) for label, weight in zip(LABELS, weights, strict=True)}

    fused = spread()
    label = max(fused, key=fused.__getitem__)
    return EmotionEvent(
        utterance_id=name, revision=revision, status=status, label=label, confidence=fused[label],
        abstained="short" if abstained else None, probabilities=fused,
        modality=Modality(text=spread(), speech=spread()),
        timing=Timing(endpoint_wait_ms=400.0, asr_ms=200.0, encode_ms=20.0, fuse_ms=4.0, total_ms=624.0 + revision),
    )  # fmt: skip


class Quiet:
    """A monitor of a room in which nothing happens: the clock runs, and perhaps the level trembles."""

    def __init__(self, jitter_db: float = 0.0) -> None:
        self._jitter_db = jitter_db
        self._dice = random.Random(0)
        self._began_s = time.monotonic()
        self._stopped = threading.Event()

    def events(self) -> Iterator[Event]:
        yield start()
        yield from itertools.chain.from_iterable(utterance(n, self._dice) for n in range(40))
        self._stopped.wait()

    def stop(self) -> None:
        self._stopped.set()

    def gauges(self) -> Gauges:
        passed_s = time.monotonic() - self._began_s
        level_dbfs = -52.0 + self._dice.uniform(-1, 1) * self._jitter_db
        return Gauges(t_s=passed_s, elapsed_s=passed_s, level_dbfs=level_dbfs, queued={"asr": 0})


class Flood(Quiet):
    """Events as fast as the screen takes them."""

    def events(self) -> Iterator[Event]:
        yield start()
        for number in itertools.count():
            for event in utterance(number, self._dice):
                if self._stopped.is_set():
                    return
                yield event


class Fed(Quiet):
    """A feed that gives what `give` was called with, in the UI's own thread."""

    def __init__(self) -> None:
        super().__init__(jitter_db=20.0)
        self._inbox: deque[Event] = deque([start()])

    @property
    def waiting(self) -> bool:
        return bool(self._inbox)

    def give(self, number: int) -> None:
        self._inbox.extend(utterance(number, self._dice))

    def start(self, arrived: Callable[[], object], ended: Callable[[BaseException | None], object]) -> None:
        """Nothing runs."""

    def take(self) -> Event | None:
        return self._inbox.popleft() if self._inbox else None

    def close(self, timeout_s: float) -> None:
        """Nothing runs."""


class BenchApp(SessionApp):
    """The screen with a reader's keys."""

    own_process = True
    CSS_PATH = str(Path(inspect.getfile(SessionApp)).with_name("dashboard.tcss"))
    BINDINGS: ClassVar[list[BindingType]] = [*READING_KEYS]

    def leave_on_signals(self) -> None:
        """Ctrl+C ends the bench, not one of its sessions."""


class NowhereDriver(Driver):
    """A terminal of a fixed size that takes everything: escape sequences are made as for a real one, and counted."""

    frames = 0
    written = 0

    def write(self, data: str) -> None:
        self.frames += 1
        self.written += len(data)

    def start_application_mode(self) -> None:
        size = Size(*SIZE)
        self._app.call_later(self._app.post_message, textual_events.Resize(size, size))

    def stop_application_mode(self) -> None:
        """Nothing to restore."""

    def disable_input(self) -> None:
        """There is none."""


# -- measuring ---------------------------------------------------------------------------------------------------------


async def _with_app(app: SessionApp, work: Callable[[NowhereDriver], Awaitable[None]]) -> None:
    app.driver_class = NowhereDriver
    failures: list[Exception] = []

    async def pilot(_: object) -> None:
        driver = app._driver
        assert isinstance(driver, NowhereDriver)
        try:
            await work(driver)
        except Exception as failure:  # noqa: BLE001 - on its way through the app, which would only log it
            failures.append(failure)
        app.exit(0)

    await app.run_async(size=SIZE, auto_pilot=pilot)
    if failures:
        raise failures[0]


async def _drawn(driver: NowhereDriver) -> None:
    """Until the picture is whole."""
    before = -1
    while before != driver.frames:
        before = driver.frames
        await asyncio.sleep(_QUIET_S)


async def _cost_ms(driver: NowhereDriver, what: Callable[[], object]) -> float:
    """Processor time of the UI's thread from `what` until it is on the screen."""
    began_s = time.thread_time()
    what()
    await _drawn(driver)
    return (time.thread_time() - began_s) * 1000


async def _long_session(utterances: int, warm_up: int = _WARM_UP, keys: int = 400) -> dict[str, Any]:
    now_s = 0.0
    fed = Fed()
    app = BenchApp(fed, clock=lambda: now_s, ticking=False)
    append_ms: list[float] = []
    scroll_ms: list[float] = []
    memory: dict[str, float] = {}

    async def work(driver: NowhereDriver) -> None:
        nonlocal now_s
        every = max(1, utterances // _MEASURED)
        for number in range(utterances):
            if number == warm_up:
                memory["before"] = _resident_bytes()
            fed.give(number)
            now_s += REDRAW_EVERY_S  # every tick may draw
            if number % every == 0:
                append_ms.append(await _cost_ms(driver, app.tick))
            else:
                app.tick()
                await asyncio.sleep(0)
        await _drawn(driver)
        memory["after"] = _resident_bytes()
        memory["counted"] = utterances - warm_up
        assert len(app.state.utterances) == utterances
        for key, _ in zip(itertools.cycle(_KEYS), range(keys), strict=False):
            scroll_ms.append(await _cost_ms(driver, partial(app.post_message, textual_events.Key(key, None))))

    await _with_app(app, work)
    return {
        "append_ms": percentiles(append_ms),
        "scroll_ms": percentiles(scroll_ms),
        "bytes_per_utterance": (memory["after"] - memory["before"]) / memory["counted"],
        "resident_mb": memory["after"] / 2**20,
    }


async def _share_of_a_core(source: EventSource, seconds: float) -> float:
    used = 0.0

    async def work(driver: NowhereDriver) -> None:
        nonlocal used
        await asyncio.sleep(2.0)
        began_s, cpu_s = time.monotonic(), time.process_time()
        await asyncio.sleep(seconds)
        used = (time.process_time() - cpu_s) / (time.monotonic() - began_s)

    await _with_app(BenchApp(EventWorker(source)), work)
    return used


async def _flood(seconds: float) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    app = BenchApp(EventWorker(Flood()))

    async def work(driver: NowhereDriver) -> None:
        await asyncio.sleep(1.0)
        began_s, redraws, known = time.monotonic(), app.redraws, len(app.state.utterances)
        await asyncio.sleep(seconds)
        passed_s = time.monotonic() - began_s
        figures["redraws_per_s"] = (app.redraws - redraws) / passed_s
        figures["utterances_per_s"] = (len(app.state.utterances) - known) / passed_s

    await _with_app(app, work)
    return figures


def _resident_bytes() -> float:
    """What is kept, less the garbage that waits for the collector."""
    gc.collect()
    return float(psutil.Process().memory_info().rss)


def _judged(figure: Any) -> float:
    return float(figure["p95"] if isinstance(figure, dict) else figure)


def table(f: dict[str, Any]) -> list[str]:
    """The figures as lines, each with its limit."""
    m, limits = f["machine"], f["limits"]

    def row(what: str, figure: str, name: str, limit: str) -> str:
        return f"{what:44} {figure:>26}   {'OVER ' if name in f['over_limit'] else ''}limit {limit}"

    def ms(name: str) -> str:
        return f"p50 {f[name]['p50']:.1f}, p95 {f[name]['p95']:.1f} ms"

    return [
        f"{m['processor']}, {m['cores']} cores, load {m['load_1min']}, {m['system']}, Python {m['python']}",
        f"{f['utterances']} utterances on a screen of {f['columns']}x{f['rows']}; time of the UI's thread until drawn",
        "",
        row("append an utterance", ms("append_ms"), "append_ms", f"p95 {limits['append_ms']:g} ms"),
        row("scroll", ms("scroll_ms"), "scroll_ms", f"p95 {limits['scroll_ms']:g} ms"),
        row("memory an utterance", f"{f['bytes_per_utterance']:.0f} bytes", "bytes_per_utterance",
            f"{limits['bytes_per_utterance']:g} bytes"),
        row("nothing happens", f"{f['idle_cpu']:.1%} of a core", "idle_cpu", f"{limits['idle_cpu']:.0%}"),
        row("  and the level trembles", f"{f['idle_cpu_room_noise']:.1%} of a core", "", "none"),
        row(f"redraws with {f['utterances_per_s']:.0f} utterances a second", f"{f['redraws_per_s']:.1f} a second",
            "redraws_per_s", f"{limits['redraws_per_s']:g} a second"),
    ]  # fmt: skip
