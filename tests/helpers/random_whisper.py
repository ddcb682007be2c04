"""A Whisper with random weights in CTranslate2's format, in seconds: for what does not depend on its words."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from helpers.tiny_whisper import convert, make_tokenizer


def build_random(folder: Path, width: int = 64, seed: int = 0) -> Path:
    """The folder of the converted model."""
    # takes long, and every worker collects the tests
    from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration

    hub = folder / "hf"
    tokenizer = make_tokenizer(hub)
    token = tokenizer.convert_tokens_to_ids
    end = token("<|endoftext|>")
    torch.manual_seed(seed)
    config = WhisperConfig(
        vocab_size=len(tokenizer), d_model=width, encoder_layers=1, decoder_layers=1, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, max_target_positions=448,
        decoder_start_token_id=token("<|startoftranscript|>"), pad_token_id=end, bos_token_id=end, eos_token_id=end,
        suppress_tokens=[], begin_suppress_tokens=[end],
    )  # fmt: skip
    model = WhisperForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        suppress_tokens=[], begin_suppress_tokens=[end], lang_to_id={"<|en|>": token("<|en|>")}, eos_token_id=end,
        pad_token_id=end, bos_token_id=end, decoder_start_token_id=config.decoder_start_token_id,
    )  # fmt: skip
    model.save_pretrained(hub)
    (hub / "preprocessor_config.json").write_text(json.dumps({"feature_size": 80, "sampling_rate": 16_000}))
    return convert(hub, folder / "ct2")
