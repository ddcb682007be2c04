"""A window without each of its utterances, in one pass: what the model says of each such window by itself."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from helpers.networks import CONVERSATION_CONFIG, masked, merits, random_dialogue
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from livemerc.model.leave_one_out import without_each
from livemerc.model.merits import ConversationModel, MeritsL, Window


def model(**changes: Any) -> MeritsL:
    """`changes` of a part of its configuration."""
    built = merits(both=1.3, text_only=0.8, speech_only=2.0)
    torch.manual_seed(1)
    config = {
        name: {**part, **changes[name]} if name in changes and isinstance(part, dict) else changes.get(name, part)
        for name, part in {**CONVERSATION_CONFIG, "stage1_share": 0.0}.items()
    }
    built.conversation = ConversationModel(config)
    for name, parameter in built.conversation.named_parameters():
        if name.endswith("absent"):
            nn.init.normal_(parameter)
    return built.eval()


MODELS = {
    "as it ships": model(stage1_share=0.5),
    "two layers": model(text={"layers": 2}),
    "recursions": model(fusion={"recursions": 2}),
    "latents": model(fusion={"latent": True}),
}


@pytest.mark.parametrize("network", list(MODELS.values()), ids=list(MODELS))
@settings(max_examples=12)
@given(seed=st.integers(0, 500), n=st.integers(1, 9))
def test_it_is_the_pass_over_each_masked_window(network: MeritsL, seed: int, n: int) -> None:
    t1, s1, has_text, has_speech = random_dialogue(n, seed)
    whole = Window(t1, s1, has_text.tolist(), has_speech.tolist())
    at = seed % n
    others = [i for i in range(n) if i != at]
    found = without_each(network, whole, others, at)
    alone = [network.windows([one])[0].fused[at] for one in (whole, *(masked(whole, other) for other in others))]
    torch.testing.assert_close(found, torch.stack(alone), atol=1e-5, rtol=0)
