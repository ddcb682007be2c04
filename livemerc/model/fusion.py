"""Stage III, fusion: co-attention between the modalities, concatenation, fully connected layer (T2, S2 -> logits)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from livemerc.model.fusion_options import GatedRecursions, LatentDistributions, attend


@dataclass(frozen=True, slots=True)
class Fused:
    """logits (B, N, C); text, speech (B, N, W): the latents that were fused, zero where absent; divergence and
    uncertainty (B, N) of latent distributions, None without them."""

    logits: Tensor
    text: Tensor
    speech: Tensor
    divergence: Tensor | None = None
    uncertainty: Tensor | None = None


class CoAttention(nn.Module):
    """Cross attention both ways (MERITS-L, Stage III); equations after the reproduction:

        t = Wt T2,  a = Wa S2,  t' = LN(t + drop(MHA(t, a, a))),  a' = LN(a + drop(MHA(a, t, t)))
        both:   logits = W drop(ReLU(Wh [t'; a'; t; a; m; lt; ls])) + wt lt + ws ls
        alone:  logits = lt or ls

    m is the pair of presence flags; lt and ls are the log-probabilities of the Stage II heads (zero where absent).
    Adding them is this project's: fusion starts from the product of the branches and learns what to correct where both
    are there, so that a lone branch loses nothing on its way through. A modality that is absent is no key and its half
    is zero.

    Off by default, `livemerc.model.fusion_options`: `recursions` of gated joint cross-attention make t' and a' in place
    of the two attentions above, LN(out); `latent`: t and a are drawn from Gaussians and weighed by their certainty.
    """

    def __init__(
        self,
        text_width: int,
        speech_width: int,
        width: int,
        heads: int,
        dropout: float,
        labels: int,
        recursions: int = 0,
        gate_temperature: float = 0.1,
        latent: bool = False,
    ):
        """Raises ValueError for options that make no sense."""
        super().__init__()
        self.text_in = nn.Linear(text_width, width)
        self.speech_in = nn.Linear(speech_width, width)
        self.recursive: GatedRecursions | None = None
        if recursions:
            self.recursive = GatedRecursions(width, heads, dropout, recursions, gate_temperature)
        else:
            self.text_to_speech = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
            self.speech_to_text = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.latent = LatentDistributions(width) if latent else None
        self.norm_text = nn.LayerNorm(width)
        self.norm_speech = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Linear(4 * width + 2 + 2 * labels, width)
        self.head = nn.Linear(width, labels)
        self.branch_weight = nn.Parameter(torch.tensor([0.8, 0.5]))

    def forward(
        self,
        text: Tensor,
        speech: Tensor,
        text_logits: Tensor,
        speech_logits: Tensor,
        has_text: Tensor,
        has_speech: Tensor,
        lengths: Tensor,
    ) -> Tensor:
        """States (B, N, Dt), (B, N, Ds), branch logits (B, N, C), flags (B, N), lengths (B,) -> logits (B, N, C)."""
        return self.fuse(text, speech, text_logits, speech_logits, has_text, has_speech, lengths).logits

    def fuse(
        self,
        text: Tensor,
        speech: Tensor,
        text_logits: Tensor,
        speech_logits: Tensor,
        has_text: Tensor,
        has_speech: Tensor,
        lengths: Tensor,
        at: int | None = None,
    ) -> Fused:
        """The same, with what the terms of training and a score for abstention are made of. `at`: only that position;
        then the branch logits are of it alone, (B, 1, C), and so is what is returned."""
        inside = torch.arange(text.shape[1], device=text.device)[None] < lengths.to(text.device)[:, None]
        there_t = has_text.unsqueeze(-1).float()
        there_s = has_speech.unsqueeze(-1).float()
        t = self.text_in(text) * there_t
        a = self.speech_in(speech) * there_s
        latents = None if self.latent is None else self.latent(t, a, there_t, there_s)
        if latents is not None:
            t, a = latents.text, latents.speech
        rows = slice(None) if at is None else slice(at, at + 1)
        if self.recursive is not None:
            t2, a2 = (x[:, rows] for x in self.recursive(t, a, there_t, there_s, (has_text | has_speech) & inside))
        else:
            t2 = t[:, rows] + self.dropout(attend(self.text_to_speech, t[:, rows], a, has_speech & inside))
            a2 = a[:, rows] + self.dropout(attend(self.speech_to_text, a[:, rows], t, has_text & inside))
        t, a, there_t, there_s = (x[:, rows] for x in (t, a, there_t, there_s))
        t2, a2 = self.norm_text(t2) * there_t, self.norm_speech(a2) * there_s
        lt = text_logits.log_softmax(-1) * there_t
        ls = speech_logits.log_softmax(-1) * there_s
        joined = torch.cat([t2, a2, t, a, there_t, there_s, lt, ls], -1)
        both = there_t * there_s
        correction = self.head(self.dropout(torch.relu(self.hidden(joined)))) * both
        weight = 1.0 + both * (self.branch_weight - 1.0)
        logits = correction + weight[..., :1] * lt + weight[..., 1:] * ls
        if latents is None:
            return Fused(logits, t, a)
        return Fused(logits, t, a, latents.divergence[:, rows], latents.uncertainty[:, rows])
