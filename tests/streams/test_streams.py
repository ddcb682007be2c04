"""Many conversations in one process: each as in a session of its own, whatever becomes of the others."""

from __future__ import annotations

import io
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from helpers.paths import DEMO
from helpers.scripted_parts import ScriptedAsr, Speaks, Talk, no_thread_stays
from helpers.settled import settled
from helpers.sources import RATE_HZ, Samples

from livemerc.asr.engine import NoAsr, Transcript
from livemerc.audio.items import Utterance
from livemerc.audio.read import read_samples
from livemerc.audio.stdin_source import StdinSource
from livemerc.config import Config
from livemerc.errors import ConfigError, InputError, ModelError
from livemerc.events import (
    NO_SPEECH,
    EmotionEvent,
    Event,
    SessionEnd,
    SessionStart,
    Status,
    UtteranceFinal,
    UtterancePartial,
)
from livemerc.model.encoders import Encoders
from livemerc.model.merits import MeritsL
from livemerc.pipeline.monitor import Monitor
from livemerc.sessions import journal
from livemerc.sessions.folder import AUDIO_FILE
from livemerc.sessions.session import read_session
from livemerc.streams.streams import StreamEvent, Streams


@pytest.fixture(scope="module")
def config(configured: Callable[..., Config]) -> Config:
    return configured(asr__engine="none")


def by_stream(events: list[StreamEvent]) -> dict[str, list[Event]]:
    out: dict[str, list[Event]] = defaultdict(list)
    for stream, event in events:
        out[stream].append(event)
    return dict(out)


def alone(source: Samples, config: Config) -> list[Event]:
    """What a session of its own says."""
    return list(Monitor(source, config, engine=Speaks()).events())


def same(stream: list[Event], session: list[Event]) -> None:
    """Finals and emotions in the same order; probabilities to within the rounding of a batch."""
    assert len(settled(stream)) == len(settled(session))
    for a, b in zip(settled(stream), settled(session), strict=True):
        if isinstance(a, EmotionEvent) and isinstance(b, EmotionEvent):
            numbers = {"confidence": 0.0, "probabilities": {}}
            modality = type(a.modality)()
            plain = [msgspec.structs.replace(e, modality=modality, **numbers) for e in (a, b)]
            assert plain[0] == plain[1]
            assert a.probabilities == pytest.approx(b.probabilities, abs=1e-5)
            for name in ("text", "speech"):
                assert getattr(a.modality, name) == pytest.approx(getattr(b.modality, name), abs=1e-5)
        else:
            assert a == b


def sample(span: tuple[float, float]) -> Samples:
    return Samples(span[1], start_s=span[0])


SPANS = {"a": (0.0, 30.0), "b": (10.0, 30.0), "c": (20.0, 45.0), "d": (40.0, 41.0), "e": (30.0, 60.0)}


class Gated(Speaks):
    """Transcribes nothing until everybody waits."""

    def __init__(self) -> None:
        self.open = threading.Event()

    def transcribe(self, utterance: Utterance) -> Transcript:
        assert self.open.wait(120)
        return super().transcribe(utterance)


def test_each_stream_has_the_events_of_a_session_of_its_own(config: Config) -> None:
    gate = Gated()
    streams = Streams({name: sample(span) for name, span in SPANS.items()}, config, engines=gate)
    events = streams.events()
    seen = [next(events) for _ in SPANS]
    for _ in range(1200):
        if len(streams.waiting()) >= 4:  # so that several pass the model together
            break
        threading.Event().wait(0.05)
    gate.open.set()
    found = by_stream([*seen, *events])
    assert set(found) == set(SPANS)
    assert streams.failures == {}
    assert max(streams.batches) > 1  # else nothing was shown
    for name, span in SPANS.items():
        session = alone(sample(span), config)
        same(found[name], session)
        assert isinstance(found[name][0], SessionStart)
        end, end_alone = found[name][-1], session[-1]
        assert end == end_alone
        assert isinstance(end, SessionEnd)
    assert sum(len(events) for events in found.values()) > 20
    no_thread_stays()


