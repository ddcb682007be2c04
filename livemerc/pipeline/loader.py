"""Recogniser and model of a session, loaded side by side, and the `session.start` that names them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from livemerc import __version__
from livemerc.asr.engine import AsrEngine, NoAsr
from livemerc.asr.select import choose_engine
from livemerc.audio.source import Source
from livemerc.config import Config
from livemerc.events import AsrInfo, SessionStart
from livemerc.model.checkpoint import checkpoint_info
from livemerc.pipeline.deadline import Deadline
from livemerc.pipeline.estimator import Estimator
from livemerc.pipeline.no_answer import NoAnswer
from livemerc.pipeline.patience import Situation
from livemerc.pipeline.processor import Processor
from livemerc.pipeline.recogniser import Recogniser
from livemerc.pipeline.who_speaks import WhoSpeaks
from livemerc.runtime.worker import GiveUp, Worker, never
from livemerc.speakers.choose import id_asked_for

_LOAD_SHARE = 0.25
"""Gives up loading when less than this share of a stopping session's time is left: the rest is for the finals."""


def load_processor(
    config: Config,
    choose: Callable[[], AsrEngine | None],
    situation: Situation | None = None,
    give_up: GiveUp[NoAnswer] = never,
) -> Processor:
    """A processor whose recogniser and model are loaded side by side.

    choose: gives the recogniser, or None where nobody waits for it any more; then the model is not waited for either.
    give_up: why the model is not waited for. Without a model utterances get the prior. Raises `ModelError`, and
    whatever `choose` raises.
    """
    situation = situation or Situation()
    estimator = Estimator(config, situation.tell)
    recogniser: Recogniser | None = None
    try:
        estimator.begin_load()
        engine = choose()
        languages = estimator.manifest.text_languages
        recogniser = Recogniser(engine or NoAsr(), config, languages=languages, tell=situation.tell)
        dialogue = estimator.dialogue() if engine is not None and estimator.load(give_up) is None else None
        who = WhoSpeaks(config, estimator, encoder=estimator.voice_encoder)
        return Processor(config, recogniser, estimator, dialogue, situation, who)
    except BaseException:
        if recogniser is not None:
            recogniser.close()
        estimator.close()
        raise


Engine = AsrEngine | Callable[[], AsrEngine]


class Loader:
    """`load` once. `engine`: the recogniser, or what loads one; None = the one that the configuration asks for.

    Looks at the checkpoint's folder and for the speaker embedder when it is made, before anything heavy is loaded.
    Raises `ModelError`.
    """

    def __init__(
        self,
        source: Source,
        config: Config,
        engine: Engine | None,
        announce: Callable[[str], None],
    ) -> None:
        self._source = source
        self._config = config
        self._announce = announce
        self._engine = engine if not callable(engine) else None
        self._choose: Callable[[], AsrEngine] = (
            engine if callable(engine) else lambda: choose_engine(config, announce=announce)
        )
        self._checkpoint = checkpoint_info(config.model.checkpoint)
        if config.speakers.diarize:
            id_asked_for(config.speakers.embedder)

    def load(
        self, situation: Situation, deadline: Deadline, heard_nothing: Callable[[], bool]
    ) -> tuple[Processor, SessionStart]:
        """Waits for the models. A stop shortens the wait: to nothing where `heard_nothing` says that nothing is to be
        judged. Raises `ModelError`, `ConfigError`, and `Closed` where nobody takes events any more."""

        def give_up(_: float) -> NoAnswer | None:
            if deadline.left_s() is None:
                return None
            return NoAnswer.STOPPED if heard_nothing() or deadline.is_within(_LOAD_SHARE) else None

        engines: list[AsrEngine] = []

        def choose() -> AsrEngine | None:
            if self._engine is not None:
                engines.append(self._engine)
                return self._engine
            worker = Worker("livemerc-load")
            job = worker.start(self._choose)
            reason = job.wait(give_up)
            worker.close()
            if reason is None:
                engines.append(job.result())
            return engines[0] if engines else None

        processor = load_processor(self._config, choose, situation, give_up)
        for remark in processor.who.remarks:
            self._announce(remark)
        asr = AsrInfo(engine=self._config.asr.engine)
        if engines:
            asr = AsrInfo(engine=engines[0].engine, model=engines[0].model)
        voice = self._config.voice
        start = SessionStart(
            version=__version__,
            labels=processor.labels,
            checkpoint=self._checkpoint,
            asr=asr,
            device=processor.device,
            source=self._source.name,
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
            purpose=voice.purpose,
            text_only=voice.text_only,
            judge_voice_of=None if voice.names is None else list(voice.names),
            voiceprints=processor.who.compared,
        )
        return processor, start
