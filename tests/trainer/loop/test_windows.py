"""Training sees dialogues as the live monitor does: windows of K, judged at lag R."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
import torch
from helpers.networks import merits
from helpers.trainer.dialogues import random_dialogue
from hypothesis import given, settings
from hypothesis import strategies as st

from livemerc.config import DialogueConfig
from livemerc.model.checkpoint import Abstention
from livemerc.model.merits import WindowLogits
from livemerc.pipeline.abstention import Cues
from livemerc.pipeline.dialogue import Dialogue
from trainer.loop.windows import Cut, DialogueFeatures, WindowBatch, all_cuts, batches, judge, make_batch

MODEL = merits(seed=3)


def live(dialogue: DialogueFeatures, context: int, lag: int) -> np.ndarray:
    """(n, 7) fused probabilities that `Dialogue` freezes."""
    window = Dialogue(MODEL, DialogueConfig(context=context, revise=lag), Abstention())
    events = []
    for i in range(len(dialogue)):
        t1 = torch.from_numpy(dialogue.t1[i]) if dialogue.has_text[i] else None
        s1 = torch.from_numpy(dialogue.s1[i]) if dialogue.has_speech[i] else None
        events += window.add(str(i), t1, s1, Cues(duration_s=2.0))
    events += window.freeze_all()
    frozen = {int(e.utterance_id): list(e.probabilities.values()) for e in events if e.status == "frozen"}
    return np.array([frozen[i] for i in range(len(dialogue))])


def calibrated(logits: WindowLogits, dialogue: DialogueFeatures) -> np.ndarray:
    has_text, has_speech = torch.from_numpy(dialogue.has_text), torch.from_numpy(dialogue.has_speech)
    return MODEL.calibrate(logits, has_text, has_speech).fused.detach().numpy()


@pytest.mark.parametrize("context", [1, 4, 32])
@pytest.mark.parametrize("lag", [0, 1, 2, 9])
def test_judging_at_a_lag_is_what_the_live_dialogue_freezes(context: int, lag: int) -> None:
    dialogues = [random_dialogue(n, lag) for n in (1, 2, 7, 12)]
    for dialogue, logits in zip(dialogues, judge(MODEL.conversation, dialogues, context, lag), strict=True):
        np.testing.assert_allclose(calibrated(logits, dialogue), live(dialogue, context, lag), atol=1e-5)


def test_judging_without_a_lag_sees_the_whole_dialogue() -> None:
    dialogue = random_dialogue(9)
    (whole,) = judge(MODEL.conversation, [dialogue], 4, None)
    with torch.inference_mode():
        expected = make_batch([dialogue], [Cut(0, 0, 9)]).forward(MODEL.conversation)
    for field in ("fused", "text", "speech"):
        torch.testing.assert_close(getattr(whole, field), getattr(expected, field)[0])
    (causal,) = judge(MODEL.conversation, [dialogue], 32, 0)
    assert not torch.allclose(whole.fused[0], causal.fused[0], atol=1e-3)


def test_a_judgement_depends_neither_on_its_batch_nor_on_the_other_dialogues() -> None:
    dialogues = [random_dialogue(n, 5) for n in (11, 1, 6)]
    together = judge(MODEL.conversation, dialogues, 5, 1)
    for size in (1, 3):
        for whole, part in zip(together, judge(MODEL.conversation, dialogues, 5, 1, batch=size), strict=True):
            torch.testing.assert_close(whole.fused, part.fused, atol=1e-5, rtol=0)
    for d, dialogue in enumerate(dialogues):
        (alone,) = judge(MODEL.conversation, [dialogue], 5, 1)
        for field in ("fused", "text", "speech"):
            torch.testing.assert_close(getattr(alone, field), getattr(together[d], field), atol=1e-5, rtol=0)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=4), st.integers(1, 8))
def test_cuts_are_every_moment_of_every_dialogue_at_most_k_wide(lengths: list[int], context: int) -> None:
    cuts = all_cuts([random_dialogue(n) for n in lengths], context)
    assert [(c.dialogue, c.end) for c in cuts] == [(d, e) for d, n in enumerate(lengths) for e in range(1, n + 1)]
    assert all(c.end - c.start == min(c.end, context) for c in cuts)


def test_a_batch_marks_its_padding() -> None:
    dialogues = [random_dialogue(5), random_dialogue(3)]
    batch = make_batch(dialogues, [Cut(0, 1, 5), Cut(1, 0, 2)])
    assert batch.lengths.tolist() == [4, 2]
    assert batch.lag.tolist() == [[3, 2, 1, 0], [1, 0, -1, -1]]
    assert batch.labels[0].tolist() == dialogues[0].labels[1:5].tolist()
    assert batch.labels[1].tolist() == [*dialogues[1].labels[:2].tolist(), -1, -1]
    for values in (batch.t1, batch.s1, batch.has_text, batch.has_speech):
        assert not values[1, 2:].any()
    torch.testing.assert_close(batch.t1[0], torch.from_numpy(dialogues[0].t1[1:5]))


def test_an_epoch_of_batches_holds_every_cut_once_and_is_the_same_for_the_same_seed() -> None:
    dialogues = [random_dialogue(n, 1) for n in (9, 4, 1, 12)]
    cuts = all_cuts(dialogues, 6)
    first, second = (list(batches(dialogues, cuts, 4, np.random.default_rng(7))) for _ in range(2))
    other = list(batches(dialogues, cuts, 4, np.random.default_rng(8)))
    assert max(len(b.lengths) for b in first) == 4

    def ends(epoch: Iterable[WindowBatch]) -> list[bytes]:
        """The embeddings of each window's last utterance, which name the cut."""
        return [b.s1[i, b.lengths[i] - 1].numpy().tobytes() + b.t1[i, b.lengths[i] - 1].numpy().tobytes()
                for b in epoch for i in range(len(b.lengths))]  # fmt: skip

    expected = [dialogues[c.dialogue].s1[c.end - 1].tobytes() + dialogues[c.dialogue].t1[c.end - 1].tobytes()
                for c in cuts]  # fmt: skip
    assert sorted(ends(first)) == sorted(expected)
    assert ends(first) == ends(second)
    assert ends(first) != ends(other)
