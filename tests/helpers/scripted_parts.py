"""Parts that misbehave when told to, around real ones: a source of the demo's first seconds, a recogniser, a model."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from helpers.paths import DEMO

from livemerc.asr.engine import AsrEngine, Transcript
from livemerc.audio.items import Utterance
from livemerc.audio.make_ears import make_ears
from livemerc.audio.read import read_samples
from livemerc.audio.source import Block, SourceHealth
from livemerc.config import Config
from livemerc.events import EmotionEvent, Event, SessionEnd, SessionStart, Status, UtteranceFinal
from livemerc.pipeline.monitor import Monitor

RATE_HZ = 16_000
BLOCK_S = 0.1
PATIENCE_S = 120.0


class Talk:
    """The demo from `begin_s` to `end_s`, as a source. `live`: handed over at `pace` times its own speed."""

    name = "talk"

    def __init__(self, end_s: float, *, live: bool = False, pace: float = 1.0, begin_s: float = 0.0) -> None:
        self.rate_hz, self.live, self.warnings, self.speakers = RATE_HZ, live, list[str](), ()
        self.speed = pace
        self._samples = read_samples(DEMO, RATE_HZ, begin_s, end_s)
        self._closed = threading.Event()

    def blocks(self) -> Iterator[Block]:
        size = round(BLOCK_S * RATE_HZ)
        began_s = time.monotonic()
        for i in range(0, len(self._samples), size):
            due_s = began_s + (i + size) / RATE_HZ / self.speed
            if self._closed.wait(max(0.0, due_s - time.monotonic()) if self.live else 0.0):
                return
            yield Block(self._samples[i : i + size], i / RATE_HZ)

    def close(self) -> None:
        self._closed.set()

    def health(self) -> SourceHealth:
        return SourceHealth()


def utterances(talk: Talk, config: Config) -> int:
    """How many the ears hear in it."""
    ears = make_ears(config, talk)
    items = [item for block in talk.blocks() for item in ears.feed(block)] + ears.flush()
    return sum(isinstance(item, Utterance) for item in items)


class ScriptedAsr:
    """A real recogniser's words (`inner`), after `before(number)`, which may sleep, wait or raise. Counted from 1."""

    engine = "scripted"
    model: str | None = None

    def __init__(self, before: Callable[[int], None], inner: AsrEngine) -> None:
        self._before, self._inner = before, inner
        self.calls = 0
        self.threads = set[int]()

    def transcribe(self, utterance: Utterance) -> Transcript:
        self.calls += 1
        self.threads.add(threading.get_ident())
        self._before(self.calls)
        return self._inner.transcribe(utterance)

    def partial(self, samples: np.ndarray) -> str:
        return ""

    def close(self) -> None:
        self._inner.close()


class Recited:
    """The cheapest recogniser: the same words whatever it hears. Its text passes the screening."""

    engine = "recited"
    model: str | None = None

    def transcribe(self, utterance: Utterance) -> Transcript:
        return Transcript(text="w1 hello great", confidence=0.9)

    def partial(self, samples: np.ndarray) -> str:
        return ""

    def close(self) -> None:
        pass


class Numbered:
    """Words that depend on the samples alone; remembers what it was asked for."""

    engine, model, repeatable = "numbered", None, True

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.fails = 0

    def transcribe(self, utterance: Utterance) -> Transcript:
        self.asked.append(len(utterance.samples))
        if self.fails:
            self.fails -= 1
            raise RuntimeError("as told")
        return Transcript(text=f"well {len(utterance.samples)} or so", confidence=0.9)

    def partial(self, samples: np.ndarray) -> str:
        return ""

    def close(self) -> None:
        pass


class Speaks:
    """A recogniser whose words are a function of the audio."""

    engine, model = "scripted", None

    def transcribe(self, utterance: Utterance) -> Transcript:
        word = int(1000 * np.abs(utterance.samples).mean()) % 100
        return Transcript(text=" ".join(["hello", f"w{word}", "great"][: 1 + word % 3]), confidence=0.9)

    def partial(self, samples: np.ndarray) -> str:
        return ""

    def close(self) -> None:
        pass


