"""Who speaks, where no channel and no transcript says: by the voice, at arm's length like the model.

A voice that cannot be embedded (the model's thread fails, hangs or is too far behind) is nobody's, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from msgspec import UNSET, UnsetType

from livemerc.audio.items import Utterance
from livemerc.config import SAMPLE_RATE_HZ, Config
from livemerc.errors import ConfigError, InputError, LivemercError
from livemerc.events import SpeakerName, UtteranceSpeaker
from livemerc.model.checkpoint import read_manifest
from livemerc.pipeline.estimator import Unjudged
from livemerc.pipeline.no_answer import NoAnswer
from livemerc.runtime.worker import GiveUp
from livemerc.speakers.models import GE2E
from livemerc.speakers.names import EnrolledVoices, SpeakerNames
from livemerc.speakers.voiceprints import Consent, Voiceprints, of_embedder

if TYPE_CHECKING:
    import numpy as np

    from livemerc.model.whisper_encoder import WhisperEncoder
    from livemerc.pipeline.judging import Voice
    from livemerc.pipeline.usual_voices import UsualVoices
    from livemerc.speakers.embedder import SpeakerEmbedder, VoicePoint
    from livemerc.speakers.online import OnlineSpeakers
    from livemerc.speakers.overlap import OverlapDetector
    from livemerc.speakers.turns import Overlap, SpokenTurn, SpokenTurns


T = TypeVar("T")
Span = tuple[float, float]
"""From when to when, in seconds of source audio."""


class RunsWork(Protocol):
    """What is asked of the model's thread: `livemerc.pipeline.estimator.Estimator`."""

    def run(self, work: Callable[[], T], give_up: GiveUp[NoAnswer]) -> T: ...


class BeginsWith(Protocol):
    """Where baselines are: `livemerc.pipeline.dialogue.Dialogue`."""

    def begin_with(self, speaker: str, usual: tuple[Voice, ...]) -> None: ...


@dataclass(frozen=True, slots=True)
class Attribution:
    """`speaker` of the utterance as it is known now, None = unknown; `told`: its own event first, and what it revises
    and freezes. `overlaps`: from when to when several speak at once; unset = nobody listened for that."""

    speaker: str | None
    told: list[UtteranceSpeaker] = field(default_factory=list)
    overlaps: list[Span] | UnsetType = UNSET


@dataclass(frozen=True, slots=True, eq=False)
class _Heard:
    """What was found out about an utterance before its words were sought."""

    samples: np.ndarray
    point: VoicePoint | None
    overlaps: list[Span]


