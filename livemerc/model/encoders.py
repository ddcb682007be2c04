"""Utterance in, embedding out: the live side of Stage I. Each utterance passes here once; its T1 and S1 are cached."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from livemerc.model.checkpoint import checkpoint_folder, load_checkpoint, read_manifest
from livemerc.model.merits import MeritsL
from livemerc.model.packed_text import PackedText, can_pack
from livemerc.model.speech_head import FrozenSpeechBranch
from livemerc.model.text import TextEncoder, load_tokenizer, tokenize


class Encoders:
    """Tokenizer + text encoder, and the speech branch, on the model's device."""

    def __init__(self, model: MeritsL, tokenizer_path: str | Path):
        self.model = model
        self.device = next(model.parameters()).device
        self._tokenizer = load_tokenizer(str(tokenizer_path), model.text.max_tokens)
        self._text: TextEncoder | PackedText = PackedText(model.text) if can_pack(model.text) else model.text

    @torch.inference_mode()
    def text(self, texts: list[str]) -> Tensor:
        """Transcripts -> T1 (B, Dt) on the CPU. Empty texts are the caller's to mask."""
        ids, mask = tokenize(self._tokenizer, texts)
        return self._text(ids.to(self.device), mask.to(self.device)).float().cpu()

    @torch.inference_mode()
    def speech(self, samples: np.ndarray) -> Tensor:
        """One utterance, (n,) float32 at 16 kHz -> S1 (Ds,) on the CPU.

        The compact checkpoint takes the Stage I logits (`MeritsL.s1`), seven numbers instead of the 128 of the
        embedding: its Stages II and III meet only the few voices set apart for them, and learnt those by heart from
        the embedding (read speech of others turned from neutral to angry). A full-size one takes the embedding, as in
        the paper.
        """
        wave = torch.from_numpy(np.ascontiguousarray(samples, np.float32))[None].to(self.device)
        lengths = torch.tensor([wave.shape[1]], device=self.device)
        return self._s1(self.model.speech(wave, lengths))

    @torch.inference_mode()
    def encoded_speech(self, encoding: np.ndarray) -> Tensor:
        """The same of an utterance that the recogniser's Whisper has encoded, (D,) float32: the checkpoint's own
        Whisper (`livemerc.model.frozen_speech.WhisperFront`), else the head makes nonsense of it."""
        branch = self.model.speech
        assert isinstance(branch, FrozenSpeechBranch)
        return self._s1(branch.encoded(torch.from_numpy(encoding)[None, None]))

    def _s1(self, s1: Tensor) -> Tensor:
        return (s1 if self.model.s1 == "embedding" else self.model.speech.classify(s1))[0].float().cpu()


def load_model(checkpoint: str | Path | None, device: str, threads: int) -> tuple[MeritsL, Encoders]:
    """The checkpoint's model and its encoders. Sets torch's thread counts. Raises `ModelError` (exit 3)."""
    torch.set_num_threads(threads)
    manifest = read_manifest(checkpoint)
    model = load_checkpoint(checkpoint, device)
    return model, Encoders(model, checkpoint_folder(checkpoint) / manifest.tokenizer)


def choose_device(wanted: str) -> str:
    """`auto` -> "cuda" where torch sees a GPU, else "cpu". Raises `ModelError` when "cuda" is asked for in vain."""
    from livemerc.errors import ModelError

    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise ModelError("torch sees no CUDA device; use --device cpu, or run `livemerc doctor` for what is missing.")
    return "cuda" if wanted == "cuda" or (wanted == "auto" and available) else "cpu"
