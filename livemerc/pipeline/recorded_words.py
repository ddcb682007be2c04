"""The words of a recorded session as a source without sound, with its own ears and its own recogniser."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from livemerc.asr.engine import AsrEngine, Transcript
from livemerc.audio.ears import FLOOR_DBFS
from livemerc.audio.items import EarItem, Quiet, Utterance
from livemerc.audio.source import Block, SourceHealth
from livemerc.config import SAMPLE_RATE_HZ, Config
from livemerc.events import FinalAsr, UtteranceFinal
from livemerc.sessions import journal
from livemerc.sessions.session import RecordedSession, RecordedUtterance
from livemerc.text_safety import encodable

_WRITTEN = FinalAsr(engine="transcript")
"""Of words that a person has corrected, as of a sidecar transcript: no recogniser's."""


class RecordedWords:
    """A source without sound: time passes from one recorded utterance to the next. It brings its own ears."""

    rate_hz = SAMPLE_RATE_HZ
    live = False
    speakers: tuple[str, ...] = ()

    def __init__(self, session: RecordedSession, settings: Config) -> None:
        self.name = encodable(session.source) or "recorded words"
        self.warnings: list[str] = []
        self.utterances = _in_order_of_finals(session)
        self._closed = False
        self._times_s: list[float] = []
        reached_s = 0.0
        for utterance in self.utterances:
            # when the endpointer had decided, as far as the record tells
            reached_s = max(reached_s, utterance.end_s + settings.endpoint.hangover_ms / 1000)
            self._times_s.append(reached_s)
        self._times_s.append(max(session.duration_s, max(u.end_s for u in self.utterances)))

    def ears(self, config: Config) -> WordEars:
        """What hears them."""
        return WordEars(self.utterances, config)

    def engine(self) -> AsrEngine:
        """What gives their words."""
        return _RecordedWordsEngine(self.utterances)

    def blocks(self) -> Iterator[Block]:
        """One at the end of every utterance, and one at the end of the session; none has samples."""
        for t_s in self._times_s:
            if self._closed:
                return
            yield Block(np.zeros(0, np.float32), t_s)

    def close(self) -> None:
        self._closed = True

    def health(self) -> SourceHealth:
        return SourceHealth()


class WordEars:
    """`livemerc.audio.ears.AnyEars` of `RecordedWords`: each block is the end of the next utterance."""

    level_dbfs = FLOOR_DBFS
    speaking = False

    def __init__(self, utterances: Sequence[RecordedUtterance], config: Config) -> None:
        self.t_s = 0.0
        self._utterances = utterances
        self._next = 0
        self._onset_s = config.endpoint.onset_ms / 1000
        self._freeze_after_s = config.dialogue.freeze_after_s
        self._quiet_due_s: float | None = None
        # of all that is still to come: somebody who spoke when a silence was due had begun before
        self._earliest_s = [u.start_s for u in utterances]
        for at in range(len(utterances) - 2, -1, -1):
            self._earliest_s[at] = min(self._earliest_s[at], self._earliest_s[at + 1])

    def feed(self, block: Block) -> list[EarItem]:
        self.t_s = max(self.t_s, block.start_s)
        if self._next >= len(self._utterances):
            return self._quiet(self.t_s)
        recorded = self._utterances[self._next]
        items = self._quiet(self._earliest_s[self._next] + self._onset_s)
        self._next += 1
        items.append(
            Utterance(
                utterance_id=recorded.utterance_id,
                samples=np.zeros(0, np.float32),
                samples_start_s=recorded.start_s,
                start_s=recorded.start_s,
                end_s=recorded.end_s,
                decided_s=max(self.t_s, recorded.end_s),
                forced_cut=False,
                speaker=recorded.speaker,
            )
        )
        self._quiet_due_s = max(self._quiet_due_s or 0.0, recorded.end_s + self._freeze_after_s)
        return items

    def flush(self) -> list[EarItem]:
        """Nothing is held back."""
        return []

    def _quiet(self, until_s: float) -> list[EarItem]:
        if self._quiet_due_s is None or until_s < self._quiet_due_s:
            return []
        due_s, self._quiet_due_s = self._quiet_due_s, None
        return [Quiet(due_s)]


class _RecordedWordsEngine:
    """The words of each utterance as they are recorded, gated where they were."""

    engine = "transcript"  # nothing is screened a second time
    model: str | None = None

    def __init__(self, utterances: Sequence[RecordedUtterance]) -> None:
        self._utterances = {utterance.utterance_id: utterance for utterance in utterances}

    def transcribe(self, utterance: Utterance) -> Transcript:
        recorded = self._utterances[utterance.utterance_id]
        asr = final_asr(recorded)
        return Transcript(recorded.text, confidence=asr.confidence, gated=recorded.gated)

    def partial(self, samples: np.ndarray) -> str:
        return ""

    def close(self) -> None:
        """Nothing to free."""


def final_asr(utterance: RecordedUtterance) -> FinalAsr:
    """Where its words come from: the recogniser of the time, or the person who corrected them."""
    if utterance.text != utterance.heard_text:
        return _WRITTEN
    return msgspec.structs.replace(utterance.asr, gated=utterance.gated)


def _in_order_of_finals(session: RecordedSession) -> list[RecordedUtterance]:
    """`session.utterances` are ordered by their begin; the dialogue got them in the order in which they ended."""
    finals = [e.utterance_id for e in journal.read(session.path).events if isinstance(e, UtteranceFinal)]
    order = {name: number for number, name in reversed(list(enumerate(finals)))}
    return sorted(session.utterances, key=lambda utterance: order[utterance.utterance_id])
