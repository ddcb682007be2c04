"""Stage II, conversation: Bi-GRU and self-attention over the window, one network a modality (T1 -> T2, S1 -> S2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def attention_block(mask: Tensor) -> Tensor:
    """(B, N) bool, True = attend -> key padding mask for `nn.MultiheadAttention`, True = ignore.

    A row with nothing to attend to would give NaN; there every key is let through, and the caller masks the output.
    """
    return ~mask & mask.any(1, keepdim=True)


class ConversationEncoder(nn.Module):
    """Bi-GRU + self-attention (MERITS-L, Stage II). Equations after the reproduction that `trainer/LOG.md` names:

        h = LN(BiGRU(x)),  y = LN(h + drop(MHA(h, h, h))),  logits = W [y; x]

    [y; x] instead of y alone: the utterance's own embedding reaches the head whatever the recurrence makes of it.

    Utterances whose modality is absent enter as a learned vector and are no keys of the attention, so they carry the
    passing of a turn but no content. Padding is behind the last utterance and never seen (packed sequences).
    """

    def __init__(
        self,
        width: int,
        hidden: int,
        heads: int,
        dropout: float,
        labels: int,
        normalise: bool = True,
        layers: int = 1,
    ):
        """`normalise`: layer-norm the input; not for logits, whose size is how sure Stage I was.

        `layers` of the GRU; the compact model has one, the reproduction of the full-size one two.
        """
        super().__init__()
        self.absent = nn.Parameter(torch.zeros(width))
        self.norm_in = nn.LayerNorm(width) if normalise else nn.Identity()
        between = dropout if layers > 1 else 0.0  # torch warns of a dropout that has no place
        self.gru = nn.GRU(width, hidden, layers, batch_first=True, bidirectional=True, dropout=between)
        self.norm_gru = nn.LayerNorm(2 * hidden)
        self.attention = nn.MultiheadAttention(2 * hidden, heads, dropout=dropout, batch_first=True)
        self.norm_out = nn.LayerNorm(2 * hidden)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * hidden + width, labels)
        self.width = 2 * hidden

    def forward(self, x: Tensor, present: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, N, D), present (B, N) bool: modality is there, lengths (B,) -> (B, N, 2H) states, (B, N, C) logits."""
        inside = torch.arange(x.shape[1], device=x.device)[None] < lengths.to(x.device)[:, None]
        x = torch.where(present.unsqueeze(-1), self.norm_in(x), self.absent)
        state = self.attended(self._recur(self.dropout(x), lengths), present & inside)
        return state, self.head(torch.cat([self.dropout(state), x], -1))

    def attended(self, hidden: Tensor, keys: Tensor) -> Tensor:
        """What the GRU gives (B, N, 2H), and the positions to attend to (B, N) bool -> states (B, N, 2H)."""
        hidden = self.norm_gru(hidden)
        attended, _ = self.attention(hidden, hidden, hidden, key_padding_mask=attention_block(keys), need_weights=False)
        # With no key at all nothing was attended to: leave the recurrence's state alone.
        attended = torch.where(keys.any(1)[:, None, None], attended, torch.zeros_like(attended))
        return self.norm_out(hidden + self.dropout(attended))

    def _recur(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x (B, N, D) -> (B, N, 2H), zero behind each row's length."""
        lengths = lengths.cpu()
        if bool((lengths == x.shape[1]).all()):  # nothing is padded, as in every live window: nothing to pack
            return self.gru(x)[0]
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return nn.utils.rnn.pad_packed_sequence(self.gru(packed)[0], batch_first=True, total_length=x.shape[1])[0]
