"""Options of Stage III that are off by default: gated recursions of joint cross-attention, and latent distributions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from livemerc.model.conversation import attention_block

MOST_RECURSIONS = 8
_LOG_VARIANCE = 6.0
"""Largest log-variance of a latent, and the least with a minus: beyond it a Gaussian is a point or says nothing."""


def attend(attention: nn.MultiheadAttention, query: Tensor, key: Tensor, keys: Tensor) -> Tensor:
    """Attention of query (B, N, W) to the positions of key (B, N, W) where keys (B, N) is True; zero without any."""
    # the same as a `key_padding_mask`, which torch checks by what imports SymPy: 30 MB
    blocked = attention_block(keys).repeat_interleave(attention.num_heads, 0)[:, None].expand(-1, query.shape[1], -1)
    out, _ = attention(query, key, key, attn_mask=blocked, need_weights=False)
    return torch.where(keys.any(1)[:, None, None], out, torch.zeros_like(out))


class GatedRecursion(nn.Module):
    """One modality's side of gated recursive joint cross-attention (GRJCA; Praveen, Alam & Charton, "United we stand,
    Divided we fall", 2025, arXiv 2503.12261): the recursion of Praveen & Alam, "Audio-Visual Person Verification based
    on Recursive Fusion of Joint Cross-Attention" (2024, arXiv 2403.04654), with gates and their temperature as in their
    "Dynamic Cross Attention" (2024, arXiv 2403.04661). For l = 1 .. L:

        j = [t; a],  t^ = t(l-1) + MHA(t(l-1), Wj j, Wj j)
        [g0; g1] = softmax(Wl t^ / T),  t(l) = ReLU(g0 t(l-1) + g1 t^)       gate: own or attended features
        [s1 .. sL] = softmax(Ws [t(1) .. t(L)] / T),  out = sum of s_l t(l)   stage gate: how many recursions

    Own: scaled dot-product attention in place of the correlation of clips of one length, because dialogues differ in
    length; the attention is the same in every recursion.
    """

    def __init__(self, width: int, heads: int, dropout: float, recursions: int, temperature: float):
        super().__init__()
        self.joint = nn.Linear(2 * width, width)
        self.attention = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.gates = nn.ModuleList(nn.Linear(width, 2) for _ in range(recursions))
        self.stage = nn.Linear(width, 1)
        self.dropout = nn.Dropout(dropout)
        self.temperature = temperature

    def attended(self, own: Tensor, both: Tensor, keys: Tensor) -> Tensor:
        """own (B, N, W), both [t; a] (B, N, 2 W), keys (B, N) bool -> (B, N, W)."""
        return own + self.dropout(attend(self.attention, own, self.joint(both), keys))


class GatedRecursions(nn.Module):
    """Both modalities' sides of `GatedRecursion`. `shuffle`: an ablation, every gate is that of another utterance."""

    def __init__(self, width: int, heads: int, dropout: float, recursions: int, temperature: float):
        """Raises ValueError for a number of recursions or a temperature that makes no sense."""
        if not 1 <= recursions <= MOST_RECURSIONS or not temperature > 0:
            raise ValueError(f"{recursions} recursions with gates of temperature {temperature}")
        super().__init__()
        self.text = GatedRecursion(width, heads, dropout, recursions, temperature)
        self.speech = GatedRecursion(width, heads, dropout, recursions, temperature)
        self.recursions = recursions
        self.shuffle = False

    def forward(self, t: Tensor, a: Tensor, there_t: Tensor, there_s: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """t, a (B, N, W), zero where absent; there_t, there_s (B, N, 1) 0 or 1; keys (B, N) bool: inside, and something
        is there -> the same two, zero where absent."""
        steps_t, steps_a = [], []
        for step in range(self.recursions):
            both = torch.cat([t, a], -1)
            t, a = (
                self._gated(side, step, own, both, keys) * there
                for side, own, there in ((self.text, t, there_t), (self.speech, a, there_s))
            )
            steps_t.append(t)
            steps_a.append(a)
        return self._staged(self.text, steps_t, keys), self._staged(self.speech, steps_a, keys)

    def _gated(self, side: GatedRecursion, step: int, own: Tensor, both: Tensor, keys: Tensor) -> Tensor:
        attended = side.attended(own, both, keys)
        gate = self._gate(side.gates[step](attended) / side.temperature, keys)
        return torch.relu(gate[..., :1] * own + gate[..., 1:] * attended)

    def _staged(self, side: GatedRecursion, steps: list[Tensor], keys: Tensor) -> Tensor:
        stacked = torch.stack(steps, -1)  # (B, N, W, L)
        gate = self._gate(side.stage(stacked.transpose(-1, -2)).squeeze(-1) / side.temperature, keys)
        return (stacked * gate[:, :, None]).sum(-1)

    def _gate(self, scores: Tensor, keys: Tensor) -> Tensor:
        gate = scores.softmax(-1)
        if self.shuffle:  # among the utterances that are there: padding has no gate to give
            there = gate[keys]
            order = torch.randperm(len(there), generator=torch.Generator().manual_seed(len(there)))
            gate = gate.masked_scatter(keys[..., None].expand_as(gate), there[order.to(gate.device)])
        return gate


@dataclass(frozen=True, slots=True)
class Latents:
    """text, speech (B, N, W), weighed by how certain they are; divergence and uncertainty (B, N), zero where neither
    modality is there."""

    text: Tensor
    speech: Tensor
    divergence: Tensor
    uncertainty: Tensor


class LatentDistributions(nn.Module):
    """Each modality's latent as a Gaussian, whose spread is how uncertain it is (LDDU; Huang et al., "Latent
    Distribution Decoupling", 2025, arXiv 2502.13954; the reparametrisation of Kingma & Welling 2014, section 2.4):

        z = m(x) + s(x) e,  e ~ N(0, 1) in training, 0 after it;   u = mean over the width of s(x)^2
        w = (1 / u) / (sum of 1 / u over the modalities there),  out = (number there) w z
        divergence = mean over the width and the modalities there of KL(N(m, s^2) || N(0, 1))

    uncertainty = sum of w u: high where even the surer modality is unsure; a score for abstention. Own: weights by
    precision, so that a lone modality has weight 1 and passes as it is.
    """

    def __init__(self, width: int):
        super().__init__()
        self.text = nn.Linear(width, 2 * width)
        self.speech = nn.Linear(width, 2 * width)

    def forward(self, t: Tensor, a: Tensor, there_t: Tensor, there_s: Tensor) -> Latents:
        """t, a (B, N, W); there_t, there_s (B, N, 1) 0 or 1."""
        means, logs = [], []
        for side, x in ((self.text, t), (self.speech, a)):
            mean, log_variance = side(x).chunk(2, -1)
            means.append(mean)
            logs.append(log_variance.clamp(-_LOG_VARIANCE, _LOG_VARIANCE))
        mean, log_variance = torch.stack(means), torch.stack(logs)  # (2, B, N, W)
        there = torch.stack([there_t, there_s])
        count = there.sum(0)
        variance = log_variance.exp().mean(-1, keepdim=True)
        weight = there / variance
        weight = weight / weight.sum(0).clamp(min=1e-9)
        drawn = mean
        if self.training:
            drawn = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        text, speech = drawn * weight * count
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean(-1, keepdim=True)
        divergence = (divergence * there).sum(0) / count.clamp(min=1)
        return Latents(text, speech, divergence.squeeze(-1), (weight * variance).sum(0).squeeze(-1))
