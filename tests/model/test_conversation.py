"""Stages II and III: an output depends on its own window and on nothing else."""

from __future__ import annotations

import pytest
import torch
from helpers.networks import CONVERSATION_CONFIG, conversation_model, merits, random_dialogue
from torch import Tensor

from livemerc.model.merits import ConversationModel, WindowLogits


def _padded(dialogues: list[tuple[Tensor, Tensor, Tensor, Tensor]], junk: float) -> tuple[Tensor, ...]:
    """A batch with `junk` where there is no utterance."""
    longest = max(len(d[0]) for d in dialogues)
    columns = []
    for field in range(4):
        rows = []
        for dialogue in dialogues:
            x = dialogue[field]
            pad = (longest - len(x), *x.shape[1:])
            rows.append(
                torch.cat([x, torch.full(pad, junk) if x.dtype != torch.bool else torch.zeros(pad, dtype=torch.bool)])
            )
        columns.append(torch.stack(rows))
    return *columns, torch.tensor([len(d[0]) for d in dialogues])


def _fields(logits: WindowLogits) -> tuple[Tensor, Tensor, Tensor]:
    return logits.fused, logits.text, logits.speech


@torch.inference_mode()
def test_an_output_does_not_depend_on_what_it_was_batched_with() -> None:
    model = conversation_model()
    dialogues = [random_dialogue(n, seed=n) for n in (1, 7, 3, 12)]
    together = model(*_padded(dialogues, junk=37.0))
    for row, dialogue in enumerate(dialogues):
        alone = model(*_padded([dialogue], junk=0.0))
        for a, b in zip(_fields(together), _fields(alone), strict=True):
            torch.testing.assert_close(a[row, : len(dialogue[0])], b[0], atol=1e-5, rtol=0)


@torch.inference_mode()
def test_what_an_absent_modality_holds_changes_nothing() -> None:
    model = conversation_model()
    t1, s1, has_text, has_speech = random_dialogue(9, seed=4)
    lengths = torch.tensor([9])
    before = model(t1[None], s1[None], has_text[None], has_speech[None], lengths)
    t1 = torch.where(has_text[:, None], t1, t1 * 100 + 5)
    s1 = torch.where(has_speech[:, None], s1, s1 * 100 + 5)
    after = model(t1[None], s1[None], has_text[None], has_speech[None], lengths)
    for a, b in zip(_fields(before), _fields(after), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize(("text", "speech"), [(False, False), (True, False), (False, True)])
def test_whole_windows_without_a_modality_are_finite(text: bool, speech: bool) -> None:
    model = merits()
    t1, s1, _, _ = random_dialogue(5)
    has_text, has_speech = torch.full((1, 5), text), torch.full((1, 5), speech)
    out = model.window(t1[None], s1[None], has_text, has_speech, torch.tensor([5]))
    assert torch.isfinite(out.fused).all()
    torch.testing.assert_close(out.fused.sum(-1), torch.ones(1, 5))
    if not text and not speech:
        torch.testing.assert_close(out.fused[0, 0], torch.tensor(model.prior))


@torch.inference_mode()
@pytest.mark.parametrize("alone", ["text", "speech"])
def test_a_lone_branch_passes_through_fusion_as_it_is(alone: str) -> None:
    model = conversation_model()
    t1, s1, _, _ = random_dialogue(6, seed=2)
    flag = torch.ones(1, 6, dtype=torch.bool)
    has_text, has_speech = (flag, ~flag) if alone == "text" else (~flag, flag)
    logits = model(t1[None], s1[None], has_text, has_speech, torch.tensor([6]))
    branch = logits.text if alone == "text" else logits.speech
    torch.testing.assert_close(logits.fused.softmax(-1), branch.softmax(-1))
    both = model(t1[None], s1[None], flag, flag, torch.tensor([6]))
    assert not torch.allclose(both.fused.softmax(-1), branch.softmax(-1), atol=1e-3)


def test_every_parameter_is_trained() -> None:
    """A module kept in a plain Python list, or a branch that reaches no loss, would never learn."""
    model = conversation_model().train()
    t1, s1, has_text, has_speech = random_dialogue(6, seed=1)
    logits = model(t1[None], s1[None], has_text[None], has_speech[None], torch.tensor([6]))
    (logits.fused.square().sum() + logits.text.square().sum() + logits.speech.square().sum()).backward()
    still = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    # A bias on the keys shifts every score of a query alike: the softmax cancels it.
    assert still == []


def test_a_share_of_stage_i_is_in_the_speech_branchs_log_probabilities() -> None:
    inputs = _padded([random_dialogue(5)], 0.0)

    def speech(share: float) -> Tensor:
        model = conversation_model()
        model.stage1_share = share
        with torch.no_grad():
            return model(*inputs).speech.log_softmax(-1)

    own = inputs[1].log_softmax(-1)
    torch.testing.assert_close(speech(1.0), own)
    half = ((speech(0.0) + own) / 2).log_softmax(-1)
    torch.testing.assert_close(speech(0.5), half)


def test_a_share_of_what_are_no_logits_is_refused() -> None:
    for change in ({"stage1_share": 1.5}, {"stage1_share": 0.5, "labels": 6}):
        with pytest.raises(ValueError, match="stage1_share"):
            ConversationModel({**CONVERSATION_CONFIG, **change})
