"""A dialogue that another process goes on with says what the first one would have said."""

from __future__ import annotations

import msgspec
import pytest
import torch
from helpers.networks import merits
from torch import Tensor

from livemerc.config import DialogueConfig
from livemerc.events import EmotionEvent
from livemerc.model.checkpoint import Abstention
from livemerc.model.merits import MeritsL
from livemerc.model.voice import VoiceBranch
from livemerc.pipeline.abstention import Cues, Doubt
from livemerc.pipeline.dialogue import Dialogue
from livemerc.pipeline.entry import Remembered, packed, unpacked
from livemerc.pipeline.no_answer import NoAnswer

MODELS = {"with baselines": merits(baselines=True), "without": merits()}
NAMES = ("ann", "ben", None)
UTTERANCES = 24


def cues_of(at: int) -> Cues:
    return Cues(duration_s=1.0 + at, asr_confidence=0.9)


def embeddings(model: MeritsL) -> list[tuple[Tensor | None, Tensor | None]]:
    """T1 and voice of each utterance; every fifth has no words, every seventh no voice."""
    chance = torch.Generator().manual_seed(23)
    text, speech = model.widths
    width = model.speech.head.config.width if isinstance(model.speech, VoiceBranch) else speech
    rows = [(torch.randn(text, generator=chance), torch.randn(width, generator=chance)) for _ in range(UTTERANCES)]
    return [(None if i % 5 == 4 else t1, None if i % 7 == 6 else voice) for i, (t1, voice) in enumerate(rows)]


def new(model: MeritsL) -> Dialogue:
    """One that sends every change: what is not sent (`dialogue.revision_step`) nobody else can know."""
    return Dialogue(model, DialogueConfig(context=6, revise=2, revision_step=0.0), Abstention())


class Said:
    """A dialogue, and what somebody keeps of it who sees nothing but its events."""

    def __init__(self, dialogue: Dialogue, model: MeritsL) -> None:
        self.dialogue, self.rows = dialogue, embeddings(model)
        self.events: list[EmotionEvent] = []
        self.kept: dict[str, tuple[bytes | None, bytes | None]] = {}

    def go_on(self, begin: int, end: int) -> None:
        for at in range(begin, end):
            name = f"u{at + 1}"
            if at == 9:
                found = self.dialogue.add_no_speech(name, cues_of(at), Doubt.NO_SPEECH)
            elif at == 13:
                found = self.dialogue.add_unjudged(name, cues_of(at), NoAnswer.BEHIND)
            else:
                found = self.dialogue.add(name, *self.rows[at], cues_of(at), speaker=NAMES[at % 3])
            t1, voice = self.dialogue.embeddings(name)
            self.kept[name] = packed(t1), packed(voice)
            self.events += found

    def remembered(self) -> list[Remembered]:
        last = {event.utterance_id: event for event in self.events}
        return [
            Remembered(name, cues_of(at), NAMES[at % 3], unpacked(t1), unpacked(voice), last[name])
            for at, (name, (t1, voice)) in enumerate(self.kept.items())
        ]


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("cut", [1, 5, 9, 10, 13, 14, 20, 23])
def test_it_goes_on_as_if_it_had_never_stopped(kind: str, cut: int) -> None:
    model = MODELS[kind]
    whole, first, second = (Said(new(model), model) for _ in range(3))
    whole.go_on(0, UTTERANCES)
    whole.events += whole.dialogue.freeze_all()
    first.go_on(0, cut)
    second.dialogue.restore(first.remembered())
    second.go_on(cut, UTTERANCES)
    found = [*first.events, *second.events, *second.dialogue.freeze_all()]
    assert len(found) == len(whole.events)
    for one, other in zip(found, whole.events, strict=True):
        a, b = msgspec.to_builtins(one), msgspec.to_builtins(other)
        for key in ("probabilities", "confidence", "modality"):
            x, y = a.pop(key), b.pop(key)
            if key == "modality":
                assert [x[m] is None for m in x] == [y[m] is None for m in y]
            else:
                assert x == pytest.approx(y, abs=1e-5)
        assert a == b


def test_an_embedding_comes_back_as_it_was() -> None:
    rows = torch.randn(7, generator=torch.Generator().manual_seed(1))
    kept = unpacked(packed(rows))
    assert kept is not None
    assert torch.equal(kept, rows)
    assert packed(None) is unpacked(None) is None
