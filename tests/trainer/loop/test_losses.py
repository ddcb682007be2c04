"""The losses of the stages: padding and unknown labels enter none, and the optional terms are what they cite."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.trainer.dialogues import random_dialogue

from livemerc.errors import InputError
from trainer.loop.losses import ExtraTerms, balanced_class_weights, cross_entropy, supervised_contrastive, window_loss
from trainer.loop.windows import Cut, make_batch


def test_the_contrastive_term_is_equation_2_of_khosla() -> None:
    z = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 0, 1, 1, 1, 2])  # the last has no partner: no term
    unit = (z / z.norm(dim=1, keepdim=True)).double()
    terms = []
    for i in range(5):
        others = [j for j in range(6) if j != i]
        total = sum(torch.exp(unit[i] @ unit[j] / 0.2) for j in others)
        partners = [j for j in others if labels[j] == labels[i]]
        terms.append(-sum(torch.log(torch.exp(unit[i] @ unit[p] / 0.2) / total) for p in partners) / len(partners))
    assert float(supervised_contrastive(z, labels, 0.2)) == pytest.approx(float(sum(terms)) / 5, rel=1e-5)


def test_padding_is_no_class_of_the_contrastive_term() -> None:
    z = torch.randn(8, 4, generator=torch.Generator().manual_seed(1), requires_grad=True)
    labels = torch.tensor([0, 0, 1, 1, -1, -1, -1, -1])
    loss = supervised_contrastive(z, labels, 0.1)
    torch.testing.assert_close(loss, supervised_contrastive(z[:4], labels[:4], 0.1))
    loss.backward()
    assert z.grad is not None
    assert (z.grad[4:] == 0).all()
    assert (z.grad[:4] != 0).any()


def test_without_partners_or_labels_the_terms_are_zero_and_differentiable() -> None:
    z = torch.randn(3, 4, requires_grad=True)
    for labels in (torch.tensor([0, 1, 2]), torch.tensor([-1, -1, -1])):
        loss = supervised_contrastive(z, labels, 0.1)
        assert loss.item() == 0.0
        loss.backward()
    assert cross_entropy(z, torch.tensor([-1, -1, -1])).item() == 0.0


def test_unknown_labels_do_not_move_the_cross_entropy() -> None:
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(2))
    labels = torch.tensor([0, 2, -1, 1, -1])
    known = labels >= 0
    expected = torch.nn.functional.cross_entropy(logits[known], labels[known])
    torch.testing.assert_close(cross_entropy(logits, labels), expected)
    weights = torch.tensor([0.5, 2.0, 1.0])
    expected = torch.nn.functional.cross_entropy(logits[known], labels[known], weight=weights)
    torch.testing.assert_close(cross_entropy(logits, labels, weights), expected)


def test_balanced_weights_give_every_class_the_same_say() -> None:
    labels = np.array([0] * 6 + [1] * 3 + [3] * 3 + [-1] * 50)
    weights = balanced_class_weights(labels, 5)
    shares = [float(weights[c]) * int((labels == c).sum()) for c in (0, 1, 3)]
    assert shares == pytest.approx([4.0, 4.0, 4.0])
    assert weights[2] == weights[4] == 0.0
    with pytest.raises(InputError, match="no labelled utterance"):
        balanced_class_weights(np.array([-1, -1]), 3)


def test_class_weights_and_smoothing_enter_the_window_loss_and_padding_still_does_not() -> None:
    batch = make_batch([random_dialogue(6), random_dialogue(2)], [Cut(0, 0, 6), Cut(1, 0, 2)])
    logits = torch.randn(2, 6, 7, generator=torch.Generator().manual_seed(0))
    changed = logits.clone()
    changed[1, 2:] = 1e4
    plain = window_loss(logits, batch)
    for extra in ({"weights": torch.arange(1.0, 8.0)}, {"smoothing": 0.1}):
        assert window_loss(logits, batch, **extra) != plain
        assert window_loss(logits, batch, **extra) == window_loss(changed, batch, **extra)


def test_extra_terms_are_off_by_default_and_each_does_its_work() -> None:
    states = torch.randn(6, 4, generator=torch.Generator().manual_seed(3))
    labels, sentiments = torch.tensor([0, 0, 1, 1, -1, -1]), torch.tensor([0, 1, 2, -1, -1, 1])
    off = ExtraTerms(4, 0.0, 0.1, 0.0)
    assert not list(off.parameters())
    assert float(off(states, labels, sentiments)) == 0.0
    contrastive = ExtraTerms(4, 0.5, 0.1, 0.0)(states, labels, sentiments)
    torch.testing.assert_close(contrastive, 0.5 * supervised_contrastive(states, labels, 0.1))
    joint = ExtraTerms(4, 0.0, 0.1, 2.0)
    assert joint.sentiment_head is not None
    expected = 2.0 * cross_entropy(joint.sentiment_head(states), sentiments)
    torch.testing.assert_close(joint(states, labels, sentiments), expected)