class Cries(Speaks):
    """In every other utterance nobody speaks."""

    def transcribe(self, utterance: Utterance) -> Transcript:
        if int(utterance.utterance_id.removeprefix("u")) % 2 == 0:
            return Transcript("", gated=NO_SPEECH)
        return super().transcribe(utterance)


def test_no_speech_is_no_emotion_in_a_stream_as_in_a_session(config: Config) -> None:
    spans = {name: SPANS[name] for name in ("a", "e")}
    found = by_stream(
        list(Streams({name: sample(span) for name, span in spans.items()}, config, engines=Cries()).events())
    )
    for name, span in spans.items():
        same(found[name], list(Monitor(sample(span), config, engine=Cries()).events()))
        withheld = [e for e in found[name] if isinstance(e, EmotionEvent) and e.abstained == NO_SPEECH]
        assert withheld
        assert {e.modality.speech is None for e in withheld} == {True}


def test_a_stream_that_pours_starves_nobody(config: Config) -> None:
    """One stream has a whole conversation ready, eight have their first utterances: theirs are among the first."""
    gate = Gated()
    few = {f"few {i}": Samples(16.0, start_s=10.0) for i in range(8)}
    streams = Streams({"flood": Samples(75.0, start_s=0.0), **few}, config, engines=gate)
    events = streams.events()
    started = {next(events).stream for _ in range(9)}
    assert started == {"flood", *few}
    until = threading.Event()
    # On busy cores the ears of nine streams need minutes; the gate opens when all have their beginning and two
    # utterances to be judged: of what comes later the flood may have had more, because it was there first.
    for _ in range(6000):
        waiting = streams.waiting()
        if len(waiting) == 9 and min(waiting.values()) >= 3 and waiting["flood"] >= 4:
            break
        until.wait(0.05)
    assert len(waiting) == 9
    assert min(waiting.values()) >= 3
    assert waiting["flood"] >= 4
    gate.open.set()
    finals = [e.stream for e in events if isinstance(e.event, UtteranceFinal)]
    assert finals.count("flood") >= 12
    for name in few:
        mine = [at for at, stream in enumerate(finals) if stream == name]
        assert len(mine) >= 2
        # Before its n-th utterance the flood has had at most n, and the one that was in hand when all began.
        assert all(finals[:at].count("flood") <= n + 2 for n, at in enumerate(mine[:2]))


def test_a_source_that_fails_ends_its_own_stream_alone(config: Config) -> None:
    sources = {"well": Samples(20.0, start_s=0.0), "cut": Samples(20.0, start_s=10.0, fail=True)}
    streams = Streams(sources, config, engines=Speaks())
    found = by_stream(list(streams.events()))
    assert list(streams.failures) == ["cut"]
    assert isinstance(streams.failures["cut"], InputError)
    for events in found.values():
        finals = [e.utterance_id for e in events if isinstance(e, UtteranceFinal)]
        frozen = [e.utterance_id for e in events if isinstance(e, EmotionEvent) and e.status == "frozen"]
        assert finals
        assert sorted(finals) == sorted(frozen)
        assert isinstance(events[-1], SessionEnd)


