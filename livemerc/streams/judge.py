"""The thread for the model of many streams: whatever waits passes it in one batch, an utterance of each stream."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import msgspec

from livemerc.audio.items import Quiet, Speech
from livemerc.config import Config
from livemerc.events import AsrInfo, CheckpointInfo
from livemerc.model.checkpoint import Manifest
from livemerc.pipeline.abstention import Doubt
from livemerc.pipeline.no_answer import NoAnswer
from livemerc.pipeline.partials import PartialEstimates
from livemerc.runtime.lanes import Closed
from livemerc.streams.batch import BatchEstimator, Parts, Said, load_parts
from livemerc.streams.shared import Begin, End, Shared
from livemerc.streams.stream import Stream

AT_ONCE = 16
"""Utterances in one pass of the model: beyond this nothing becomes cheaper, and the first waits longer."""


class Judge:
    """`run` is the thread's. `batches` counts how often so many utterances passed the model together."""

    def __init__(
        self,
        shared: Shared,
        config: Config,
        manifest: Manifest,
        checkpoint: CheckpointInfo,
        bring_parts: Callable[[], Parts] | None = None,
    ) -> None:
        self._bring_parts = bring_parts or partial(load_parts, config)
        self._shared = shared
        self._config = config
        self._manifest = manifest
        self._checkpoint = checkpoint
        self.batches: Counter[int] = Counter()

    def run(self) -> None:
        model = BatchEstimator(self._config, self._manifest, self._bring_parts())
        self._shared.model_there.set()
        while True:
            try:
                batch = self._shared.to_judge.take(AT_ONCE)
            except Closed:
                break
            for name, item in batch:
                stream = self._shared.streams[name]
                if isinstance(item, Begin):
                    self._start(stream, model)
                elif isinstance(item, Speech):
                    self._show_emotion(stream, item)
                elif not isinstance(item, Said):
                    self._settle_down(stream, item, model)
            said = [(self._shared.streams[name], item) for name, item in batch if isinstance(item, Said)]
            if said:
                self._judge(model, said)
            for stream, _ in said:
                self._explain(stream, model)
        self._shared.events.close()

    def _start(self, stream: Stream, model: BatchEstimator) -> None:
        stream.dialogue = model.dialogue()
        stream.dialogue.restore(stream.past.judged)
        stream.partials = PartialEstimates(stream.config, model)
        assert stream.recogniser is not None
        asr = AsrInfo(engine=stream.recogniser.engine.engine, model=stream.recogniser.engine.model)
        stream.backlog.loaded()
        if not stream.past.started:
            self._shared.send(stream, stream.start(list(self._manifest.labels), self._checkpoint, asr, model.device))

    def _show_emotion(self, stream: Stream, speech: Speech) -> None:
        if stream.dialogue is not None and stream.partials is not None and stream.may_show(speech):
            estimate = stream.partials.estimate(speech, stream.dialogue, among=self._shared.speaking())
            if estimate is not None:
                self._shared.send(stream, estimate)

    def _explain(self, stream: Stream, model: BatchEstimator) -> None:
        """Why labels shifted, as long as nothing waits to be judged."""
        while stream.dialogue is not None and stream.dialogue.unexplained and not self._shared.to_judge.waiting():
            if (shift := model.explain(stream.dialogue)) is not None:
                self._shared.send(stream, shift)

    def _settle_down(self, stream: Stream, item: Quiet | End, model: BatchEstimator) -> None:
        """Nobody speaks any more, for a while or for good."""
        assert stream.dialogue is not None
        for event in stream.dialogue.freeze_all():
            self._shared.send(stream, event)
        if isinstance(item, End):
            self._explain(stream, model)
            stream.dialogue = None
            self._shared.send(stream, stream.end())

    def _judge(self, model: BatchEstimator, said: list[tuple[Stream, Said]]) -> None:
        """One utterance each of several streams: their finals, then what the model says, in one pass."""
        self.batches[len(said)] += 1
        said = [(stream, self._in_time(stream, item)) for stream, item in said]
        for stream, item in said:
            assert stream.dialogue is not None
            for earlier in item.echoes:
                if stream.dialogue.is_open(earlier):
                    for event in stream.dialogue.withdraw(earlier, Doubt.ECHO):
                        self._shared.send(stream, event)
            if item.utterance.utterance_id not in stream.past.worded:
                self._shared.send(stream, item.final())
        judged = model.judge([(stream.dialogue, item) for stream, item in said if stream.dialogue is not None])
        for (stream, item), events in zip(said, judged.events, strict=True):
            if stream.remember is not None and stream.dialogue is not None:
                stream.remember(item.utterance.utterance_id, *stream.dialogue.embeddings(item.utterance.utterance_id))
            timing = stream.timing(item, judged)
            for event in events:
                own = event.utterance_id == item.utterance.utterance_id and event.status == "provisional"
                self._shared.send(stream, msgspec.structs.replace(event, timing=timing) if own else event)
            stream.judged += 1
            if stream.judged == stream.heard:
                stream.backlog.emptied()

    def _in_time(self, stream: Stream, item: Said) -> Said:
        """Where a stream is hopelessly behind, its utterance is not judged."""
        behind_s = stream.backlog.behind_s(item.utterance.decided_s)
        late = behind_s >= self._config.overload.unjudged_after_s
        return replace(item, unjudged=NoAnswer.BEHIND) if late else item
