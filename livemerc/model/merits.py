"""MERITS-L: Stage I encoders, Stage II conversation networks and Stage III fusion as one module.

Dutta & Ganapathy, "LLM supervised Pre-training for Multimodal Emotion Recognition in Conversations", arXiv 2501.11468.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from livemerc.model.conversation import ConversationEncoder
from livemerc.model.fusion import CoAttention, Fused
from livemerc.model.speech import SpeechEncoder
from livemerc.model.speech_head import FrozenSpeechBranch
from livemerc.model.temperatures import Temperatures
from livemerc.model.text import TextEncoder
from livemerc.model.voice import VoiceBranch


@dataclass(frozen=True, slots=True)
class WindowLogits:
    """Uncalibrated logits of windows, each (B, N, C). A branch is meaningless where its modality is absent.

    `latents`: what was fused, for terms of training and for scores of uncertainty.
    """

    fused: Tensor
    text: Tensor
    speech: Tensor
    latents: Fused | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class WindowProbabilities:
    """Calibrated probabilities of a batch of windows, each (B, N, C), or of one, (N, C); rows sum to 1."""

    fused: Tensor
    text: Tensor
    speech: Tensor


@dataclass(frozen=True, slots=True)
class Window:
    """What Stages II and III see of one dialogue: t1 (N, Dt), s1 (N, Ds), and which modalities are there, N each."""

    t1: Tensor
    s1: Tensor
    has_text: Sequence[bool]
    has_speech: Sequence[bool]


def stacked(rows: Sequence[tuple[Tensor | None, Tensor | None]], text_width: int, speech_width: int) -> Window:
    """The window of (t1, s1) of each utterance, (Dt,) and (Ds,), None where a modality is not there."""
    t1, s1 = ([row[modality] for row in rows] for modality in (0, 1))
    return Window(
        torch.stack([torch.zeros(text_width) if row is None else row for row in t1]),
        torch.stack([torch.zeros(speech_width) if row is None else row for row in s1]),
        [row is not None for row in t1],
        [row is not None for row in s1],
    )


class ConversationModel(nn.Module):
    """Stages II and III: what runs again over the window whenever an utterance arrives. No encoder in it."""

    def __init__(self, config: dict[str, Any]):
        """`config`: {"text": {"width", "hidden", "heads", "dropout"}, "speech": {same},
        "fusion": {"width", "heads", "dropout"} and options of `CoAttention`, "labels": C, "stage1_share": a}.

        a (0 where it is not there): share of S1's own log-probabilities in those of the speech branch, where S1 are the
        Stage I logits. Stage II learns how the voices of its corpora are mistaken, and others are mistaken otherwise.
        Raises ValueError for a share of an S1 that is none.
        """
        super().__init__()
        self.config = config
        labels = config["labels"]
        self.stage1_share: float = config.get("stage1_share", 0.0)
        if not 0.0 <= self.stage1_share <= 1.0 or (self.stage1_share and config["speech"]["width"] != labels):
            raise ValueError(f"stage1_share {self.stage1_share} of a speech branch that is given no logits")
        self.text_context = ConversationEncoder(**config["text"], labels=labels)
        self.speech_context = ConversationEncoder(**config["speech"], labels=labels)
        self.fusion = CoAttention(
            text_width=self.text_context.width,
            speech_width=self.speech_context.width,
            **config["fusion"],
            labels=labels,
        )

    def forward(self, t1: Tensor, s1: Tensor, has_text: Tensor, has_speech: Tensor, lengths: Tensor) -> WindowLogits:
        """t1 (B, N, Dt), s1 (B, N, Ds), flags (B, N) bool, lengths (B,) int64 >= 1 -> logits (B, N, C) each.

        Positions at or behind `lengths` are padding: their flags must be False and their outputs mean nothing.
        """
        t2, text_logits = self.text_context(t1, has_text, lengths)
        s2, speech_logits = self.speech_context(s1, has_speech, lengths)
        if self.stage1_share:
            own = s1.log_softmax(-1)
            speech_logits = torch.lerp(speech_logits.log_softmax(-1), own, self.stage1_share)
        fused = self.fusion.fuse(t2, s2, text_logits, speech_logits, has_text, has_speech, lengths)
        return WindowLogits(fused.logits, text_logits, speech_logits, latents=fused)


class MeritsL(nn.Module):
    """The whole model. `labels` and `prior` (label shares of the training dialogues) are in the order of the logits.

    `s1`: what Stages II and III get of the voice, the Stage I logits or the embedding.
    """

    def __init__(
        self,
        text: TextEncoder,
        speech: SpeechEncoder | FrozenSpeechBranch | VoiceBranch,
        conversation: ConversationModel,
        temperatures: Temperatures,
        labels: tuple[str, ...],
        prior: tuple[float, ...],
        s1: Literal["logits", "embedding"] = "logits",
    ):
        super().__init__()
        self.text = text
        self.speech = speech
        self.conversation = conversation
        self.temperatures = temperatures
        self.labels = labels
        self.prior = prior
        self.s1 = s1

    @property
    def has_baseline(self) -> bool:
        """Whether a voice is judged against earlier ones of its speaker."""
        return isinstance(self.speech, VoiceBranch)

    @property
    def widths(self) -> tuple[int, int]:
        """Of T1 and S1: Dt, Ds."""
        config = self.conversation.config
        return config["text"]["width"], config["speech"]["width"]

    def baseline_of(self, earlier: Tensor) -> Tensor:
        """Earlier voices (N, S) of a speaker, N >= 0, the oldest first -> that speaker's baseline, on the CPU: (S + 2,)
        as `VoiceHead.baseline` has it, or zeros (S,) where none is judged against."""
        if isinstance(self.speech, VoiceBranch):
            return self.speech.baseline_of(earlier)
        return earlier.new_zeros(earlier.shape[1:])

    def voice_of(self, voices: Tensor, baselines: Tensor | None) -> Tensor:
        """Voices (B, S) as `livemerc.model.encoders.Encoders.speech` gives them, and the baselines of who speaks, one
        row each (None = of nobody known) -> S1 (B, Ds), on the CPU."""
        if isinstance(self.speech, VoiceBranch):
            return self.speech.s1(voices, baselines)
        return voices

    @torch.inference_mode()
    def window(
        self, t1: Tensor, s1: Tensor, has_text: Tensor, has_speech: Tensor, lengths: Tensor
    ) -> WindowProbabilities:
        """Calibrated probabilities of a batch of windows; shapes as in `ConversationModel.forward`.

        An utterance with neither modality gets the prior.
        """
        logits = self.conversation(t1, s1, has_text, has_speech, lengths)
        return self.calibrate(logits, has_text, has_speech)

    def windows(self, windows: Sequence[Window]) -> list[WindowProbabilities]:
        """Calibrated probabilities (N, C) of each window, on the CPU; one pass for all, whatever their lengths."""
        device = next(self.parameters()).device  # asked each time: the model may have had to move
        lengths = torch.tensor([len(w.t1) for w in windows])
        t1, s1 = (
            nn.utils.rnn.pad_sequence([getattr(w, name) for w in windows], batch_first=True).to(device)
            for name in ("t1", "s1")
        )
        flags = torch.zeros(2, *t1.shape[:2], dtype=torch.bool)
        for row, w in enumerate(windows):
            flags[:, row, : len(w.t1)] = torch.tensor([list(w.has_text), list(w.has_speech)])
        has_text, has_speech = flags.to(device)
        out = self.window(t1, s1, has_text, has_speech, lengths)
        fused, text, speech = torch.stack([out.fused, out.text, out.speech]).cpu()  # one copy, one wait
        return [
            WindowProbabilities(fused[row, :n], text[row, :n], speech[row, :n])
            for row, n in enumerate(lengths.tolist())
        ]

    def calibrate(self, logits: WindowLogits, has_text: Tensor, has_speech: Tensor) -> WindowProbabilities:
        """Logits -> probabilities with the temperature of the modalities that were there."""
        t = self.temperatures
        both = has_text & has_speech
        scale = torch.where(both, t.both, torch.where(has_text, t.text_only, t.speech_only)).unsqueeze(-1)
        fused = (logits.fused / scale).softmax(-1)
        prior = torch.tensor(self.prior, device=fused.device)
        fused = torch.where((has_text | has_speech).unsqueeze(-1), fused, prior)
        return WindowProbabilities(
            fused, (logits.text / t.text_branch).softmax(-1), (logits.speech / t.speech_branch).softmax(-1)
        )
