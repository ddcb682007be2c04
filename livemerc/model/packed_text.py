"""The text encoder as it runs on a CPU: the same network, its matrices laid out once as oneDNN multiplies them.

What it saves is what a batch of one pays for nothing: torch lays a matrix out anew in every call, `transformers` wraps
every layer in a dozen Python calls, and query, key and value are three products where one will do. The embeddings are
those of `TextEncoder` to within rounding (docs/performance.md, with what was measured against it: int8 in three
libraries, bfloat16, ONNX Runtime).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from livemerc.model.text import TextEncoder

Multiply = Callable[[Tensor], Tensor]


def can_pack(text: TextEncoder) -> bool:
    """Whether this encoder is the BERT that `PackedText` computes: absolute positions, exact GELU, on a CPU."""
    config = text.encoder.config
    weight = next(text.encoder.parameters())
    return (
        type(text.encoder).__name__ in ("Bert", "BertModel")
        and config.hidden_act == "gelu"
        and not config.is_decoder
        and weight.device.type == "cpu"
        and weight.dtype in (torch.float32, torch.bfloat16)
    )


def has_packing() -> bool:
    """Whether torch's oneDNN is there and multiplies with matrices that were laid out before; else plain products."""
    return torch.backends.mkldnn.is_available() and all(
        hasattr(torch.ops.mkldnn, name) for name in ("_linear_pointwise", "_reorder_linear_weight")
    )


class PackedText:
    """`(ids, mask) -> T1` like `TextEncoder.forward`, of the weights that `text` had when this was made."""

    def __init__(self, text: TextEncoder):
        bert: Any = text.encoder
        self._fc = text.fc
        self._heads: int = bert.config.num_attention_heads
        table = bert.embeddings
        self._words: Tensor = table.word_embeddings.weight.detach()
        # One segment: its vector is a part of every position's.
        self._positions = (table.position_embeddings.weight + table.token_type_embeddings.weight[0]).detach()
        self._norm: nn.LayerNorm = table.LayerNorm
        self._layers = [_Layer(layer) for layer in bert.encoder.layer]

    @torch.inference_mode()
    def __call__(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(B, L) int64 token ids and mask -> T1 (B, D) float32."""
        batch, length = ids.shape
        x = self._norm(F.embedding(ids, self._words) + self._positions[:length])
        # Nothing is padded in a batch of one: then no key is masked, and attention takes its shorter way.
        whole = bool(mask.all())
        keys = None if whole else mask.bool()[:, None, None, :]
        for layer in self._layers:
            q, k, v = layer.qkv(x).view(batch, length, 3, self._heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
            attended = F.scaled_dot_product_attention(q, k, v, keys).transpose(1, 2).reshape(batch, length, -1)
            x = layer.norm_attention(x + layer.attended(attended))
            x = layer.norm_out(x + layer.narrow(layer.wide(x)))
        x = x.float()  # where it was bfloat16
        if whole:
            pooled = x.mean(1)
        else:
            inside = mask.unsqueeze(-1).float()
            pooled = (x * inside).sum(1) / inside.sum(1).clamp(min=1.0)
        return pooled + torch.tanh(self._fc(pooled))


class _Layer:
    """One of BERT's layers, ready to multiply."""

    def __init__(self, layer: Any):
        attention = layer.attention
        three = [attention.self.query, attention.self.key, attention.self.value]
        self.qkv = _product(torch.cat([p.weight for p in three]), torch.cat([p.bias for p in three]))
        self.attended = _product(attention.output.dense.weight, attention.output.dense.bias)
        self.norm_attention: nn.LayerNorm = attention.output.LayerNorm
        self.wide = _product(layer.intermediate.dense.weight, layer.intermediate.dense.bias, gelu=True)
        self.narrow = _product(layer.output.dense.weight, layer.output.dense.bias)
        self.norm_out: nn.LayerNorm = layer.output.LayerNorm


def _product(weight: Tensor, bias: Tensor, gelu: bool = False) -> Multiply:
    """x -> x W' + b, and GELU of it. oneDNN's result does not depend on who laid the matrix out."""
    weight, bias = weight.detach(), bias.detach()
    rounded = weight.dtype == torch.bfloat16
    if not has_packing() or (rounded and not torch.ops.mkldnn._is_mkldnn_bf16_supported()):
        return (lambda x: F.gelu(F.linear(x, weight, bias))) if gelu else (lambda x: F.linear(x, weight, bias))
    packed = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous())
    then = "gelu" if gelu else "none"
    # the last two: GELU has no numbers, and "none" is the exact one, not the tanh approximation
    return lambda x: torch.ops.mkldnn._linear_pointwise(x, packed, bias, then, [], "none")
