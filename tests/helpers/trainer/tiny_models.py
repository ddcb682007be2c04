"""Tiny transformers models with random weights, saved as the hub's folders are: made in a second, good for nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

WORDS = [
    "i", "you", "we", "it", "is", "was", "not", "and", "the", "a", "so", "very", "good", "bad", "great", "awful", "sad",
    "happy", "love", "hate", "this", "that", "day", "what", "why", "no", "yes", "positive", "negative", "neutral",
    "sentence", "user", "bot", ".", ",", "!", "?", "'",
]  # fmt: skip
CHAT = "{% for m in messages %}{{ m['role'] }} {{ m['content'] }} {% endfor %}"


def tokenizer(folder: Path, longest: int = 64, fillers: int = 0) -> Any:
    """A word-level tokenizer with a chat template, saved to `folder`. `fillers`: words that nobody says."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    said = ["[PAD]", "[UNK]", "[EOS]", *WORDS, *(f"filler{n}" for n in range(fillers))]
    vocabulary = {word: i for i, word in enumerate(said)}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    words.normalizer = normalizers.Lowercase()
    words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token="[UNK]", pad_token="[PAD]", eos_token="[EOS]", model_max_length=longest
    )
    fast.chat_template = CHAT
    fast.save_pretrained(folder)
    return fast


def causal_lm(folder: Path) -> Path:
    """A one-layer Llama that babbles."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    words = tokenizer(folder, longest=512)
    torch.manual_seed(0)
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(words), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
            num_key_value_heads=2, max_position_embeddings=512, pad_token_id=words.pad_token_id,
            eos_token_id=words.eos_token_id, bos_token_id=words.eos_token_id,
        )
    ).save_pretrained(folder)  # fmt: skip
    return folder


def classifier(folder: Path, labels: list[str]) -> Path:
    """A one-layer BERT with a classification head."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    words = tokenizer(folder)
    torch.manual_seed(0)
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=len(words), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
            max_position_embeddings=64, id2label=dict(enumerate(labels)),
            label2id={name: i for i, name in enumerate(labels)},
        )
    )  # fmt: skip
    torch.nn.init.normal_(model.classifier.weight, std=3.0)  # far apart, so that different texts get different labels
    model.save_pretrained(folder)
    return folder