@pytest.mark.parametrize("part", ["encoders", "windows", "not finite"])
def test_an_utterance_on_which_the_model_fails_costs_its_neighbours_nothing(
    config: Config, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """Utterances with the word "sad" make the model fail, together with others or alone."""

    class Sad(Speaks):
        def transcribe(self, utterance: Utterance) -> Transcript:
            return Transcript(text="sad" if utterance.start_s > 8 else "hello great")

    batch, windows = Encoders.batch, MeritsL.windows
    sad: list[float] = []

    def failing_batch(self, texts, voices):
        if part == "encoders" and "sad" in texts:
            raise RuntimeError("no kernel")
        rows = batch(self, texts, voices)
        if part == "not finite":
            rows = [
                (t1 * float("nan") if text == "sad" else t1, s1) for (t1, s1), text in zip(rows, texts, strict=True)
            ]
        sad.extend(float(t1.sum()) for (t1, _), text in zip(rows, texts, strict=True) if text == "sad")
        return rows

    def failing_windows(self, windows_):
        if part == "windows" and any(float(w.t1[-1].sum()) in sad for w in windows_):
            raise RuntimeError("no kernel")
        return windows(self, windows_)

    monkeypatch.setattr(Encoders, "batch", failing_batch)
    monkeypatch.setattr(MeritsL, "windows", failing_windows)
    sources = {"long": Samples(20.0, start_s=0.0), "short": Samples(8.0, start_s=0.0)}
    found = by_stream(list(Streams(sources, config, engines=Sad()).events()))
    for name, events in found.items():
        words = {e.utterance_id: e.text for e in events if isinstance(e, UtteranceFinal)}
        assert ("sad" in words.values()) == (name == "long")
        for event in events:
            if isinstance(event, EmotionEvent):
                assert (event.abstained == "model failed") == (words[event.utterance_id] == "sad")
        statuses = [e.status for e in events if isinstance(e, EmotionEvent)]
        assert statuses.count("provisional") == statuses.count("frozen") == len(words)


def test_stopping_flushes_every_stream(config: Config) -> None:
    streams = Streams({name: sample(span) for name, span in SPANS.items()}, config, engines=NoAsr())
    seen: list[StreamEvent] = []
    for event in streams.events():
        seen.append(event)
        if isinstance(event.event, UtteranceFinal):
            streams.stop()
    for events in by_stream(seen).values():
        statuses = [e.status for e in events if isinstance(e, EmotionEvent)]
        assert statuses.count("provisional") == statuses.count("frozen")
        assert isinstance(events[-1], SessionEnd)


def test_leaving_early_leaves_no_thread(config: Config) -> None:
    events = Streams({name: sample(span) for name, span in SPANS.items()}, config, engines=Speaks()).events()
    next(events)
    events.close()
    no_thread_stays()


def test_a_pipe_of_samples_is_a_source(config: Config) -> None:
    samples = read_samples(DEMO, RATE_HZ, 0.0, 8.0)
    pcm = (samples * 32767).astype("<i2").tobytes()
    streams = Streams({"pipe": StdinSource(io.BytesIO(pcm), RATE_HZ, 100.0)}, config)
    events = by_stream(list(streams.events()))["pipe"]
    own = [e for e in events if isinstance(e, EmotionEvent) and e.status == "provisional"]
    assert own
    assert all(e.timing is not None and e.timing.total_ms is not None for e in own)


def test_mistakes_are_told_before_anything_begins(config: Config, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no source"):
        Streams({}, config)
    with pytest.raises(ConfigError, match="not of the same streams"):
        Streams({"a": Samples(1.0, start_s=0.0)}, config, engines={"b": Speaks()})
    transcript = msgspec.structs.replace(config, asr=msgspec.structs.replace(config.asr, engine="transcript"))
    with pytest.raises(ConfigError, match="one transcript"):
        Streams({"a": Samples(1.0, start_s=0.0), "b": Samples(1.0, start_s=0.0)}, transcript)
    nowhere = msgspec.structs.replace(config.model, checkpoint=str(tmp_path / "none"))
    with pytest.raises(ModelError):
        Streams({"a": Samples(1.0, start_s=0.0)}, msgspec.structs.replace(config, model=nowhere))


def until(events: Iterator[StreamEvent], wanted: Callable[[StreamEvent], bool]) -> list[StreamEvent]:
    """What came until the wanted one, which is the last."""
    seen: list[StreamEvent] = []
    for event in events:
        seen.append(event)
        if wanted(event):
            return seen
    raise AssertionError(f"it did not come: {seen[-3:]}")


def ends(name: str) -> Callable[[StreamEvent], bool]:
    return lambda e: e.stream == name and isinstance(e.event, SessionEnd)


def test_streams_come_and_go_while_others_run(config: Config) -> None:
    streams = Streams({}, config, engines=Speaks(), stays=True)
    streams.add("before", sample(SPANS["a"]))
    events = streams.events()
    seen = until(events, ends("before"))
    same(by_stream(seen)["before"], alone(sample(SPANS["a"]), config))
    streams.add("endless", Samples(20.0, endless=True))
    until(events, lambda e: isinstance(e.event, UtteranceFinal))
    streams.add("late", sample(SPANS["b"]))
    with pytest.raises(ConfigError, match="there is a stream of this name"):
        streams.add("endless", sample(SPANS["c"]))
    seen = until(events, ends("late"))
    assert streams.names == ["endless"]
    same(by_stream(seen)["late"], alone(sample(SPANS["b"]), config))
    streams.end("endless")
    until(events, ends("endless"))
    streams.add("endless", sample(SPANS["c"]))  # the name is free again
    same(by_stream(until(events, ends("endless")))["endless"], alone(sample(SPANS["c"]), config))
    streams.stop()
    assert list(events) == []
    with pytest.raises(ConfigError, match="any more"):
        streams.add("too late", sample(SPANS["a"]))
    no_thread_stays()


class Guesses(Speaks):
    def partial(self, samples: np.ndarray) -> str:
        return "well then"


def test_a_stream_shows_what_it_hears_and_how_it_is(config: Config) -> None:
    source = Talk(12.0, live=True, pace=4.0)
    found = by_stream(list(Streams({"a": source}, config, engines=Guesses()).events()))["a"]
    partials = [e for e in found if isinstance(e, UtterancePartial)]
    assert {e.text for e in partials} == {"well then"}
    assert any(isinstance(e, EmotionEvent) and e.status == "partial" for e in found)
    assert any(isinstance(e, Status) and e.t_s > 0 for e in found)
    finals = {e.utterance_id: at for at, e in enumerate(found) if isinstance(e, UtteranceFinal)}
    for at, event in enumerate(found):
        if isinstance(event, UtterancePartial):
            assert at < finals[event.utterance_id]


def test_a_stream_that_is_behind_says_so_and_gives_up_the_words(configured: Callable[..., Config]) -> None:
    config = configured(
        asr__engine="none", overload__skip_partials_after_s=0.2, overload__fast_asr_after_s=0.4,
        overload__speech_only_after_s=0.8,
    )  # fmt: skip
    released = threading.Event()

    def slow(call: int) -> None:
        if call > 1:
            released.wait(60)

    streams = Streams({"slow": Talk(30.0, live=True, pace=6.0)}, config, engines=ScriptedAsr(slow, Speaks()))
    said: set[str] = set()
    finals: list[UtteranceFinal] = []
    for _, event in streams.events():
        if isinstance(event, Status) and event.degraded:
            said.add(event.degraded)
        if isinstance(event, UtteranceFinal):
            finals.append(event)
            if len(finals) == 4:
                released.set()
    assert finals[0].asr.gated is None
    assert "not transcribed in time" in {e.asr.gated for e in finals}
    assert any("judging by the voice alone" in sentence for sentence in said)


def test_a_stream_is_recorded_as_a_session_is(config: Config, tmp_path: Path) -> None:
    streams = Streams({}, config, engines=Speaks(), stays=True)
    streams.add("a", sample(SPANS["a"]), record=tmp_path / "a", record_audio=True)
    events = streams.events()
    seen = [event for _, event in until(events, ends("a"))]
    streams.stop()
    assert list(events) == []
    recorded = read_session(tmp_path / "a")
    assert journal.read(tmp_path / "a").events == seen
    assert recorded.info.audio is not None
    heard = read_samples(tmp_path / "a" / AUDIO_FILE, RATE_HZ)
    assert len(heard) == 30 * RATE_HZ
    with pytest.raises(ConfigError, match="there is a session in it"):
        Streams({}, config, engines=Speaks(), stays=True).add("b", sample(SPANS["b"]), record=tmp_path / "a")


def test_each_stream_keeps_to_its_own_purpose(config: Config) -> None:
    work = msgspec.structs.replace(config, purpose="work")
    streams = Streams({}, config, engines=Speaks(), stays=True)
    streams.add("work", sample(SPANS["a"]), config=work)
    streams.add("else", sample(SPANS["a"]))
    events = streams.events()
    seen = by_stream(until(events, lambda e: not streams.names))
    streams.stop()
    assert list(events) == []
    for name, voiced in (("work", False), ("else", True)):
        judged = [e for e in seen[name] if isinstance(e, EmotionEvent) and e.abstained != NO_SPEECH]
        assert {e.modality.speech is not None for e in judged} == {voiced}
    with pytest.raises(ConfigError, match="recorded for work"):
        Streams({}, work, engines=Speaks(), stays=True).add("x", sample(SPANS["a"]), config=config)