def script_model(monkeypatch: pytest.MonkeyPatch, before: Callable[[int], None], what: str = "speech") -> list[int]:
    """`before(number)` runs before each call of the real encoder or window (`what`: speech, text, window)."""
    from livemerc.model.encoders import Encoders
    from livemerc.model.merits import MeritsL

    owner: Any = MeritsL if what == "window" else Encoders
    real = getattr(owner, what)
    calls: list[int] = []

    def scripted(self: Any, *arguments: Any) -> Any:
        calls.append(len(calls) + 1)
        before(calls[-1])
        return real(self, *arguments)

    monkeypatch.setattr(owner, what, scripted)
    return calls


class Watched:
    """A session run to its end, with what `status` and the gauges said on the way."""

    def __init__(self, monitor: Monitor, on_event: Callable[[Event], None] = lambda event: None) -> None:
        self.events: list[Event] = []
        self.error: BaseException | None = None
        self.sentences: list[str] = []
        self.lags_s: list[float] = []
        self._monitor = monitor
        over = threading.Event()
        poll = threading.Thread(target=self._poll, args=(over,), daemon=True)
        poll.start()
        try:
            for event in monitor.events():
                self.events.append(event)
                if isinstance(event, Status):
                    self._say(event.degraded)
                on_event(event)
        except Exception as error:  # noqa: BLE001 - what the session ended with is looked at by the test
            self.error = error
        finally:
            over.set()
            poll.join()

    def _poll(self, over: threading.Event) -> None:
        """As the dashboard does."""
        while not over.wait(0.02):
            gauges = self._monitor.gauges()
            self._say(gauges.degraded)
            self.lags_s.append(gauges.lag_s)

    def _say(self, sentence: str | None) -> None:
        if sentence is not None and sentence not in self.sentences:
            self.sentences.append(sentence)

    def said(self, words: str) -> bool:
        """Whether `status.degraded` told it."""
        return any(words in sentence for sentence in self.sentences)

    @property
    def finals(self) -> list[UtteranceFinal]:
        return [event for event in self.events if isinstance(event, UtteranceFinal)]

    def emotions(self, utterance_id: str) -> list[EmotionEvent]:
        """Without those of status `partial`: they are luxuries, and come or not."""
        emotions = [e for e in self.events if isinstance(e, EmotionEvent) and e.utterance_id == utterance_id]
        return [e for e in emotions if e.status != "partial"]

    def keeps_the_contract(self, finals: int | None = None) -> None:
        """Start first, end last; each utterance: one final, then one provisional first, one frozen last."""
        assert isinstance(self.events[0], SessionStart)
        assert isinstance(self.events[-1], SessionEnd)
        ids = [final.utterance_id for final in self.finals]
        assert ids == [f"u{n}" for n in range(1, len(ids) + 1)]
        assert finals is None or len(ids) == finals
        assert self.events[-1].utterances == len(ids)
        for final in self.finals:
            emotions = self.emotions(final.utterance_id)
            assert self.events.index(final) < self.events.index(emotions[0])
            assert [e.status for e in emotions] == ["provisional", *["revised"] * (len(emotions) - 2), "frozen"]
            assert [e.revision for e in emotions] == list(range(len(emotions)))
            for emotion in emotions:
                assert sum(emotion.probabilities.values()) == pytest.approx(1.0, abs=1e-6)
        assert {e.utterance_id for e in self.events if isinstance(e, EmotionEvent)} == set(ids)


def stretches(events: list[Event]) -> list[tuple[str, float, float]]:
    """What was heard, and when, by the finals."""
    return [(e.utterance_id, e.start_s, e.end_s) for e in events if isinstance(e, UtteranceFinal)]


def no_thread_stays(*names: str) -> None:
    """None of the monitor's threads; `names`: those that may hang."""
    until_s = time.monotonic() + PATIENCE_S
    while left := [t.name for t in threading.enumerate() if t.name.startswith("livemerc-") and t.name not in names]:
        assert time.monotonic() < until_s, left
        time.sleep(0.02)
