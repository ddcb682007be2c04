"""Whispers with random weights in CTranslate2's format, in seconds: for what does not depend on their words.

`build_multilingual` gives one that always hears one language: for the real detection.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from helpers.speech import SENTENCES

LANGUAGES = ("en", "de", "pl")


def build_random(folder: Path, width: int = 64, seed: int = 0) -> Path:
    """The folder of the converted model."""
    tokenizer = _tokenizer(folder / "hf")
    model = _model(tokenizer, width, seed)
    english = {"<|en|>": tokenizer.convert_tokens_to_ids("<|en|>")}
    return _converted(folder, model, suppress_tokens=[], lang_to_id=english)


def build_multilingual(folder: Path, heard: dict[str, float], width: int = 64) -> Path:
    """The folder of the converted model. heard: logits of the languages, for instance {"de": 9.0, "en": 1.0}.

    Weights are random but for one direction of the last layer's bias, along which the rows of the output table (tied
    to the embeddings) lie that should win: the language's token where a language is asked for, and a word where text
    is.
    """
    tokenizer = _tokenizer(folder / "hf")
    tokenizer.add_special_tokens({"additional_special_tokens": [f"<|{code}|>" for code in LANGUAGES] + ["<|empty|>"]})
    tokenizer.save_pretrained(folder / "hf")
    token = tokenizer.convert_tokens_to_ids
    model = _model(tokenizer, width, seed=0)
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
    converted = _converted(
        folder, model, suppress_tokens=list(languages.values()), lang_to_id=languages, is_multilingual=True
    )
    # CTranslate2 takes a Whisper for multilingual if its vocabulary holds the empty token, as OpenAI's do
    vocabulary = converted / "vocabulary.json"
    tokens = json.loads(vocabulary.read_text())
    vocabulary.write_text(json.dumps(["" if token == "<|empty|>" else token for token in tokens]))
    return converted


def _tokenizer(folder: Path) -> Any:
    """Byte-level BPE learnt from the sentences, then Whisper's special tokens in Whisper's order."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import WhisperTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator([" " + sentence for sentence in SENTENCES], vocab_size=400, min_frequency=1)
    model = json.loads(bpe.to_str())["model"]
    # <|endoftext|> opens the special tokens: faster-whisper takes everything below it for text
    model["vocab"]["<|endoftext|>"] = len(model["vocab"])
    tokenizer = WhisperTokenizer(
        vocab=model["vocab"], merges=[tuple(merge) for merge in model["merges"]], pad_token="<|endoftext|>"
    )
    special = [
        "<|startoftranscript|>",
        "<|en|>",
        "<|translate|>",
        "<|transcribe|>",
        "<|startoflm|>",
        "<|startofprev|>",
        "<|nospeech|>",
    ]
    special += ["<|notimestamps|>", *(f"<|{i * 0.02:.2f}|>" for i in range(1501))]
    tokenizer.add_special_tokens({"additional_special_tokens": special})
    tokenizer.save_pretrained(folder)
    return tokenizer


def _model(tokenizer: Any, width: int, seed: int) -> Any:
    """One layer each, with this seed's weights."""
    # takes long, and every worker collects the tests
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    end, start = (tokenizer.convert_tokens_to_ids(f"<|{name}|>") for name in ("endoftext", "startoftranscript"))
    torch.manual_seed(seed)
    return WhisperForConditionalGeneration(
        WhisperConfig(
            vocab_size=len(tokenizer), d_model=width, encoder_layers=1, decoder_layers=1, encoder_attention_heads=4,
            decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, max_target_positions=448,
            decoder_start_token_id=start, pad_token_id=end, bos_token_id=end, eos_token_id=end, suppress_tokens=[],
            begin_suppress_tokens=[end],
        )
    )  # fmt: skip


def _converted(folder: Path, model: Any, **generation: Any) -> Path:
    from transformers import GenerationConfig

    config = model.config
    end = config.eos_token_id
    model.generation_config = GenerationConfig(
        begin_suppress_tokens=[end], eos_token_id=end, pad_token_id=end, bos_token_id=end,
        decoder_start_token_id=config.decoder_start_token_id, **generation,
    )  # fmt: skip
    model.save_pretrained(folder / "hf")
    about = {"feature_size": 80, "sampling_rate": 16_000}
    (folder / "hf" / "preprocessor_config.json").write_text(json.dumps(about))
    return _convert(folder / "hf", folder / "ct2")


def _convert(source: Path, target: Path) -> Path:
    """What `ct2-transformers-converter` does."""
    from ctranslate2.converters import TransformersConverter

    files = ["tokenizer.json", "preprocessor_config.json"]
    TransformersConverter(str(source), copy_files=files).convert(str(target), force=True)
    return target
