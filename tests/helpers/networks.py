"""Randomly initialised networks of the true architecture, small: behaviour that must hold for any weights."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import msgspec
import torch

from livemerc.emotions import LABELS
from livemerc.model.checkpoint import (
    FORMAT,
    FORMAT_OF_VOICE,
    MANIFEST,
    Abstention,
    Manifest,
    Part,
    VoiceEncoder,
    file_sha256,
    pack_state,
)  # fmt: skip
from livemerc.model.merits import ConversationModel, MeritsL, Window
from livemerc.model.speech import SpeechEncoder
from livemerc.model.temperatures import Temperatures
from livemerc.model.text import TextEncoder
from livemerc.model.voice import VoiceBranch
from livemerc.model.voice_head import VoiceHead
from livemerc.model.whisper_encoder import WhisperEncoder

TEXT_CONFIG = {
    "vocab_size": 200, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48,
    "hidden_act": "gelu", "max_position_embeddings": 128, "type_vocab_size": 2, "layer_norm_eps": 1e-12,
    "pad_token_id": 0, "labels": len(LABELS),
}  # fmt: skip
VOICE_CONFIG: dict[str, Any] = {
    "rows": [0, 1], "kinds": ["mean", "deviation"], "peak": 1.0, "dimension": 384, "labels": len(LABELS),
    "spread": 5.0,
}  # fmt: skip
CONVERSATION_CONFIG: dict[str, Any] = {
    "text": {"width": 32, "hidden": 16, "heads": 4, "dropout": 0.3},
    "speech": {"width": 7, "hidden": 8, "heads": 4, "dropout": 0.3, "normalise": False},
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


def voice_branch(seed: int = 0, **config: Any) -> VoiceBranch:
    """The encoder that ships, and a head over it that says something else of every voice."""
    torch.manual_seed(seed)
    head = VoiceHead({**VOICE_CONFIG, **config})
    torch.nn.init.normal_(head.mean)
    torch.nn.init.uniform_(head.deviation, 0.5, 1.5)
    return VoiceBranch(WhisperEncoder(VoiceEncoder.shipped().path, head.config.layout), head).eval()


def merits(seed: int = 0, *, baselines: bool = False, **temperatures: float) -> MeritsL:
    """`baselines`: with a voice against its speaker's own usual, as format 2 has it."""
    conversation = conversation_model(seed)
    prior = (0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1)
    text = TextEncoder(TEXT_CONFIG)
    speech = voice_branch(seed) if baselines else SpeechEncoder({})
    return MeritsL(text, speech, conversation, Temperatures(**temperatures), LABELS, prior).eval()


def random_dialogue(n: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """t1 (n, 32), s1 (n, 7), has_text (n,), has_speech (n,): with all four combinations of presence."""
    generator = torch.Generator().manual_seed(seed)
    t1 = torch.randn(n, 32, generator=generator)
    s1 = torch.randn(n, len(LABELS), generator=generator)
    has_text = torch.rand(n, generator=generator) < 0.7
    has_speech = torch.rand(n, generator=generator) < 0.7
    return t1, s1, has_text, has_speech


def masked(window: Window, at: int) -> Window:
    """The window in which utterance `at` was neither understood nor heard."""
    text, speech = list(window.has_text), list(window.has_speech)
    text[at] = speech[at] = False
    return dataclasses.replace(window, has_text=text, has_speech=speech)


def write_checkpoint(folder: Path, seed: int = 0, *, baselines: bool = False) -> Path:
    """A whole checkpoint folder with random weights of `merits()` and a word tokenizer of its own."""
    from safetensors.torch import save_file
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    torch.manual_seed(seed)
    model = merits(seed, baselines=baselines)
    folder.mkdir(parents=True, exist_ok=True)
    words = ["[PAD]", "[UNK]", *(f"w{i}" for i in range(100)), "hello", "sad", "great"]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    parts = {}
    for name, module, config in (
        ("text", model.text, TEXT_CONFIG),
        ("speech", model.speech.head if baselines else model.speech, VOICE_CONFIG if baselines else {}),
        ("fusion", model.conversation, CONVERSATION_CONFIG),
    ):
        file = f"{name}.safetensors"
        tables = ("encoder.embeddings.word_embeddings.weight",) if name == "text" else ()
        save_file(pack_state(module.state_dict(), quantise=tables, exact=VoiceHead.EXACT), folder / file)
        parts[name] = Part(file=file, sha256=file_sha256(folder / file), config=dict(config), licence="none", data=[])
    manifest = Manifest(
        format=FORMAT_OF_VOICE if baselines else FORMAT, id="random", labels=list(LABELS), prior=list(model.prior),
        tokenizer="tokenizer.json", tokenizer_sha256=file_sha256(folder / "tokenizer.json"),
        temperatures=Temperatures(), abstention=Abstention(), speech_trust=0.5,
        voice_encoder=VoiceEncoder.shipped() if baselines else None, **parts,
    )  # fmt: skip
    (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    return folder
