"""A Whisper of a true size with random weights: what one costs where the real one is not at hand. It knows no words."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livemerc.asr.engine import Transcript
from livemerc.asr.faster_whisper_engine import FasterWhisperEngine
from livemerc.bench.model import SENTENCES
from livemerc.config import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from livemerc.audio.items import Utterance

TOKENS_PER_SECOND = 4.0
"""Of English conversation. Random weights would not stop by themselves."""
_VOCABULARY = 51_865
_LANGUAGES = 99


@dataclass(frozen=True, slots=True)
class Size:
    """Radford et al. 2022, table 1."""

    layers: int
    width: int
    heads: int


SIZES = {"tiny": Size(4, 384, 6), "base": Size(6, 512, 8), "small": Size(12, 768, 12)}


class RandomWhisper(FasterWhisperEngine):
    """Decodes as many tokens as people speak, and then says a sentence of that length in place of the random words: so
    screening, text encoder and fusion have something to work on. In a short window it never looks twice."""

    def __init__(self, folder: Path, size: str, config: Any) -> None:
        super().__init__(folder, replace_language(config), device="cpu", name=f"{size}, random weights")

    def _heard(self, utterance: Utterance) -> Transcript:
        self._look_at(len(utterance.samples))
        tokens = max(1, round(TOKENS_PER_SECOND * (utterance.end_s - utterance.start_s)))
        self._decode(utterance.samples, self._config.beam_size, max(1, tokens - 1))
        return Transcript(
            text=recited(tokens), confidence=0.7, language="en", language_probability=1.0, no_speech_probability=0.01,
            mean_log_probability=-0.3, tokens=tokens,
        )  # fmt: skip

    def partial(self, samples: Any) -> str:
        """The same for an open utterance."""
        self._look_at(len(samples))
        tokens = max(1, round(TOKENS_PER_SECOND * len(samples) / SAMPLE_RATE_HZ))
        self._decode(samples, 1, max(1, tokens - 1))
        return recited(tokens)


def replace_language(config: Any) -> Any:
    """English, given: random weights would detect whatever they like."""
    import msgspec

    return msgspec.structs.replace(config, language="en")


def recited(tokens: int) -> str:
    """Words that make up about so many tokens."""
    words = " ".join(SENTENCES).split()
    return " ".join(words[i % len(words)] for i in range(max(1, round(tokens / 1.3))))


def build(size: str, folder: Path) -> Path:
    """The folder of a Whisper `size` in CTranslate2's format, int8, random weights. Ten seconds for base."""
    import torch
    from ctranslate2.converters import TransformersConverter
    from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration, WhisperTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()

    vocabulary, special = _vocabulary()
    tokenizer = WhisperTokenizer(vocab=vocabulary, merges=[], pad_token="<|endoftext|>")
    tokenizer.add_special_tokens({"additional_special_tokens": special})
    hub = folder / "hf"
    tokenizer.save_pretrained(hub)
    end, begin = (tokenizer.convert_tokens_to_ids(f"<|{name}|>") for name in ("endoftext", "startoftranscript"))
    shape = SIZES[size]
    torch.manual_seed(0)
    config = WhisperConfig(
        vocab_size=len(tokenizer), d_model=shape.width, encoder_layers=shape.layers, decoder_layers=shape.layers,
        encoder_attention_heads=shape.heads, decoder_attention_heads=shape.heads, encoder_ffn_dim=4 * shape.width,
        decoder_ffn_dim=4 * shape.width, decoder_start_token_id=begin, pad_token_id=end, bos_token_id=end,
        eos_token_id=end, suppress_tokens=[], begin_suppress_tokens=[end],
    )  # fmt: skip
    model = WhisperForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        suppress_tokens=[], begin_suppress_tokens=[end], lang_to_id={"<|en|>": begin + 1}, eos_token_id=end,
        pad_token_id=end, bos_token_id=end, decoder_start_token_id=begin,
    )  # fmt: skip
    model.save_pretrained(hub)
    (hub / "preprocessor_config.json").write_text(json.dumps({"feature_size": 80, "sampling_rate": SAMPLE_RATE_HZ}))
    converter = TransformersConverter(str(hub), copy_files=["tokenizer.json", "preprocessor_config.json"])
    return Path(converter.convert(str(folder / "ct2"), quantization="int8", force=True))


def _vocabulary() -> tuple[dict[str, int], list[str]]:
    """Whisper's number of tokens in Whisper's order: text, <|endoftext|>, then the other special ones."""
    from tokenizers.pre_tokenizers import ByteLevel

    languages = ["<|en|>", *(f"<|l{i}|>" for i in range(1, _LANGUAGES))]
    names = ("translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps")
    special = ["<|startoftranscript|>", *languages, *(f"<|{name}|>" for name in names)]
    special += [f"<|{i * 0.02:.2f}|>" for i in range(1501)]
    text = sorted(ByteLevel.alphabet())
    text += [f"t{i}" for i in range(_VOCABULARY - 1 - len(special) - len(text))]
    return {token: i for i, token in enumerate([*text, "<|endoftext|>"])}, special
