"""One live session on a scripted microphone, its events collected while the script goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

import numpy as np
from helpers.scripted_portaudio import BEGIN_S, World
from helpers.synthetic import buzz, hush

from livemerc.audio.source import Source
from livemerc.config import Config
from livemerc.events import EmotionEvent, Event, SessionEnd, Status, UtteranceFinal
from livemerc.pipeline.loader import Engine
from livemerc.pipeline.monitor import Monitor


class MicrophoneSession:
    """Context manager. `spoken` is the truth: when the script spoke, on the session clock."""

    def __init__(self, world: World, source: Source, config: Config, engine: Engine | None = None) -> None:
        self.world, self.source = world, source
        self.monitor = Monitor(source, config, engine=engine)
        self.events: list[Event] = []
        self.spoken: list[tuple[float, float]] = []
        self._thread = threading.Thread(target=self._collect)

    def _collect(self) -> None:
        for event in self.monitor.events():
            self.events.append(event)

    def __enter__(self) -> MicrophoneSession:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.monitor.stop()
        self._thread.join(60)
        assert not self._thread.is_alive()

    @property
    def now_s(self) -> float:
        return self.world.now_s - BEGIN_S

    def rest(self, seconds: float = 1.0) -> None:
        self.world.say(hush(seconds, self._rate_hz))

    def speak(self, seconds: float = 1.2, level: float = 0.15, **how: object) -> None:
        begin_s = self.now_s
        self.world.say(buzz(seconds, self._rate_hz, level=level), **how)
        self.spoken.append((begin_s, self.now_s))

    def send(self, samples: np.ndarray) -> None:
        self.world.say(samples)

    @property
    def _rate_hz(self) -> int:
        return self.world.stream().device.rate_hz

    def until(self, seen: Callable[[Status], bool]) -> Status:
        """The first status event from now on of which `seen` is true."""
        known = len(self.events)

        def found() -> list[Status]:
            return [event for event in self.events[known:] if isinstance(event, Status) and seen(event)]

        self.world.until(lambda: bool(found()) or not self._thread.is_alive())
        return found()[0]

    @property
    def finals(self) -> list[UtteranceFinal]:
        return [event for event in self.events if isinstance(event, UtteranceFinal)]

    @property
    def end(self) -> SessionEnd:
        end = self.events[-1]
        assert isinstance(end, SessionEnd)
        return end

    def nothing_is_lost(self, jitter_s: float = 0.15) -> None:
        """Every stretch of speech has its final, in its place and no other, and every final its one frozen label."""
        heard = [(final.start_s, final.end_s) for final in self.finals]
        assert len(heard) == len(self.spoken), (heard, self.spoken)
        for (start_s, end_s), (began_s, ended_s) in zip(heard, self.spoken, strict=True):
            assert abs(start_s - began_s) < jitter_s, (heard, self.spoken)
            assert abs(end_s - ended_s) < jitter_s, (heard, self.spoken)
        frozen = [e.utterance_id for e in self.events if isinstance(e, EmotionEvent) and e.status == "frozen"]
        assert sorted(frozen) == sorted(final.utterance_id for final in self.finals)
