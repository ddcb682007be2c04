"""Many conversations at once: one process, one model, N sources.

    from livemerc.streams.streams import Streams
    sources = {"line 1": FileSource("a.wav", speed=1.0), "line 2": StdinSource(pipe, 8000)}
    for stream, event in Streams(sources, config).events(): ...

Each source has a thread that hears; one thread transcribes, one judges. Whatever waits for the model passes it in one
batch, an utterance of each stream: alone, an utterance waits for no other, and the more there is to do the cheaper
each becomes. Order is kept within a stream, streams are served in turn (`fair_lane`), and each stream's events are
those of a session of its own.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from livemerc import __version__
from livemerc.asr.engine import AsrEngine
from livemerc.asr.screening import Talk
from livemerc.asr.select import choose_engine
from livemerc.audio.ears import AnyEars
from livemerc.audio.items import Quiet, Utterance
from livemerc.audio.make_ears import make_ears
from livemerc.audio.source import Source, speakers_of, speed_of
from livemerc.config import Config
from livemerc.errors import ConfigError
from livemerc.events import AsrInfo, Event, SessionEnd, SessionStart, Timing
from livemerc.model.checkpoint import checkpoint_info, read_manifest
from livemerc.pipeline.no_answer import NoAnswer
from livemerc.pipeline.recogniser import Recogniser
from livemerc.runtime.clocks import WallClock
from livemerc.runtime.lanes import Closed, Lane
from livemerc.streams.batch import BatchEstimator, Judged, Said
from livemerc.streams.fair_lane import FairLane

if TYPE_CHECKING:
    from livemerc.pipeline.dialogue import Dialogue

AT_ONCE = 16
"""Utterances in one pass of the model: beyond this nothing becomes cheaper, and the first waits longer."""
WAITING_EACH = 8
"""Utterances of one stream that may wait; then its source waits, too."""
EVENTS_WAITING = 4096


class StreamEvent(NamedTuple):
    """An event, and the stream (the source's key) that it belongs to."""

    stream: str
    event: Event


@dataclass(frozen=True, slots=True)
class _End:
    duration_s: float
    dropped_s: float
    overruns: int


@dataclass(slots=True)
class _Stream:
    """What there is of one source."""

    name: str
    source: Source
    ears: AnyEars
    clock: WallClock
    talk: Talk = field(default_factory=Talk)
    dialogue: Dialogue | None = None
    utterances: int = 0


class Streams:
    """`events()` once; `stop()` from any thread.

    sources: by the stream's name; `StdinSource` takes any binary stream of PCM. `engines`: one recogniser for all, or
    one for each stream by its name (sidecar transcripts); None = the one that `config` asks for, shared. They are
    closed with the streams. A source that fails ends its own stream, with `session.end`; the others go on, and
    `failures` has the reason. Hypotheses while someone speaks, `status` and the degrade order are a single session's
    (`livemerc.monitor`): here whoever is behind waits for his turn, and `waiting()` says how much waits with him.

    `judge_voice_of` names channels of any of the sources. Raises `ConfigError` for no source, one transcript for all of
    several, or a name that no channel has; `events()` raises `ModelError`.
    """

    def __init__(
        self,
        sources: Mapping[str, Source],
        config: Config,
        *,
        engines: AsrEngine | Mapping[str, AsrEngine] | None = None,
    ) -> None:
        if not sources:
            raise ConfigError("no source to listen to; give at least one.")
        if engines is None and config.asr.engine == "transcript" and len(sources) > 1:
            raise ConfigError("asr.engine: one transcript cannot serve several streams; give each its own engine.")
        if isinstance(engines, Mapping) and set(engines) != set(sources):
            raise ConfigError("the recognisers and the sources are not of the same streams; give each stream one.")
        config.voice.check_channels([name for source in sources.values() for name in speakers_of(source)])
        self.failures: dict[str, Exception] = {}
        """Why a stream ended before its time, or goes on without words, by name."""
        self.announcements: list[str] = []
        self.batches: Counter[int] = Counter()
        """How often so many utterances passed the model together."""
        self._config = config
        self._engines = engines
        self._manifest = read_manifest(config.model.checkpoint)
        self._checkpoint = checkpoint_info(config.model.checkpoint)
        self._streams = {
            name: _Stream(name, source, make_ears(config, source), WallClock(speed_of(source)))
            for name, source in sources.items()
        }
        self._to_transcribe: FairLane[Utterance | Quiet | _End] = FairLane(WAITING_EACH)
        self._to_judge: FairLane[Said | Quiet | _End] = FairLane(WAITING_EACH)
        self._events: Lane[StreamEvent] = Lane(EVENTS_WAITING)
        self._infos: dict[str, AsrInfo] = {}
        self._engines_there = threading.Event()
        self._failure: BaseException | None = None

    def stop(self) -> None:
        """Stop listening; what was heard is still transcribed and judged."""
        for stream in self._streams.values():
            stream.source.close()

    def waiting(self) -> dict[str, int]:
        """Utterances that wait for the recogniser or the model, by stream; those with none are left out."""
        return dict(Counter(self._to_transcribe.waiting()) + Counter(self._to_judge.waiting()))

    def events(self) -> Iterator[StreamEvent]:
        """`session.start` of each stream, its finals and emotions, its `session.end`. Closing the iterator early stops
        all without flushing. Raises `ModelError`, and what the recogniser cannot begin with."""
        work: list[tuple[str, Callable[[], None]]] = [
            (f"livemerc-hear-{name}", partial(self._hear, stream)) for name, stream in self._streams.items()
        ]
        work += [("livemerc-recogniser", self._transcribe_all), ("livemerc-estimator", self._judge_all)]
        threads = [threading.Thread(target=self._guard, args=(run,), name=name, daemon=True) for name, run in work]
        for thread in threads:
            thread.start()
        try:
            while True:
                try:
                    event = self._events.get(timeout_s=0.5)  # a wait without end cannot be interrupted everywhere
                except Closed:
                    break
                if event is not None:
                    yield event
        finally:
            self._let_go()
            until_s = time.monotonic() + self._config.live.stop_within_s
            for thread in threads:
                thread.join(max(0.0, until_s - time.monotonic()))
        if self._failure is not None:
            raise self._failure

    def _let_go(self) -> None:
        self.stop()
        for lane in (self._to_transcribe, self._to_judge, self._events):
            lane.abandon()
        self._engines_there.set()

    def _guard(self, run: Callable[[], None]) -> None:
        """Thread boundary: what a shared part dies of ends all streams, and is raised by `events()`."""
        try:
            run()
        except Closed:
            pass
        except BaseException as error:  # noqa: BLE001 - the boundary of a thread: raised again in the consumer's
            self._failure = self._failure or error
            self._let_go()

    # -- a thread for each source ----------------------------------------------------------------------------------

    def _hear(self, stream: _Stream) -> None:
        try:
            for block in stream.source.blocks():
                items = stream.ears.feed(block)
                stream.clock.heard(stream.ears.t_s)
                self._hand_over(stream.name, items)
        except Closed:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary of a stream: its fault is not the others'
            self.failures[stream.name] = error
        self._hand_over(stream.name, stream.ears.flush())
        health = stream.source.health()
        self._to_transcribe.put(stream.name, _End(stream.ears.t_s, health.dropped_s, health.overruns))

    def _hand_over(self, name: str, items: list) -> None:
        for item in items:
            if isinstance(item, Utterance | Quiet):
                self._to_transcribe.put(name, item)

    # -- one thread for the words ----------------------------------------------------------------------------------

    def _transcribe_all(self) -> None:
        recognisers = self._bring_engines()
        left = set(self._streams)
        try:
            while left:
                for name, item in self._to_transcribe.take(1):
                    if isinstance(item, Utterance):
                        self._to_judge.put(name, self._transcribe(name, recognisers[name], item))
                    else:
                        self._to_judge.put(name, item)
                        if isinstance(item, _End):
                            left.discard(name)
            self._to_judge.close()
        finally:
            for each in set(recognisers.values()):
                each.close()

    def _bring_engines(self) -> dict[str, Recogniser]:
        """The recogniser of each stream, at arm's length; one for all where they share it."""
        engines = self._engines
        languages = self._manifest.text_languages
        if isinstance(engines, Mapping):
            recognisers = {
                name: Recogniser(engine, self._config, languages=languages) for name, engine in engines.items()
            }
        else:
            engine = engines or choose_engine(self._config, announce=self.announcements.append)
            recognisers = dict.fromkeys(self._streams, Recogniser(engine, self._config, languages=languages))
        self._infos = {name: AsrInfo(engine=r.engine.engine, model=r.engine.model) for name, r in recognisers.items()}
        self._engines_there.set()
        return recognisers

    def _transcribe(self, name: str, recogniser: Recogniser, utterance: Utterance) -> Said:
        limit_s = self._config.asr.time_limit_s
        recogniser.talk = self._streams[name].talk
        began = time.perf_counter()
        heard = recogniser.hear(utterance, fast=False, give_up=lambda ran_s: NoAnswer.HUNG if ran_s > limit_s else None)
        if recogniser.pending:
            recogniser.forget_late()
        if recogniser.failure is not None:
            self.failures.setdefault(name, recogniser.failure)
        return Said(utterance, heard, (time.perf_counter() - began) * 1000)

    # -- one thread for the model ----------------------------------------------------------------------------------

    def _judge_all(self) -> None:
        model = BatchEstimator(self._config, self._manifest)
        self._engines_there.wait()
        for stream in self._streams.values():
            stream.dialogue = model.dialogue()
            self._send(stream, self._start(stream, model.device))
        while True:
            try:
                batch = self._to_judge.take(AT_ONCE)
            except Closed:
                break
            for name, item in batch:
                if not isinstance(item, Said):
                    self._settle_down(self._streams[name], item)
            said = [(self._streams[name], item) for name, item in batch if isinstance(item, Said)]
            if said:
                self._judge(model, said)
        self._events.close()

    def _start(self, stream: _Stream, device: str) -> SessionStart:
        voice = self._config.voice
        return SessionStart(
            version=__version__,
            labels=list(self._manifest.labels),
            checkpoint=self._checkpoint,
            asr=self._infos[stream.name],
            device=device,
            source=stream.source.name,
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
            purpose=voice.purpose,
            text_only=voice.text_only,
            judge_voice_of=None if voice.names is None else list(voice.names),
        )

    def _settle_down(self, stream: _Stream, item: Quiet | _End) -> None:
        """Nobody speaks any more, for a while or for good."""
        assert stream.dialogue is not None
        for event in stream.dialogue.freeze_all():
            self._send(stream, event)
        if isinstance(item, _End):
            end = SessionEnd(
                duration_s=item.duration_s, utterances=stream.utterances, dropped_s=item.dropped_s,
                overruns=item.overruns,
            )  # fmt: skip
            self._send(stream, end)
            stream.dialogue = None

    def _judge(self, model: BatchEstimator, said: list[tuple[_Stream, Said]]) -> None:
        """One utterance each of several streams: their finals, then what the model says, in one pass."""
        self.batches[len(said)] += 1
        dialogues: list[tuple[Dialogue, Said]] = []
        for stream, item in said:
            assert stream.dialogue is not None
            stream.utterances += 1
            dialogues.append((stream.dialogue, item))
            self._send(stream, item.final())
        judged = model.judge(dialogues)
        for (stream, item), events in zip(said, judged.events, strict=True):
            timing = self._timing(stream, item, judged)
            for event in events:
                own = event.utterance_id == item.utterance.utterance_id and event.status == "provisional"
                self._send(stream, msgspec.structs.replace(event, timing=timing) if own else event)

    def _timing(self, stream: _Stream, item: Said, judged: Judged) -> Timing:
        """Encoding and fusion took as long for whoever was in the same batch. A file as fast as it goes has no wait."""
        timing = Timing(asr_ms=item.asr_ms, encode_ms=judged.encode_ms, fuse_ms=judged.fuse_ms)
        if not stream.source.live:
            return timing
        spoken = stream.clock.at(item.utterance.end_s)
        return msgspec.structs.replace(
            timing,
            endpoint_wait_ms=(item.utterance.decided_s - item.utterance.end_s) * 1000,
            total_ms=None if spoken is None else (time.monotonic() - spoken) * 1000,
        )

    def _send(self, stream: _Stream, event: Event) -> None:
        self._events.put(StreamEvent(stream.name, event))
