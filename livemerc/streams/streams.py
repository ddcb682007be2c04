"""Many conversations at once: one process, one model, N sources, which may come and go.

    from livemerc.streams.streams import Streams
    sources = {"line 1": FileSource("a.wav", speed=1.0), "line 2": StdinSource(pipe, 8000)}
    for stream, event in Streams(sources, config).events(): ...

Each source has a thread that hears; one thread transcribes, one judges. Whatever waits for the model passes it in one
batch, an utterance of each stream: alone, an utterance waits for no other, and the more there is to do the cheaper
each becomes. Order is kept within a stream, streams are served in turn (`fair_lane`), files after those that cannot
wait, and each stream's events are
those of a session of its own. What is only shown while somebody speaks is made while no final waits.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from livemerc.asr.engine import AsrEngine, ListensFor
from livemerc.audio.items import EarItem, Quiet, Speech, Utterance
from livemerc.audio.source import Source, speakers_of
from livemerc.config import Config
from livemerc.errors import ConfigError
from livemerc.events import CheckpointInfo, Event
from livemerc.model.checkpoint import checkpoint_info, read_manifest
from livemerc.pipeline.deadline import Deadline
from livemerc.purpose import check_same_use
from livemerc.runtime.lanes import Closed
from livemerc.runtime.notices import Notice
from livemerc.streams.batch import Parts
from livemerc.streams.judge import Judge
from livemerc.streams.past import Past, Remember
from livemerc.streams.shared import Begin, End, Shared
from livemerc.streams.stream import Stream
from livemerc.streams.words import Words

EARS_AT_ONCE = max(1, min(4, (os.cpu_count() or 1) // 2))
"""Sources that are heard in the same moment. Each takes the interpreter's lock many times a second; when all at once
want it, the model waits for its turn a hundred times in one pass."""
_STATUS_LOOK_S = 0.1


class StreamEvent(NamedTuple):
    """An event, and the stream (the source's key) that it belongs to."""

    stream: str
    event: Event


class Streams:
    """`events()` once; everything else from any thread.

    sources: by the stream's name; `StdinSource` takes any binary stream of PCM. `engines`: one recogniser for all, or
    one for each stream by its name (sidecar transcripts); None = the one that `config` asks for, shared. They are
    closed with the streams. stays: streams may be added, and `events` goes on without any, until `stop`. bring_parts:
    what judges, brought in the model's thread (None = loaded here as `config` says). A source that
    fails ends its own stream, with `session.end`; the others go on, and `failures` has the reason. Of what a single
    session does (`livemerc.monitor`), work ahead of the endpoint and words that come late are not done here.

    `judge_voice_of` names channels of any of the sources. Raises `ConfigError` for no source, one transcript for all of
    several, or a name that no channel has; `events()` raises `ModelError`.
    """

    def __init__(
        self,
        sources: Mapping[str, Source],
        config: Config,
        *,
        engines: AsrEngine | Mapping[str, AsrEngine] | None = None,
        stays: bool = False,
        bring_parts: Callable[[], Parts] | None = None,
    ) -> None:
        if not sources and not stays:
            raise ConfigError("no source to listen to; give at least one.")
        if engines is None and config.asr.engine == "transcript" and (stays or len(sources) > 1):
            raise ConfigError("asr.engine: one transcript cannot serve several streams; give each its own engine.")
        if config.speakers.diarize:
            raise ConfigError("speakers.diarize: streams do not tell speakers apart by their voices; leave it out.")
        if isinstance(engines, Mapping) and set(engines) != set(sources):
            raise ConfigError("the recognisers and the sources are not of the same streams; give each stream one.")
        if sources:
            config.voice.check_channels([name for source in sources.values() for name in speakers_of(source)])
        self.announcements: list[str] = []
        self._config = config
        self._engines = engines
        self._manifest = read_manifest(config.model.checkpoint)
        self._checkpoint = checkpoint_info(config.model.checkpoint)
        self._deadline = Deadline(config.live.stop_within_s)
        self._shared = Shared()
        self._shared.stays = stays
        self._words = Words(self._shared, config, engines, self._manifest.text_languages, self.announcements.append)
        self._judge = Judge(self._shared, config, self._manifest, self._checkpoint, bring_parts)
        self._ears = threading.BoundedSemaphore(EARS_AT_ONCE)
        self._failure: BaseException | None = None
        self._running = False
        self._shared.streams = {name: self._made(name, source, config) for name, source in sources.items()}
        self._shared.untranscribed = set(self._shared.streams)

    # -- streams that come and go ----------------------------------------------------------------------------------

    def add(
        self,
        name: str,
        source: Source,
        *,
        config: Config | None = None,
        record: Path | None = None,
        record_audio: bool = False,
        past: Past | None = None,
        remember: Remember | None = None,
    ) -> None:
        """One more stream, of streams that `stays`; it shares the recogniser. config: its own, which may differ from
        the others' in purpose, language and whose voice counts. record: the folder that becomes its record. past: what
        it has said elsewhere; it goes on from there. remember: gets what is to be known of it to go on elsewhere.

        Raises `ConfigError` where the name is taken, the streams are being stopped, or it cannot be recorded.
        """
        config = config or self._config
        check_same_use(self._config.purpose, config.purpose)
        with self._shared.changing:
            taken = name in self._shared.streams
        if isinstance(self._engines, Mapping):
            raise ConfigError("each stream has a recogniser of its own here; one that is added would have none.")
        if taken:
            raise ConfigError(f"{name}: there is a stream of this name; end it first, or take another name.")
        engine, language = self._words.engine, config.asr.language
        if language is not None and isinstance(engine, ListensFor) and not engine.knows(language):
            raise ConfigError(
                f"language: {engine.model} does not know {language!r}; leave it out, or take another model."
            )
        stream = self._made(name, source, config, past=past, remember=remember)
        if record is not None:
            stream.record(record, self._checkpoint, audio=record_audio)
        with self._shared.changing:
            if not self._shared.stays or name in self._shared.streams:
                stream.let_go()
                raise ConfigError(f"{name}: no stream can be added any more.")
            self._shared.streams[name] = stream
            self._shared.untranscribed.add(name)
            if self._running:
                self._begin(stream)

    def end(self, name: str) -> None:
        """Stop listening to one: what was heard is still transcribed and judged, then its `session.end` comes and the
        name is free. Nothing where there is none."""
        with self._shared.changing:
            stream = self._shared.streams.get(name)
        if stream is not None:
            stream.source.close()

    def stop(self) -> None:
        """Stop listening; what was heard is still transcribed and judged. What takes longer than `live.stop_within_s`
        is given up: words and labels then say so, and no utterance is lost."""
        self._deadline.stop()
        with self._shared.changing:
            self._shared.stays = False
        for stream in self._shared.all():
            stream.source.close()

    @property
    def loaded(self) -> bool:
        """Whether recogniser and model are there."""
        return self._shared.recogniser_there.is_set() and self._shared.model_there.is_set()

    @property
    def names(self) -> list[str]:
        """Streams whose `session.end` has not come."""
        return [stream.name for stream in self._shared.all()]

    @property
    def checkpoint(self) -> CheckpointInfo:
        return self._checkpoint

    def tell(self, name: str, notice: Notice, sentence: str | None) -> None:
        """`status.degraded` of one stream; nothing where there is none."""
        with self._shared.changing:
            stream = self._shared.streams.get(name)
        if stream is not None:
            stream.notices.tell(notice, sentence)

    def settled_s(self, name: str) -> float:
        """Source time up to which a stream is heard, if nobody speaks and all is judged, else 0; roughly, since threads
        go on meanwhile."""
        with self._shared.changing:
            stream = self._shared.streams.get(name)
        if stream is None:
            return 0.0
        ears = stream.hearing.ears
        t_s, speaking = ears.t_s, ears.speaking
        return 0.0 if speaking or stream.heard > stream.judged else t_s

    @property
    def failures(self) -> dict[str, Exception]:
        """Why a stream ended before its time, or goes on without words, by name."""
        return self._shared.failures

    @property
    def batches(self) -> Counter[int]:
        """How often so many utterances passed the model together."""
        return self._judge.batches

    def waiting(self) -> dict[str, int]:
        """Utterances that wait for the recogniser or the model, by stream; those with none are left out."""
        return dict(Counter(self._shared.to_transcribe.waiting()) + Counter(self._shared.to_judge.waiting()))

    def _made(
        self, name: str, source: Source, config: Config, *, past: Past | None = None, remember: Remember | None = None
    ) -> Stream:
        queued = partial(self._shared.queued, name)
        return Stream(name, source, config, self._deadline, queued, past=past, remember=remember)

    def _begin(self, stream: Stream) -> None:
        self._shared.to_transcribe.put(stream.name, Begin())
        run = partial(self._guard, partial(self._hear, stream))
        stream.thread = threading.Thread(target=run, name=f"livemerc-hear-{stream.name}", daemon=True)
        stream.thread.start()

    # -- the consumer's thread -------------------------------------------------------------------------------------

    def events(self) -> Iterator[StreamEvent]:
        """`session.start` of each stream, its finals, emotions and status, its `session.end`. Closing the iterator
        early stops all without flushing. Raises `ModelError`, and what the recogniser cannot begin with."""
        work: list[tuple[str, Callable[[], None]]] = [
            ("livemerc-recogniser", self._words.run), ("livemerc-estimator", self._judge.run),
        ]  # fmt: skip
        threads = [threading.Thread(target=self._guard, args=(run,), name=name, daemon=True) for name, run in work]
        with self._shared.changing:
            self._running = True
            for stream in self._shared.streams.values():
                self._begin(stream)
        for thread in threads:
            thread.start()
        looked_s = time.monotonic()
        try:
            while True:
                try:
                    found = self._shared.events.get(timeout_s=_STATUS_LOOK_S)
                except Closed:
                    break
                if found is not None:
                    stream, event = found
                    stream.keep(event)
                    if stream.ended:
                        self._shared.forget(stream)
                        threads = [t for t in (*threads, stream.thread) if t is not None]
                    yield StreamEvent(stream.name, event)
                now_s = time.monotonic()
                if now_s - looked_s >= _STATUS_LOOK_S:
                    looked_s = now_s
                    for stream in self._shared.all():
                        for status in stream.status():
                            stream.keep(status)
                            yield StreamEvent(stream.name, status)
                    threads = [t for t in threads if t.is_alive()]
        finally:
            self._let_go()
            until_s = time.monotonic() + self._config.live.stop_within_s
            left = self._shared.all()
            for thread in [*threads, *(stream.thread for stream in left if stream.thread is not None)]:
                thread.join(max(0.0, until_s - time.monotonic()))
            for stream in left:
                stream.let_go()
        if self._failure is not None:
            raise self._failure

    def _let_go(self) -> None:
        self._deadline.abandon()
        self._shared.abandon()

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

    def _hear(self, stream: Stream) -> None:
        hand_over = partial(self._hand_over, stream)
        try:
            for block in stream.hearing.blocks():
                items: list[EarItem] = []
                with self._ears:
                    stream.hearing.feed(block, items.append)
                for item in items:  # without holding others up: it may have to wait
                    hand_over(item)
        except Closed:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary of a stream: its fault is not the others'
            self._shared.failures[stream.name] = error
        stream.hearing.flush(hand_over)
        self._shared.to_transcribe.put(stream.name, End())

    def _hand_over(self, stream: Stream, item: EarItem) -> None:
        if isinstance(item, Speech):
            if stream.may_show(item):
                self._shared.to_transcribe.put_latest(stream.name, item)
                self._shared.to_judge.put_latest(stream.name, item)
        elif isinstance(item, Utterance | Quiet):
            if isinstance(item, Utterance):
                stream.heard += 1
                stream.backlog.handed_over(item.decided_s)
            self._shared.to_transcribe.put(stream.name, item, patient=not stream.source.live)
