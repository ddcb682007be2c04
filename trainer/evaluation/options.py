"""What a user asks of an evaluation beside manifest and checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from livemerc.errors import ConfigError
from trainer.corpora.writings import Writing

LEAST_RESAMPLES = 100
"""Fewer leave two or three values beyond a 95 % interval's end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateOptions:
    """The flags of `livemerc-train evaluate`, named as they are."""

    split: str | None = None
    """Only the rows of this split (and the context of their dialogues)."""
    writing: Writing = "written"
    """Texts as written, or as they are heard: whisper (no "!", no ellipsis, no quotes), plain, misheard."""
    lag: int | None = None
    """Later utterances that may still change a label (default 0: judged as soon as it ends)."""
    context: int | None = None
    """Utterances the model sees (default 32)."""
    bootstrap: int | None = None
    """Resamples for 95 % intervals over dialogues, 100 or more."""
    seed: int = 0
    """Of resamples, splits and simulated labels (default 0)."""
    figures: Path | None = None
    """Folder for the confusion matrix, the reliability diagram (PNG) and the per-class table (Markdown)."""
    against: Path | None = None
    """Folder of another checkpoint: paired comparison on the same rows."""
    calibration_halves: bool = False
    """Fit temperatures on one half of the dialogues and measure ECE and NLL on the other."""
    ladder: bool = False
    """From the full dialogue to what is heard live: weighted F1 and latency at each step (lag R: --lag, default 2)."""
    asr: Literal["auto", "faster-whisper"] = "auto"
    """Recogniser of the ladder (default auto: the best cached Whisper, else tiny.en, which ships)."""
    model: str | None = None
    """Whisper size or folder, for the ladder."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute (default auto)."""
    threads: int = 1
    """torch threads."""

    def check(self, checkpoints: int) -> None:
        """Raises `ConfigError` that names the flag."""
        if self.lag is not None and self.lag < 0:
            raise ConfigError("--lag counts later utterances: 0 or more.")
        if self.context is not None and not 1 <= self.context <= 512:
            raise ConfigError("--context must be 1 to 512 utterances.")
        if self.threads < 1:
            raise ConfigError("--threads must be 1 or more.")
        if self.seed < 0:
            raise ConfigError("--seed must be 0 or more.")
        if self.bootstrap is not None and self.bootstrap < LEAST_RESAMPLES:
            raise ConfigError(f"--bootstrap counts resamples: {LEAST_RESAMPLES} or more; 2000 is usual.")
        if checkpoints > 1 and (self.ladder or self.against):
            flag = "--ladder" if self.ladder else "--against"
            raise ConfigError(f"{flag} takes one --checkpoint; run it once for each.")
        if not self.ladder and (self.asr != "auto" or self.model is not None):
            raise ConfigError("--asr and --model choose the recogniser of the ladder; add --ladder or leave them out.")
