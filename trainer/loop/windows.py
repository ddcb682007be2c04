"""Dialogues as the live monitor meets them: cut at a point in time, seen through a window of K utterances."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from livemerc.model.merits import ConversationModel, WindowLogits


@dataclass(frozen=True, slots=True)
class DialogueFeatures:
    """A dialogue of n utterances: t1 (n, Dt), s1 (n, Ds) float32; has_text, has_speech (n,) bool; labels (n,) int64,
    -1 where there is none; sentiments (n,) likewise, None where the corpus has none; soft (n, C): what a teacher says,
    each row summing to 1, None without one."""

    t1: np.ndarray
    s1: np.ndarray
    has_text: np.ndarray
    has_speech: np.ndarray
    labels: np.ndarray
    sentiments: np.ndarray | None = None
    soft: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)


def without_speech(dialogue: DialogueFeatures) -> DialogueFeatures:
    """The same dialogue as if nobody's voice had been heard."""
    return replace(dialogue, has_speech=np.zeros(len(dialogue), bool))


def without_text(dialogue: DialogueFeatures) -> DialogueFeatures:
    """The same dialogue as if nothing had been understood."""
    return replace(dialogue, has_text=np.zeros(len(dialogue), bool))


@dataclass(frozen=True, slots=True)
class WindowBatch:
    """Padded windows. Tensors (B, N, ...) as `ConversationModel.forward` takes them; `labels` (B, N), -1 = padding;
    `lag` (B, N): how many later utterances the window holds behind each position, -1 = padding; `sentiments` (B, N),
    -1 = padding or unknown; `soft` (B, N, C), 0 = padding, None where a dialogue has no teacher."""

    t1: Tensor
    s1: Tensor
    has_text: Tensor
    has_speech: Tensor
    lengths: Tensor
    labels: Tensor
    lag: Tensor
    sentiments: Tensor
    soft: Tensor | None = None

    def forward(self, model: ConversationModel) -> WindowLogits:
        return model(self.t1, self.s1, self.has_text, self.has_speech, self.lengths)

    def to(self, device: torch.device) -> WindowBatch:
        there = {f.name: value for f in fields(self) if (value := getattr(self, f.name)) is not None}
        return WindowBatch(**{name: value.to(device) for name, value in there.items()})


@dataclass(frozen=True, slots=True)
class Cut:
    """The window that ends before utterance `end` of dialogue `dialogue`."""

    dialogue: int
    start: int
    end: int


def all_cuts(dialogues: Sequence[DialogueFeatures], context: int) -> list[Cut]:
    """Every moment of every dialogue: after utterance 1, 2, ... with at most `context` utterances in sight."""
    return [Cut(d, max(0, e - context), e) for d, x in enumerate(dialogues) for e in range(1, len(x) + 1)]


def random_cuts(dialogues: Sequence[DialogueFeatures], context: int, each: int, rng: np.random.Generator) -> list[Cut]:
    """Every dialogue whole, and `each` (or as many as it has) of its moments, drawn anew: lag 0 is a trained condition
    at a cost that does not grow with the square of a dialogue's length."""
    cuts = []
    for d, x in enumerate(dialogues):
        cuts.append(Cut(d, 0, len(x)))
        ends = rng.permutation(len(x))[:each] + 1
        cuts += [Cut(d, max(0, int(end) - context), int(end)) for end in sorted(ends)]
    return cuts


def make_batch(dialogues: Sequence[DialogueFeatures], cuts: Sequence[Cut]) -> WindowBatch:
    def padded(field: str, fill: float) -> Tensor:
        whole = [getattr(dialogues[c.dialogue], field) for c in cuts]
        parts = [
            np.full(c.end - c.start, -1) if values is None else values[c.start : c.end]
            for c, values in zip(cuts, whole, strict=True)
        ]
        return pad_sequence([torch.from_numpy(part) for part in parts], batch_first=True, padding_value=fill)

    lengths = [c.end - c.start for c in cuts]
    lag = pad_sequence([torch.arange(n - 1, -1, -1) for n in lengths], batch_first=True, padding_value=-1)
    return WindowBatch(
        padded("t1", 0.0), padded("s1", 0.0), padded("has_text", 0), padded("has_speech", 0), torch.tensor(lengths),
        padded("labels", -1), lag, padded("sentiments", -1),
        None if any(dialogues[c.dialogue].soft is None for c in cuts) else padded("soft", 0.0),
    )  # fmt: skip


def bucketed(sizes: np.ndarray, batch: int, rng: np.random.Generator, pool: int = 32) -> list[np.ndarray]:
    """Indices into `sizes` in random batches of about equal size, out of `pool` batches at a time: less padding."""
    order = rng.permutation(len(sizes))
    groups = []
    for start in range(0, len(order), batch * pool):
        part = order[start : start + batch * pool]
        part = part[np.argsort(sizes[part], kind="stable")]
        groups += [part[i : i + batch] for i in range(0, len(part), batch)]
    return [groups[i] for i in rng.permutation(len(groups))]


def batches(
    dialogues: Sequence[DialogueFeatures], cuts: list[Cut], size: int, rng: np.random.Generator
) -> Iterator[WindowBatch]:
    """Random batches of windows of about equal length."""
    for group in bucketed(np.array([c.end - c.start for c in cuts]), size, rng, 16):
        yield make_batch(dialogues, [cuts[i] for i in group])


def judge(
    model: ConversationModel, dialogues: Sequence[DialogueFeatures], context: int, lag: int | None, batch: int = 128
) -> list[WindowLogits]:
    """Logits of every utterance as the live monitor would freeze them with R = `lag`; None = the whole dialogue.

    One `WindowLogits` a dialogue, each field (n, C). At the end of a dialogue fewer than `lag` utterances follow.
    """
    cuts: list[Cut] = []
    settles: dict[tuple[int, int], list[int]] = {}
    if lag is None:
        cuts = [Cut(d, 0, len(x)) for d, x in enumerate(dialogues)]
        settles = {(d, len(x)): list(range(len(x))) for d, x in enumerate(dialogues)}
    else:
        # As in `Dialogue`: a revision needs the utterance in the window.
        lag = min(lag, context - 1)
        for d, x in enumerate(dialogues):
            for end in range(1, len(x) + 1):
                # This moment settles the utterance `lag` back, and the last moment settles all that is left.
                settled = [end - 1 - lag] if end < len(x) else list(range(max(0, end - 1 - lag), end))
                settled = [u for u in settled if u >= 0]
                if settled:
                    cuts.append(Cut(d, max(0, end - context), end))
                    settles[d, end] = settled
    found: dict[tuple[int, int], tuple[Tensor, Tensor, Tensor]] = {}
    model.eval()
    device = next(model.parameters()).device
    cuts.sort(key=lambda c: c.end - c.start)
    with torch.inference_mode():
        for start in range(0, len(cuts), batch):
            part = cuts[start : start + batch]
            out = make_batch(dialogues, part).to(device).forward(model)
            out = WindowLogits(out.fused.float().cpu(), out.text.float().cpu(), out.speech.float().cpu())
            for row, cut in enumerate(part):
                for u in settles[cut.dialogue, cut.end]:
                    i = u - cut.start
                    found[cut.dialogue, u] = (out.fused[row, i], out.text[row, i], out.speech[row, i])
    return [
        WindowLogits(*(torch.stack(field) for field in zip(*(found[d, u] for u in range(len(x))), strict=True)))
        for d, x in enumerate(dialogues)
    ]