class WhoSpeaks:
    """One session's speakers. Off (`speakers.diarize`), it knows names alone. For the processor's thread.

    names: what speakers are called; enrolled voices are recognised where there are any (`speakers.voiceprints`).
    voiceprints: where they are kept; None = in the user's data folder. encoder: the voice's, on the model's thread,
    whose states tell where several speak; None = there is none of the kind. remarks: sentences for the user.
    Raises `ModelError` where the embedder is missing, or was not measured.
    """

    def __init__(
        self,
        config: Config,
        estimator: RunsWork,
        voiceprints: Voiceprints | None = None,
        encoder: WhisperEncoder | None = None,
    ) -> None:
        self._config = config.speakers
        self._estimator = estimator
        self._embedder: SpeakerEmbedder | None = None
        self._online: OnlineSpeakers | None = None
        self._overlaps: OverlapDetector | None = None
        self._ahead: tuple[np.ndarray, SpokenTurns] | None = None
        self._heard: list[_Heard] = []  # of the turns that were found last
        self._enrolled: EnrolledVoices | None = None
        self._usual: UsualVoices | None = None
        self._checkpoint = config.model.checkpoint
        self.voiceprints = voiceprints or Voiceprints()
        self.remarks: list[str] = []
        self.names = SpeakerNames()
        if self._config.diarize and config.voice.includes(None):  # voices may be listened to
            from livemerc.speakers.choose import make_embedder
            from livemerc.speakers.overlap import OverlapDetector

            self._embedder = make_embedder(self._config.embedder)
            self._overlaps = OverlapDetector(encoder)
            if self._config.embedder != GE2E:
                self.remarks.append(f"voices are told apart by {self._embedder.id.name} (speakers.embedder)")
            if self._config.voiceprints:
                self._enrolled = self._read_voiceprints()
            self.begin()

    def begin(self) -> None:
        """Another conversation: nobody in it is known."""
        if self._embedder is not None:
            from livemerc.speakers.diarizer import MEMORY, online_speakers

            self._online = online_speakers(
                self._embedder.limits, revise=self._config.revise, at_most=self._config.at_most
            )
            self.names = SpeakerNames(self._enrolled, memory=MEMORY)

    @property
    def compared(self) -> int | None:
        """How many enrolled voices speakers are compared with; None = none."""
        return None if self._enrolled is None else len(self._enrolled.names)

    def news(self, dialogue: BeginsWith | None = None) -> Iterator[SpeakerName]:
        """What speakers are called otherwise now. dialogue: begins a speaker's baseline with the usual voice of whoever
        has that name, and begins it cold where nobody has, or has it no more."""
        for one in self.names.news():
            if self._usual is not None and dialogue is not None:
                dialogue.begin_with(one.speaker, self._usual.of(one.name))
            yield one

    def remember(self, speaker: str, name: str, consent: Consent) -> Path:
        """Enrols the voice of a speaker of this session; from any thread. Returns where it is kept. Raises
        `LivemercError` where too little is known of it, the name is taken, or it cannot be kept."""
        from livemerc.speakers.enrolment import LEAST_S, made_of

        if self._embedder is None:
            raise ConfigError("voices are not told apart in this session, so none can be remembered; run --diarize.")
        voice = self.names.voice_of(speaker)
        voiced_s = 0.0 if voice is None else voice.voiced_s
        if voice is None or voiced_s < LEAST_S:
            raise InputError(
                f"{voiced_s:.0f} s of {name}'s voice were heard, and {LEAST_S:.0f} s are needed to remember it; try "
                "again later."
            )
        made = made_of(voice.known, voiced_s, voice.utterances, name, consent, self._embedder.id)
        return self.voiceprints.add(made)

    def _read_voiceprints(self) -> EnrolledVoices | None:
        assert self._embedder is not None
        try:
            found = self.voiceprints.read()
        except LivemercError as error:
            self.remarks.append(f"no speaker is recognised: {error}")
            return None
        prints, others = of_embedder(found.prints, self._embedder.id, self._embedder.width)
        self.remarks += [*found.damaged, *others]
        if prints:
            names = ", ".join(one.name for one in prints)
            leave_out = "speakers.voiceprints = false leaves that out"
            self.remarks.append(f"enrolled voices are recognised: {names} ({leave_out})")
        if self._config.usual_voice:
            from livemerc.pipeline.usual_voices import UsualVoices

            self._usual = UsualVoices(prints, read_manifest(self._checkpoint))
            self.remarks += self._usual.remarks
        return EnrolledVoices(prints) if prints else None

    def prepare(self, utterance: Utterance, give_up: GiveUp[NoAnswer]) -> None:
        """Finds out what an utterance that seems to end will be asked for, so that nobody waits for it then."""
        if self._online is not None and utterance.speaker is None:
            self._ahead = utterance.samples, self._turns(utterance.samples, give_up)

    def turns(self, utterance: Utterance, give_up: GiveUp[NoAnswer]) -> list[Utterance]:
        """The utterance, or where several people speak in it its turns: the first keeps its id, the others are ID.2,
        ID.3, ... All were decided when it was."""
        if self._online is None or utterance.speaker is not None:
            return [utterance]
        ahead, self._ahead = self._ahead, None
        known = ahead is not None and ahead[0] is utterance.samples
        spoken = ahead[1] if ahead is not None and known else self._turns(utterance.samples, give_up)
        if len(spoken.turns) < 2:
            self._heard = [
                _Heard(utterance.samples, turn.point, _spans(spoken.overlaps, utterance)) for turn in spoken.turns
            ]
            return [utterance]
        found = []
        for number, turn in enumerate(spoken.turns, start=1):
            begin, end = turn.begin, turn.end
            begin_s, end_s = (utterance.samples_start_s + at / SAMPLE_RATE_HZ for at in (begin, end))
            found.append(
                replace(
                    utterance,
                    utterance_id=utterance.utterance_id + ("" if number == 1 else f".{number}"),
                    samples=utterance.samples[begin:end],
                    samples_start_s=begin_s,
                    start_s=max(utterance.start_s, begin_s),
                    end_s=min(utterance.end_s, end_s),
                    forced_cut=utterance.forced_cut and end == len(utterance.samples),
                )
            )
        self._heard = [
            _Heard(one.samples, turn.point, _spans(spoken.overlaps, utterance, turn))
            for one, turn in zip(found, spoken.turns, strict=True)
        ]
        return found

    def hear(
        self, utterance_id: str, samples: np.ndarray | None, named: str | None, give_up: GiveUp[NoAnswer]
    ) -> Attribution:
        """samples: the voice; None = it may not be judged, or nobody speaks. named: who speaks, where that is known
        otherwise; it goes before all that a voice says."""
        if self._online is None or samples is None:
            return Attribution(named)
        from livemerc.speakers.diarizer import sample_of

        heard = next((one for one in self._heard if one.samples is samples), None)
        point, overlaps = (self._point(samples, give_up), UNSET) if heard is None else (heard.point, heard.overlaps)
        sample = None if point is None else sample_of(point)
        if named is not None:
            if sample is not None:
                self._online.add_known(named, sample)
            return Attribution(named, overlaps=overlaps)
        if point is not None and sample is not None:
            self.names.heard(utterance_id, sample, point.voiced_s)
        told = self._online.add(utterance_id, sample)
        self._follow(told)
        return Attribution(told[0].speaker, told, overlaps)

    def freeze_all(self) -> list[UtteranceSpeaker]:
        """Nobody has spoken for a while, or it is the end."""
        told = [] if self._online is None else self._online.freeze_all()
        self._follow(told)
        return told

    def _follow(self, told: list[UtteranceSpeaker]) -> None:
        for one in told:
            self.names.told(one)

    def _turns(self, samples: np.ndarray, give_up: GiveUp[NoAnswer]) -> SpokenTurns:
        """Without turns: nobody has found out."""
        from livemerc.speakers.turns import SpokenTurns, turns

        embedder, detector = self._embedder, self._overlaps
        assert embedder is not None
        assert detector is not None

        def found() -> SpokenTurns:
            overlaps = detector.overlaps(samples)
            return SpokenTurns(turns(samples, embedder, overlaps), overlaps)

        try:
            return self._estimator.run(found, give_up)
        except Unjudged:
            return SpokenTurns([], [])

    def _point(self, samples: np.ndarray, give_up: GiveUp[NoAnswer]) -> VoicePoint | None:
        embedder = self._embedder
        assert embedder is not None
        try:
            return self._estimator.run(lambda: embedder.embed(samples), give_up)
        except Unjudged:
            return None


def _spans(overlaps: Sequence[Overlap], utterance: Utterance, turn: SpokenTurn | None = None) -> list[Span]:
    """In seconds, those between the first and the last voiced frame: of the utterance, or of one of its turns."""
    at_s = utterance.samples_start_s
    first_s, last_s = utterance.start_s, utterance.end_s
    if turn is not None:
        first_s = max(first_s, at_s + turn.begin / SAMPLE_RATE_HZ)
        last_s = min(last_s, at_s + turn.end / SAMPLE_RATE_HZ)
    spans = [
        (max(first_s, at_s + begin / SAMPLE_RATE_HZ), min(last_s, at_s + end / SAMPLE_RATE_HZ))
        for begin, end in overlaps
    ]
    return [span for span in spans if span[0] < span[1]]
