"""A window judged without each of its utterances, for one utterance of it: what `MeritsL.windows` gives for the windows
with one utterance masked out, up to rounding, at half of the cost.

The windows differ in one row each, so the GRU's input is projected once, and both directions run through them together;
fusion asks for one row. The cell is written out for that: torch's runs over every input anew.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from livemerc.model.conversation import ConversationEncoder
from livemerc.model.merits import MeritsL, Window, WindowLogits


@torch.inference_mode()
def without_each(model: MeritsL, window: Window, others: Sequence[int], at: int) -> Tensor:
    """(1 + len(others), C), on the CPU: the fused, calibrated probabilities of utterance `at` with the window as it is,
    and with each of `others` masked out; `at` is none of them."""
    conversation = model.conversation
    device = next(model.parameters()).device
    gone = torch.tensor([-1, *others], device=device)
    kept = torch.arange(len(window.t1), device=device) != gone[:, None]  # (B, N)
    has_text, has_speech = (torch.tensor(list(f), device=device) & kept for f in (window.has_text, window.has_speech))
    s1 = window.s1.to(device)
    t2, text = _context(conversation.text_context, window.t1.to(device), has_text, gone, at)
    s2, speech = _context(conversation.speech_context, s1, has_speech, gone, at)
    if conversation.stage1_share:
        speech = torch.lerp(speech.log_softmax(-1), s1[at].log_softmax(-1), conversation.stage1_share)
    lengths = torch.full((len(gone),), len(window.t1))
    fused = conversation.fusion.fuse(t2, s2, text, speech, has_text, has_speech, lengths, at=at).logits
    here = slice(at, at + 1)
    logits = WindowLogits(fused, text, speech)
    return model.calibrate(logits, has_text[:, here], has_speech[:, here]).fused[:, 0].cpu()


def _context(encoder: ConversationEncoder, x: Tensor, present: Tensor, gone: Tensor, at: int) -> tuple[Tensor, Tensor]:
    """x (N, D), present (B, N), gone (B,): the row masked out, -1 = none -> (B, N, 2 H) states, (B, 1, C) logits of
    row `at`."""
    rows = torch.where(present[0, :, None], encoder.norm_in(x), encoder.absent)
    if encoder.gru.num_layers == 1:
        hidden = _recurred(encoder.gru, rows, encoder.absent, gone)
    else:
        masked = torch.where(present[..., None], rows, encoder.absent)
        hidden = encoder.gru(masked)[0]
    state = encoder.attended(hidden, present)
    return state, encoder.head(torch.cat([state[:, at], rows[at].expand(len(gone), -1)], -1))[:, None]


def _recurred(gru: nn.GRU, rows: Tensor, absent: Tensor, gone: Tensor) -> Tensor:
    """What `gru`, of one layer and both directions, makes of rows (N, D) with row gone[b] replaced: (B, N, 2 H)."""

    def both(name: str) -> Tensor:
        return torch.stack([getattr(gru, name), getattr(gru, f"{name}_reverse")])

    count, size = len(rows), gru.hidden_size
    given = torch.cat([rows, absent[None]]) @ both("weight_ih_l0").transpose(1, 2) + both("bias_ih_l0")[:, None]
    which = torch.arange(count, device=rows.device).expand(len(gone), -1)
    which = torch.where(which == gone[:, None], count, which).T  # (N, B)
    inputs = torch.stack([given[0][which], given[1][which.flip(0)]], 1)  # (N, 2, B, 3 H)
    recurrent, bias = both("weight_hh_l0").transpose(1, 2).contiguous(), both("bias_hh_l0")[:, None]
    hidden = rows.new_zeros(2, len(gone), size)
    steps = []
    for given_now in inputs:
        own = torch.baddbmm(bias, hidden, recurrent)
        gates = torch.sigmoid(given_now[..., : 2 * size] + own[..., : 2 * size])  # reset, update
        new = torch.tanh(torch.addcmul(given_now[..., 2 * size :], gates[..., :size], own[..., 2 * size :]))
        hidden = torch.lerp(new, hidden, gates[..., size:])
        steps.append(hidden)
    course = torch.stack(steps)  # (N, 2, B, H)
    return torch.cat([course[:, 0], course[:, 1].flip(0)], -1).transpose(0, 1)
