"""Stage I, text: a transformer encoder, mean pooling and a fully connected layer give T1; a linear head its logits.

The compact checkpoint starts from all-MiniLM-L6-v2 (BERT architecture, 6 layers, 384 wide); a full-size one from any
encoder of `transformers` (RoBERTa-large in the paper).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from livemerc.model.bert import Bert, is_plain_bert

MAX_TOKENS = 96
"""Longest input, in tokens: twelve seconds of fast speech are about 60."""

OWN_KEYS = ("labels", "max_tokens")
"""Keys of a text configuration that are not the transformer's."""


class TextEncoder(nn.Module):
    """Transcript -> T1. "Text encoder + FC" of Stage I (MERITS-L, section 3).

    `config` is the plain dictionary of a transformer's configuration plus `labels` (C) and, optionally, `max_tokens`.
    With `model_type` it is any encoder of `transformers` (`livemerc.model.architecture`); without, BERT
    (`transformers.BertConfig.to_dict()`), as in the compact checkpoint. Raises ValueError for an unknown model type.
    """

    def __init__(self, config: dict[str, Any], *, lean: bool = False):
        """`lean`: for evaluation only, without importing transformers where the encoder is a plain BERT."""
        super().__init__()
        self.config = config
        own = {k: v for k, v in config.items() if k not in OWN_KEYS}
        if "model_type" in own:
            from livemerc.model.architecture import build

            self.encoder: Any = build(own)
        elif lean and is_plain_bert(own):
            self.encoder = Bert(own)
        else:
            from transformers import BertConfig, BertModel

            self.encoder = BertModel(BertConfig(**own), add_pooling_layer=False)
        self.dimension: int = self.encoder.config.hidden_size
        # Position tables end, and where they do depends on the architecture; padding is told by the mask alone.
        self.pad_id: int = self.encoder.config.pad_token_id or 0
        self.fc = nn.Linear(self.dimension, self.dimension)
        self.head = nn.Linear(self.dimension, config["labels"])

    @property
    def max_tokens(self) -> int:
        """Longest input, in tokens; what is beyond is cut off by the tokenizer."""
        return int(self.config.get("max_tokens", MAX_TOKENS))

    def forward(self, input_ids: Tensor, attention_mask: Tensor, own: Tensor | None = None) -> Tensor:
        """(B, L) int64 token ids and mask -> T1, (B, D) float32. `own`: mask of the tokens that T1 is the mean of, if
        others are there as context alone; default: all."""
        # RoBERTa numbers its positions by counting what is not its own padding id, which is not 0.
        input_ids = torch.where(attention_mask.bool(), input_ids, self.pad_id)
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state.float()
        mask = (attention_mask if own is None else own).unsqueeze(-1).float()
        pooled = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1.0)
        # Residual FC: fine-tuning starts from the sentence embedding instead of a random projection of it.
        return pooled + torch.tanh(self.fc(pooled))

    def classify(self, t1: Tensor) -> Tensor:
        """T1 (B, D) -> Stage I logits (B, C)."""
        return self.head(t1)


def load_tokenizer(path: str, max_tokens: int = MAX_TOKENS) -> Any:
    """A `tokenizers.Tokenizer` from tokenizer.json, truncating at `max_tokens`, without importing transformers."""
    from tokenizers import Tokenizer

    return prepare_tokenizer(Tokenizer.from_file(path), max_tokens)


def prepare_tokenizer(tokenizer: Any, max_tokens: int = MAX_TOKENS) -> Any:
    """Truncation on, padding off (`tokenize` pads)."""
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
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
