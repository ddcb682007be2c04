"""Temperatures: a known one is found again, each output gets its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from livemerc.model.merits import ConversationModel, WindowLogits
from trainer.loop.calibrate import abstention_limit, fit_temperature, fit_temperatures
from trainer.loop.windows import DialogueFeatures


def drawn_from(logits: torch.Tensor, seed: int) -> torch.Tensor:
    """A truth for which `logits` are perfectly calibrated."""
    return torch.multinomial(logits.softmax(-1), 1, generator=torch.Generator().manual_seed(seed))[:, 0]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 4.0])
def test_a_known_temperature_is_recovered(temperature: float) -> None:
    logits = torch.randn(8000, 7, generator=torch.Generator().manual_seed(0)) * 2
    assert fit_temperature(temperature * logits, drawn_from(logits, 1)) == pytest.approx(temperature, rel=0.08)


def test_each_condition_gets_the_temperature_of_its_own_output() -> None:
    class Scaled(ConversationModel):
        """Each output is perfectly calibrated after division by a factor of its own."""

        def __init__(self) -> None:
            nn.Module.__init__(self)
            self.unused = nn.Parameter(torch.zeros(1))  # where a model lives is told by its parameters

        def forward(self, t1, s1, has_text, has_speech, lengths):
            both = (has_text & has_speech).unsqueeze(-1)
            fused = torch.where(both, 3.0, torch.where(has_text.unsqueeze(-1), 2.0, 0.5))
            return WindowLogits(t1[..., :7] * fused, t1[..., :7] * 1.5, t1[..., :7] * 0.7)

    generator = torch.Generator().manual_seed(2)
    conditions = {}
    for name, text, speech in (("text_only", True, False), ("speech_only", False, True), ("both", True, True)):
        t1 = torch.randn(3000, 32, generator=generator) * 2
        labels = drawn_from(t1[:, :7], 3).numpy()
        conditions[name] = [
            DialogueFeatures(t1[i : i + 20].numpy(), np.zeros((20, 128), np.float32), np.full(20, text),
                             np.full(20, speech), labels[i : i + 20])
            for i in range(0, 3000, 20)
        ]  # fmt: skip
    found = fit_temperatures(Scaled(), conditions, 4)
    assert found.text_branch == pytest.approx(1.5, rel=0.12)
    assert found.speech_branch == pytest.approx(0.7, rel=0.12)
    assert found.both == pytest.approx(3.0, rel=0.12)
    assert found.text_only == pytest.approx(2.0, rel=0.12)
    assert found.speech_only == pytest.approx(0.5, rel=0.12)


def test_a_label_is_withheld_from_where_too_few_of_its_like_are_right() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.3, 1.0, size=40_000)
    probabilities = np.column_stack([confidence, *[(1 - confidence) / 6] * 6])
    truth = np.where(rng.random(len(confidence)) < confidence, 0, 1)
    # as sure as it is right: a band is right in its middle's share
    assert abstention_limit(probabilities, truth, 0.5) == pytest.approx(0.45, abs=0.03)
    assert abstention_limit(probabilities, truth, 0.7) == pytest.approx(0.65, abs=0.03)
    assert abstention_limit(probabilities, truth, 0.1) == pytest.approx(1 / 7, abs=0.01), "nothing is withheld"
    never = np.ones(len(truth), np.int64)
    assert abstention_limit(probabilities, never, 0.5) == pytest.approx(1.0, abs=0.1), "nothing is shown"
