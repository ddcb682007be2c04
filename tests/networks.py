"""Randomly initialised networks of the true architecture, small: behaviour that must hold for any weights."""

from __future__ import annotations

import torch

from livemerc.emotions import LABELS
from livemerc.model.calibration import Temperatures
from livemerc.model.merits import ConversationModel, MeritsL
from livemerc.model.speech import SpeechEncoder
from livemerc.model.text import TextEncoder

TEXT_CONFIG = {
    "vocab_size": 200, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48,
    "hidden_act": "gelu", "max_position_embeddings": 128, "type_vocab_size": 2, "layer_norm_eps": 1e-12,
    "pad_token_id": 0, "labels": len(LABELS),
}  # fmt: skip
CONVERSATION_CONFIG = {
    "text": {"width": 32, "hidden": 16, "heads": 4, "dropout": 0.3},
    "speech": {"width": 128, "hidden": 8, "heads": 4, "dropout": 0.3},
    "fusion": {"width": 16, "heads": 4, "dropout": 0.3},
    "labels": len(LABELS),
}


def conversation_model(seed: int = 0) -> ConversationModel:
    torch.manual_seed(seed)
    model = ConversationModel(CONVERSATION_CONFIG)
    # Zero-initialised vectors would hide a modality that leaks.
    for name, parameter in model.named_parameters():
        if name.endswith("absent"):
            torch.nn.init.normal_(parameter)
    return model.eval()


def merits(seed: int = 0, **temperatures: float) -> MeritsL:
    conversation = conversation_model(seed)
    prior = (0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1)
    model = MeritsL(
        TextEncoder(TEXT_CONFIG), SpeechEncoder({}), conversation, Temperatures(**temperatures), LABELS, prior
    )
    return model.eval()


def random_dialogue(n: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """t1 (n, 32), s1 (n, 128), has_text (n,), has_speech (n,): with all four combinations of presence."""
    generator = torch.Generator().manual_seed(seed)
    t1 = torch.randn(n, 32, generator=generator)
    s1 = torch.randn(n, 128, generator=generator)
    has_text = torch.rand(n, generator=generator) < 0.7
    has_speech = torch.rand(n, generator=generator) < 0.7
    return t1, s1, has_text, has_speech
