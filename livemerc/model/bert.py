"""BERT's encoder for inference, with the weights of `transformers.BertModel` under the same names.

Importing that one costs a start 200 MB and seconds: torch's compilers, SciPy, and much else that no inference needs.
Devlin et al. 2019; the same numbers to within rounding (tests/model/test_bert.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

KEYS = frozenset(
    ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act",
     "max_position_embeddings", "type_vocab_size", "layer_norm_eps", "pad_token_id")
)  # fmt: skip
"""Of a configuration that `Bert` understands whole; all of them are needed."""


def is_plain_bert(config: Mapping[str, Any]) -> bool:
    """Whether `Bert` is what this configuration says, and all of it."""
    return set(config) == KEYS and config["hidden_act"] == "gelu"


class Bert(nn.Module):
    """Absolute positions, one segment, exact GELU. Evaluation only: nothing is dropped out, and its tables are whatever
    was in memory until a state is loaded."""

    def __init__(self, config: Mapping[str, Any]):
        super().__init__()
        self.config = SimpleNamespace(**config, is_decoder=False)
        self.embeddings = _Embeddings(self.config)
        self.encoder = _Layers(self.config)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        """(B, L) int64 token ids and mask -> `last_hidden_state` (B, L, D)."""
        x = self.embeddings(input_ids)
        keys = attention_mask.bool()[:, None, None, :]
        for layer in self.encoder.layer:
            x = layer(x, keys)
        return SimpleNamespace(last_hidden_state=x)


# The names of these attributes are those of the weights.


def _table(rows: int, width: int) -> nn.Embedding:
    """Not drawn at random: of a small model's weights half are words."""
    return nn.Embedding.from_pretrained(torch.empty(rows, width), freeze=False)


class _Embeddings(nn.Module):
    def __init__(self, config: SimpleNamespace):
        super().__init__()
        width = config.hidden_size
        self.word_embeddings = _table(config.vocab_size, width)
        self.position_embeddings = _table(config.max_position_embeddings, width)
        self.token_type_embeddings = _table(config.type_vocab_size, width)
        self.LayerNorm = nn.LayerNorm(width, eps=config.layer_norm_eps)

    def forward(self, ids: Tensor) -> Tensor:
        places = torch.arange(ids.shape[1], device=ids.device)
        segment = self.token_type_embeddings.weight[0]
        return self.LayerNorm(self.word_embeddings(ids) + segment + self.position_embeddings(places))


class _Layers(nn.Module):
    def __init__(self, config: SimpleNamespace):
        super().__init__()
        self.layer = nn.ModuleList(_Layer(config) for _ in range(config.num_hidden_layers))


class _Layer(nn.Module):
    def __init__(self, config: SimpleNamespace):
        super().__init__()
        width, inner = config.hidden_size, config.intermediate_size
        self.attention = _Attention(config)
        self.intermediate = nn.Module()
        self.intermediate.dense = nn.Linear(width, inner)
        self.output = _Output(inner, config)

    def forward(self, x: Tensor, keys: Tensor) -> Tensor:
        x = self.attention(x, keys)
        wide: Tensor = self.intermediate.get_submodule("dense")(x)
        return self.output(F.gelu(wide), x)


class _Attention(nn.Module):
    def __init__(self, config: SimpleNamespace):
        super().__init__()
        width = config.hidden_size
        self._heads: int = config.num_attention_heads
        if width % self._heads:
            raise ValueError(f"{self._heads} heads do not share a width of {width} evenly")
        self.self = nn.Module()
        for name in ("query", "key", "value"):
            setattr(self.self, name, nn.Linear(width, width))
        self.output = _Output(width, config)

    def forward(self, x: Tensor, keys: Tensor) -> Tensor:
        batch, length, width = x.shape
        q, k, v = (
            self.self.get_submodule(name)(x).view(batch, length, self._heads, -1).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        attended = F.scaled_dot_product_attention(q, k, v, keys).transpose(1, 2).reshape(batch, length, width)
        return self.output(attended, x)


class _Output(nn.Module):
    """Projection, residual, normalisation."""

    def __init__(self, inner: int, config: SimpleNamespace):
        super().__init__()
        self.dense = nn.Linear(inner, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden: Tensor, x: Tensor) -> Tensor:
        return self.LayerNorm(self.dense(hidden) + x)
