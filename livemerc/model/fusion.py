"""Stage III, fusion: co-attention between the modalities, concatenation, fully connected layer (T2, S2 -> logits)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from livemerc.model.conversation import attention_block


class CoAttention(nn.Module):
    """Cross attention both ways (MERITS-L, Stage III); equations after the reproduction:

        t = Wt T2,  a = Wa S2,  t' = LN(t + drop(MHA(t, a, a))),  a' = LN(a + drop(MHA(a, t, t)))
        both:   logits = W drop(ReLU(Wh [t'; a'; t; a; m; lt; ls])) + wt lt + ws ls
        alone:  logits = lt or ls

    m is the pair of presence flags; lt and ls are the log-probabilities of the Stage II heads (zero where absent).
    Adding them is this project's: fusion starts from the product of the branches and learns what to correct where both
    are there, so that a lone branch loses nothing on its way through. A modality that is absent is no key and its half
    is zero.
    """

    def __init__(self, text_width: int, speech_width: int, width: int, heads: int, dropout: float, labels: int):
        super().__init__()
        self.text_in = nn.Linear(text_width, width)
        self.speech_in = nn.Linear(speech_width, width)
        self.text_to_speech = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.speech_to_text = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
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
        inside = torch.arange(text.shape[1], device=text.device)[None] < lengths.to(text.device)[:, None]
        there_t = has_text.unsqueeze(-1).float()
        there_s = has_speech.unsqueeze(-1).float()
        t = self.text_in(text) * there_t
        a = self.speech_in(speech) * there_s
        t2 = self.norm_text(t + self._attend(self.text_to_speech, t, a, has_speech & inside)) * there_t
        a2 = self.norm_speech(a + self._attend(self.speech_to_text, a, t, has_text & inside)) * there_s
        lt = text_logits.log_softmax(-1) * there_t
        ls = speech_logits.log_softmax(-1) * there_s
        joined = torch.cat([t2, a2, t, a, there_t, there_s, lt, ls], -1)
        both = there_t * there_s
        correction = self.head(self.dropout(torch.relu(self.hidden(joined)))) * both
        weight = 1.0 + both * (self.branch_weight - 1.0)
        return correction + weight[..., :1] * lt + weight[..., 1:] * ls

    def _attend(self, attention: nn.MultiheadAttention, query: Tensor, key: Tensor, keys: Tensor) -> Tensor:
        # the same as a `key_padding_mask`, which torch checks by what imports SymPy: 30 MB
        blocked = (
            attention_block(keys).repeat_interleave(attention.num_heads, 0)[:, None].expand(-1, query.shape[1], -1)
        )
        out, _ = attention(query, key, key, attn_mask=blocked, need_weights=False)
        return self.dropout(torch.where(keys.any(1)[:, None, None], out, torch.zeros_like(out)))
