"""Stage I, text: a transformer encoder, mean pooling and a fully connected layer give T1; a linear head its logits.

The compact checkpoint starts from all-MiniLM-L6-v2 (BERT architecture, 6 layers, 384 wide).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

MAX_TOKENS = 96
"""Longest input, in tokens: twelve seconds of fast speech are about 60."""


class TextEncoder(nn.Module):
    """Transcript -> T1. "Text encoder + FC" of Stage I (MERITS-L, section 3).

    `config` is the plain dictionary of a BERT configuration (`transformers.BertConfig.to_dict()`) plus `labels`.
    """

    def __init__(self, config: dict[str, Any]):
        super().__init__()
        from transformers import BertConfig, BertModel

        self.config = config
        bert = BertConfig(**{k: v for k, v in config.items() if k != "labels"})
        self.encoder = BertModel(bert, add_pooling_layer=False)
        self.dimension = bert.hidden_size
        self.fc = nn.Linear(self.dimension, self.dimension)
        self.head = nn.Linear(self.dimension, config["labels"])

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """(B, L) int64 token ids and mask -> T1, (B, D) float32."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state.float()
        mask = attention_mask.unsqueeze(-1).float()
        pooled = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1.0)
        # Residual FC: fine-tuning starts from the sentence embedding instead of a random projection of it.
        return pooled + torch.tanh(self.fc(pooled))

    def classify(self, t1: Tensor) -> Tensor:
        """T1 (B, D) -> Stage I logits (B, C)."""
        return self.head(t1)


def load_tokenizer(path: str) -> Any:
    """A `tokenizers.Tokenizer` from tokenizer.json, truncating at `MAX_TOKENS`, without importing transformers."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(path)
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


def tokenize(tokenizer: Any, texts: list[str]) -> tuple[Tensor, Tensor]:
    """Texts -> token ids and attention mask, both (B, L) int64, padded to the longest of the batch."""
    encodings = tokenizer.encode_batch(texts)
    length = max(len(e.ids) for e in encodings)
    ids = torch.zeros(len(texts), length, dtype=torch.long)
    mask = torch.zeros(len(texts), length, dtype=torch.long)
    for row, encoding in enumerate(encodings):
        ids[row, : len(encoding.ids)] = torch.tensor(encoding.ids)
        mask[row, : len(encoding.ids)] = 1
    return ids, mask
