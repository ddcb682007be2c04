"""Full-size architectures made tiny: the same classes and code paths, random weights, a second instead of minutes."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from livemerc.emotions import LABELS
from livemerc.model.checkpoint import Manifest
from livemerc.model.merits import ConversationModel
from livemerc.model.speech_head import SpeechHead
from livemerc.model.temperatures import Temperatures
from trainer.fronts.architectures import HUB, SPEECH, TEXT
from trainer.fronts.encoders import build_speech_frontend, build_text_encoder
from trainer.loop.checkpoint_folder import Origin
from trainer.merits_l.export import write_checkpoint

TINY_TEXT = {
    "num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 40, "vocab_size": 300,
}  # fmt: skip
TINY_SPEECH = {
    "num_hidden_layers": 3, "hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 40,
    "conv_dim": [16] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4,
}  # fmt: skip
ORIGIN = Origin(licence="none", data=["random numbers"])


def tiny_text(name: str = "roberta-large", seed: int = 0) -> tuple[Any, Any]:
    torch.manual_seed(seed)
    with patch.dict(TEXT, {name: TEXT[HUB.get(name, name)] | TINY_TEXT}):
        return build_text_encoder(name, weights="random")


def tiny_front(name: str = "wavlm-base-plus", seed: int = 0, **options: Any) -> Any:
    torch.manual_seed(seed)
    with patch.dict(SPEECH, {name: SPEECH[name] | TINY_SPEECH}):
        return build_speech_frontend(name, weights="random", **options)


def voices(*seconds: float, seed: int = 0) -> list[np.ndarray]:
    """Noisy tones of these lengths, (n,) float32 at 16 kHz."""
    rng = np.random.default_rng(seed)
    out = []
    for length in seconds:
        t = np.arange(round(length * 16_000)) / 16_000
        tone = np.sin(2 * np.pi * rng.uniform(100, 300) * t) * 0.2 + rng.standard_normal(len(t)) * 0.02
        out.append(tone.astype(np.float32))
    return out


def conversation_config(text_width: int, speech_width: int, labels: int = len(LABELS)) -> dict[str, Any]:
    return {
        "text": {"width": text_width, "hidden": 16, "heads": 4, "dropout": 0.3},
        "speech": {"width": speech_width, "hidden": 8, "heads": 4, "dropout": 0.3},
        "fusion": {"width": 16, "heads": 4, "dropout": 0.3},
        "labels": labels,
    }


def tiny_parts(text: str = "roberta-large", speech: str = "wavlm-base-plus") -> dict[str, Any]:
    """Modules of a tiny full-size model, as `write_checkpoint` takes them."""
    encoder, tokenizer = tiny_text(text)
    front = tiny_front(speech)
    head = SpeechHead({"layers": front.layers, "dimension": front.dimension, "embedding": 24, "labels": len(LABELS)})
    conversation = ConversationModel(conversation_config(encoder.dimension, head.dimension))
    return {"text": encoder, "tokenizer": tokenizer, "front": front, "head": head, "conversation": conversation}


def export_tiny(out: Path, parts: dict[str, Any] | None = None, **options: Any) -> Manifest:
    settings: dict[str, Any] = {
        "checkpoint_id": "tiny-full", "labels": LABELS, "prior": [1 / len(LABELS)] * len(LABELS),
        "origins": dict.fromkeys(("text", "speech", "speech_front", "fusion"), ORIGIN),
        "temperatures": Temperatures(both=1.3),
    }  # fmt: skip
    return write_checkpoint(out, **(parts or tiny_parts()), **{**settings, **options})
