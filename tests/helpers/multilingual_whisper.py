"""A multilingual Whisper in CTranslate2's format, in seconds, that always hears one language: for the real detection.

Weights are random but for one direction of the last layer's bias, along which the rows of the output table (tied to
the embeddings) lie that should win: the language's token where a language is asked for, and a word where text is.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from helpers.tiny_whisper import convert, make_tokenizer

LANGUAGES = ("en", "de", "pl")


def build_multilingual(folder: Path, heard: dict[str, float], width: int = 64) -> Path:
    """The folder of the converted model. heard: logits of the languages, for instance {"de": 9.0, "en": 1.0}."""
    # takes long, and every worker collects the tests
    from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration

    hub = folder / "hf"
    tokenizer = make_tokenizer(hub)
    tokenizer.add_special_tokens({"additional_special_tokens": [f"<|{code}|>" for code in LANGUAGES] + ["<|empty|>"]})
    tokenizer.save_pretrained(hub)
    token = tokenizer.convert_tokens_to_ids
    end = token("<|endoftext|>")
    torch.manual_seed(0)
    config = WhisperConfig(
        vocab_size=len(tokenizer), d_model=width, encoder_layers=1, decoder_layers=1, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, max_target_positions=448,
        decoder_start_token_id=token("<|startoftranscript|>"), pad_token_id=end, bos_token_id=end, eos_token_id=end,
        suppress_tokens=[], begin_suppress_tokens=[end],
    )  # fmt: skip
    model = WhisperForConditionalGeneration(config)
    with torch.no_grad():
        table = model.model.decoder.embed_tokens.weight
        table.zero_()
        direction = torch.zeros(width)
        direction[0] = 1.0
        model.model.decoder.layer_norm.weight.zero_()  # what the decoder makes of the audio does not count
        model.model.decoder.layer_norm.bias.copy_(direction)
        for code, logit in heard.items():
            table[token(f"<|{code}|>"), 0] = logit
        table[tokenizer.encode(" train", add_special_tokens=False)[0], 0] = 5.0
    languages = {f"<|{code}|>": token(f"<|{code}|>") for code in LANGUAGES}
    model.generation_config = GenerationConfig(
        suppress_tokens=list(languages.values()), begin_suppress_tokens=[end], lang_to_id=languages, eos_token_id=end,
        pad_token_id=end, bos_token_id=end, decoder_start_token_id=config.decoder_start_token_id, is_multilingual=True,
    )  # fmt: skip
    model.save_pretrained(hub)
    (hub / "preprocessor_config.json").write_text(json.dumps({"feature_size": 80, "sampling_rate": 16_000}))
    converted = convert(hub, folder / "ct2")
    # CTranslate2 takes a Whisper for multilingual if its vocabulary holds the empty token, as OpenAI's do
    vocabulary = converted / "vocabulary.json"
    tokens = json.loads(vocabulary.read_text())
    vocabulary.write_text(json.dumps(["" if token == "<|empty|>" else token for token in tokens]))
    return converted
