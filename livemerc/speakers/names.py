"""What speakers are called: by an enrolled voice that is recognised, or by what a person says, who always counts more.

A speaker keeps the id (S1); the name comes and goes beside it, as `speaker.name` events. Unknown is an answer: a voice
has a name only where it is near enough to an enrolled one and clearly nearer than to every other.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from livemerc.events import SpeakerName, UtteranceSpeaker
from livemerc.speakers.mixture import Known, Sample
from livemerc.speakers.voiceprints import Voiceprint

NEAR = 0.55
"""Cosine between a speaker's mean embedding and a voiceprint from which they may be one person's. docs/speakers.md has
how many strangers come as near: at .6 none did, and a quarter more of the enrolled had no name."""
KEPT = 0.45
"""Below this a name is taken back: a speaker's voice is known better and better, and may turn out to be another's."""
APART = 0.1
"""By so much the next voiceprint must be less near."""
LEAST_S = 3.0
"""Seconds of voice before a speaker is given an enrolled name."""


@dataclass(frozen=True, slots=True, eq=False)
class SpeakerVoice:
    """All that was heard of a speaker in this session: `known`, the sums of the embeddings; and of how much."""

    known: Known
    voiced_s: float
    utterances: int


class EnrolledVoices:
    """Whose voice it is. Of one embedder's voiceprints."""

    def __init__(self, prints: Sequence[Voiceprint]) -> None:
        self.names = [one.name for one in prints]
        means = [np.asarray(one.mean, np.float64) for one in prints]
        self._means = [mean / max(float(np.linalg.norm(mean)), 1e-9) for mean in means]

    def near(self, voice: np.ndarray) -> dict[str, float]:
        """The cosine of a mean embedding (D,) with each voiceprint, by name."""
        size = max(float(np.linalg.norm(voice)), 1e-9)
        return {name: float(mean @ voice) / size for name, mean in zip(self.names, self._means, strict=True)}

    def name_of(self, voice: np.ndarray, before: str | None = None) -> str | None:
        """Whose voice (D,) is; None = a stranger's, or one of two. before: whose it was found to be, which it stays
        while it is near and nobody else is nearer."""
        near = self.near(voice)
        best = max(near, key=near.__getitem__, default=None)
        if best is None:
            return None
        second = max((value for name, value in near.items() if name != best), default=-1.0)
        if best == before:
            return best if near[best] >= KEPT else None
        return best if near[best] >= NEAR and near[best] - second >= APART else None


@dataclass(slots=True)
class _Utterance:
    sample: Sample
    voiced_s: float
    speaker: str | None = None


class SpeakerNames:
    """One conversation's names. `heard` and `told` follow the online speakers; `news` gives what has changed since.

    Those are for one thread; `call` and `voice_of` for any. enrolled: None = nobody is recognised.
    """

    def __init__(self, enrolled: EnrolledVoices | None = None, *, memory: float = np.inf) -> None:
        self._enrolled = enrolled
        self._memory = memory
        self._open: dict[str, _Utterance] = {}
        self._frozen: dict[str, SpeakerVoice] = {}
        self._changed: dict[str, None] = {}
        self._recognised: dict[str, str] = {}
        self._lock = threading.Lock()
        self._called: dict[str, str | None] = {}  # by a person
        self._news: list[SpeakerName] = []
        self._voices: dict[str, SpeakerVoice] = {}

    def heard(self, utterance_id: str, sample: Sample, voiced_s: float) -> None:
        """An utterance's voice, before it is told whose it is."""
        self._open[utterance_id] = _Utterance(sample, voiced_s)

    def told(self, event: UtteranceSpeaker) -> None:
        """Whose it is as far as is known; frozen, for good."""
        one = self._open.get(event.utterance_id)
        if one is None:
            return
        self._changed |= {speaker: None for speaker in (one.speaker, event.speaker) if speaker is not None}
        one.speaker = event.speaker
        if event.status == "frozen":
            del self._open[event.utterance_id]
            if one.speaker is not None:
                self._frozen[one.speaker] = _with(self._frozen.get(one.speaker), one, self._memory)

    def news(self) -> list[SpeakerName]:
        """What speakers are called otherwise now, in the order in which that was found."""
        voices = {speaker: voice for speaker in self._changed if (voice := self._voice(speaker)) is not None}
        gone = [speaker for speaker in self._changed if speaker not in voices]
        self._changed.clear()
        recognised = {speaker: self._recognise(speaker, voice) for speaker, voice in voices.items()}
        recognised |= dict.fromkeys(gone)
        with self._lock:
            self._voices |= voices
            for speaker in gone:
                self._voices.pop(speaker, None)
            for speaker, name in recognised.items():
                if name == self._recognised.get(speaker):
                    continue
                if name is None:
                    del self._recognised[speaker]
                else:
                    self._recognised[speaker] = name
                if speaker not in self._called:
                    self._news.append(SpeakerName(speaker=speaker, name=name))
            news, self._news = self._news, []
        return news

    def call(self, speaker: str, name: str | None) -> None:
        """A person says what the speaker is called; None = nothing. No recognised voice changes that any more."""
        with self._lock:
            self._called[speaker] = name
            self._news.append(SpeakerName(speaker=speaker, name=name))

    def voice_of(self, speaker: str) -> SpeakerVoice | None:
        """What was heard of the speaker so far; None = nothing."""
        with self._lock:
            return self._voices.get(speaker)

    def _voice(self, speaker: str) -> SpeakerVoice | None:
        voice = self._frozen.get(speaker)
        for one in self._open.values():
            if one.speaker == speaker:
                voice = _with(voice, one, self._memory)
        return voice

    def _recognise(self, speaker: str, voice: SpeakerVoice) -> str | None:
        before = self._recognised.get(speaker)
        if self._enrolled is None or (before is None and voice.voiced_s < LEAST_S):
            return before
        return self._enrolled.name_of(voice.known.total, before)


def _with(voice: SpeakerVoice | None, one: _Utterance, memory: float) -> SpeakerVoice:
    if voice is None:
        voice = SpeakerVoice(Known(0.0, np.zeros_like(one.sample.x)), 0.0, 0)
    return SpeakerVoice(voice.known.and_also(one.sample, memory), voice.voiced_s + one.voiced_s, voice.utterances + 1)
