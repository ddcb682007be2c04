"""The thread for the words of many streams: the recogniser is asked for one utterance after the other, in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping

from livemerc.asr.engine import AsrEngine
from livemerc.asr.select import choose_engine
from livemerc.audio.items import Speech, Utterance
from livemerc.config import Config
from livemerc.events import ECHO, UtterancePartial
from livemerc.pipeline.overload import Level
from livemerc.pipeline.patience import Patience
from livemerc.pipeline.recogniser import Heard, Recogniser
from livemerc.streams.batch import Said
from livemerc.streams.past import words_of
from livemerc.streams.shared import Begin, End, Hears, Shared
from livemerc.streams.stream import Stream

_LOOK_EVERY_S = 0.25
"""How often lag is measured while nothing is to be done."""


class Words:
    """`run` is the thread's. languages: that the checkpoint's text branch has learnt; None = nobody knows."""

    def __init__(
        self,
        shared: Shared,
        config: Config,
        engines: AsrEngine | Mapping[str, AsrEngine] | None,
        languages: Collection[str] | None,
        announce: Callable[[str], None],
    ) -> None:
        self._shared = shared
        self._config = config
        self._engines = engines
        self._languages = languages
        self._announce = announce
        self._engine: Recogniser | None = None

    @property
    def engine(self) -> AsrEngine | None:
        """The recogniser that streams share; None where it is not there yet, or each has its own."""
        return None if self._engine is None else self._engine.engine

    def run(self) -> None:
        recognisers = self._bring_engines()
        self._shared.recogniser_there.set()
        try:
            while self._shared.stays or self._shared.untranscribed:
                for name, item in self._shared.to_transcribe.take(1, _LOOK_EVERY_S) or self._look_up():
                    stream = self._shared.streams[name]
                    if isinstance(item, Begin):
                        stream.recogniser = recognisers.get(name, self._engine)
                        assert stream.recogniser is not None
                        stream.patience = Patience(stream.config, stream.situation, stream.recogniser)
                    if isinstance(item, Utterance):
                        self._shared.to_judge.put(name, self._transcribe(stream, item))
                    elif isinstance(item, Speech):
                        self._show_words(stream, item)
                    else:
                        self._shared.to_judge.put(name, item)
                        if isinstance(item, End):
                            with self._shared.changing:
                                self._shared.untranscribed.discard(name)
            self._shared.to_judge.close()
        finally:
            for each in {*recognisers.values(), *([] if self._engine is None else [self._engine])}:
                each.close()

    def _look_up(self) -> list[tuple[str, Hears]]:
        """Nothing waits: lag passes, and a call that hung may have come back."""
        for stream in self._shared.all():
            if stream.patience is not None and stream.recogniser is not None:
                stream.patience.observe()
                stream.recogniser.tell_recovery()
        return []

    def _bring_engines(self) -> dict[str, Recogniser]:
        """The recognisers of the streams that have one of their own, at arm's length; the shared one else."""
        engines, languages = self._engines, self._languages
        if isinstance(engines, Mapping):
            return {
                name: Recogniser(
                    engine, self._config, languages=languages, tell=self._shared.streams[name].notices.tell
                )
                for name, engine in engines.items()
            }
        engine = engines or choose_engine(self._config, announce=self._announce)
        self._engine = Recogniser(engine, self._config, languages=languages, tell=self._shared.tell_all)
        return {}

    def _transcribe(self, stream: Stream, utterance: Utterance) -> Said:
        assert stream.recogniser is not None
        assert stream.patience is not None
        recogniser = stream.speaks(stream.recogniser)
        stream.backlog.took(utterance.decided_s)
        began = time.perf_counter()
        echoes = stream.echoes.hear(utterance)
        earlier = echoes.earlier
        with stream.patience.in_hand(utterance.decided_s):
            stream.patience.observe()
            known = stream.past.worded.get(utterance.utterance_id)
            if known is not None:
                heard = Heard(words_of(known), known.asr.engine, known.asr.model, 0.0)
                stream.talk.heard(utterance, heard.transcript, stream.config.screening)
            elif echoes.is_echo:
                heard = recogniser.not_asked(ECHO)
            else:
                fast = stream.patience.level >= Level.FAST_ASR
                heard = recogniser.hear(utterance, fast=fast, give_up=stream.patience.for_words)
                words = heard.words
                echoes = stream.echoes.read(utterance, words)
                earlier += echoes.earlier
                if echoes.is_echo:
                    heard = recogniser.not_asked(ECHO)
        if recogniser.pending:
            recogniser.forget_late()
        if recogniser.failure is not None:
            self._shared.failures.setdefault(stream.name, recogniser.failure)
        return Said(utterance, heard, (time.perf_counter() - began) * 1000, stream.scope, earlier)

    def _show_words(self, stream: Stream, speech: Speech) -> None:
        """A hypothesis while somebody speaks. All who speak at once share half of the recogniser's time."""
        assert stream.recogniser is not None
        assert stream.patience is not None
        stream.patience.observe()
        recogniser, shown = stream.speaks(stream.recogniser), stream.hypotheses
        unsettled = shown.unsettled(speech)
        if not stream.may_show(speech) or not shown.due(
            speech, recogniser.expected_s(unsettled) * self._shared.speaking()
        ):
            return
        budget_s = self._config.live.partial_budget_ms / 1000
        text = shown.shown(
            speech, recogniser.partial(unsettled, budget_s=budget_s, give_up=stream.patience.for_hypothesis)
        )
        if text:
            partial_ = UtterancePartial(utterance_id=speech.utterance_id, start_s=speech.start_s, text=text)
            self._shared.send(stream, partial_)
