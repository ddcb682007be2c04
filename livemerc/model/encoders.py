"""Utterance in, embedding out: the live side of Stage I. Each utterance passes here once; its T1 and S1 are cached."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from livemerc.model.checkpoint import Manifest, checkpoint_folder, load_checkpoint, read_manifest
from livemerc.model.frozen_speech import TransformerSpeech
from livemerc.model.merits import MeritsL
from livemerc.model.packed_text import PackedText, can_pack
from livemerc.model.speech_head import FrozenSpeechBranch
from livemerc.model.text import TextEncoder, load_tokenizer, tokenize
from livemerc.model.transfer import to_device
from livemerc.model.voice import VoiceBranch

TEXTS_AT_ONCE = 16
VOICES_AT_ONCE = 4
"""Of five seconds each: more at once leave the cache of a core, and take longer each (measured: 4.1 ms each for four,
5.6 alone, 6.9 for eight)."""
_LIKE = 1.25
_SHARED_FROM = 768
"""Width of a text encoder from which its products are worth a second thread."""


def alike(lengths: Sequence[int], most: int) -> list[list[int]]:
    """Positions in groups of at most `most`, the longest of a group at most a quarter longer than its shortest: what
    is padded costs as much as what is not."""
    groups: list[list[int]] = []
    for at in sorted(range(len(lengths)), key=lengths.__getitem__):
        if not groups or len(groups[-1]) == most or lengths[at] > _LIKE * lengths[groups[-1][0]]:
            groups.append([])
        groups[-1].append(at)
    return groups


class Encoders:
    """Tokenizer + text encoder, and the speech branch, on the model's device. voice: False = no voice may be judged,
    and one that comes all the same raises RuntimeError."""

    def __init__(self, model: MeritsL, tokenizer_path: str | Path, *, voice: bool = True):
        self.model = model
        self._voice = voice
        self.device = next(model.parameters()).device
        self._tokenizer = load_tokenizer(str(tokenizer_path), model.text.max_tokens)
        self._text: TextEncoder | PackedText = PackedText(model.text) if can_pack(model.text) else model.text

    @torch.inference_mode()
    def text(self, texts: list[str]) -> Tensor:
        """Transcripts -> T1 (B, Dt) on the CPU. Empty texts are the caller's to mask."""
        ids, mask = tokenize(self._tokenizer, texts)
        return self._text(to_device(ids, self.device), to_device(mask, self.device)).float().cpu()

    @torch.inference_mode()
    def speech(self, samples: np.ndarray) -> Tensor:
        """One utterance, (n,) float32 at 16 kHz -> its voice (S,) on the CPU, as `MeritsL.voice_of` takes it:
        statistics of the Whisper's encoder in a checkpoint of format 2, else S1 itself.

        Of format 1 the compact checkpoint takes the Stage I logits (`MeritsL.s1`), seven numbers instead of the 128 of
        the embedding: its Stages II and III meet only the few voices set apart for them, and learnt those by heart
        from the embedding (read speech of others turned from neutral to angry). A full-size one takes the embedding,
        as in the paper.
        """
        return self._speeches([samples])[0]

    @torch.inference_mode()
    def batch(
        self, texts: Sequence[str | None], voices: Sequence[np.ndarray | None]
    ) -> list[tuple[Tensor | None, Tensor | None]]:
        """T1 and voice of several utterances, None where there is no text or no voice ((n,) float32 at 16 kHz). Each is
        what `text` and `speech` give, to within rounding; what is of like length passes the networks together."""
        t1: dict[int, Tensor] = {}
        heard: dict[int, Tensor] = {}
        worded = [(i, text) for i, text in enumerate(texts) if text]
        for group in alike([len(text) for _, text in worded], TEXTS_AT_ONCE):
            rows = self.text([worded[at][1] for at in group])
            t1.update(zip((worded[at][0] for at in group), rows, strict=True))
        voiced = [(i, voice) for i, voice in enumerate(voices) if voice is not None]
        for group in alike([len(voice) for _, voice in voiced], VOICES_AT_ONCE):
            rows = self._speeches([voiced[at][1] for at in group])
            heard.update(zip((voiced[at][0] for at in group), rows, strict=True))
        return [(t1.get(i), heard.get(i)) for i in range(len(texts))]

    def _speeches(self, voices: Sequence[np.ndarray]) -> Tensor:
        """Voices (B, S) on the CPU."""
        self._check_voice()
        branch = self.model.speech
        if isinstance(branch, VoiceBranch):
            return branch.statistics(voices)
        if isinstance(branch, FrozenSpeechBranch):  # its front end takes samples of the host
            return self._s1(branch.encoded(branch.front.features(voices)))
        waves = [torch.from_numpy(np.ascontiguousarray(voice, np.float32)) for voice in voices]
        lengths = to_device(torch.tensor([len(wave) for wave in waves]), self.device)
        padded = to_device(torch.nn.utils.rnn.pad_sequence(waves, batch_first=True), self.device)
        return self._s1(branch(padded, lengths))

    def _check_voice(self) -> None:
        """The last lock: who decides (`livemerc.purpose.VoiceScope`) is asked long before."""
        if not self._voice:
            raise RuntimeError("a voice came to the encoder of a session that judges words alone")

    def _s1(self, s1: Tensor) -> Tensor:
        assert not isinstance(self.model.speech, VoiceBranch)  # its S1 comes later, against a baseline
        return (s1 if self.model.s1 == "embedding" else self.model.speech.classify(s1)).float().cpu()


Precision = Literal["float32", "bfloat16"]


def load_model(
    checkpoint: str | Path | None, device: str, threads: int, precision: Precision = "float32", *, voice: bool = True
) -> tuple[MeritsL, Encoders]:
    """The checkpoint's model and its encoders. Sets torch's thread counts; `threads` 0 = `choose_threads`; `precision`
    is that of Stage I's transformers; `voice` as `Encoders` takes it. Raises `ModelError` (exit 3)."""
    manifest = read_manifest(checkpoint)
    torch.set_num_threads(threads or choose_threads(manifest, cores()))
    model = load_checkpoint(checkpoint, device)
    if precision == "bfloat16":
        _to_bfloat16(model)
    return model, Encoders(model, checkpoint_folder(checkpoint) / manifest.tokenizer, voice=voice)


def _to_bfloat16(model: MeritsL) -> None:
    """The transformers of Stage I, of text and voice. Pooling and what is behind it stay float32, as do the small
    speech encoder of a compact checkpoint of format 1 and Stages II and III."""
    model.text.encoder.to(torch.bfloat16)
    if isinstance(model.speech, VoiceBranch):
        model.speech.encoder.network.to(torch.bfloat16)
    front = model.speech.front if isinstance(model.speech, FrozenSpeechBranch) else None
    if isinstance(front, TransformerSpeech):
        front.network.to(torch.bfloat16)


def choose_threads(manifest: Manifest, cores: int) -> int:
    """One for networks as small as the compact ones; larger matrices are worth sharing, and half of the cores is left
    to the recogniser, the ears and whoever else is there."""
    width = manifest.text.config.get("hidden_size", 0)
    small = manifest.speech_front is None and isinstance(width, int) and width < _SHARED_FROM
    return 1 if small else min(8, max(1, cores // 2))


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def choose_device(wanted: str) -> str:
    """`auto` -> "cuda" where torch sees a GPU, else "cpu". Raises `ModelError` when "cuda" is asked for in vain."""
    from livemerc.errors import ModelError

    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise ModelError("torch sees no CUDA device; use --device cpu, or run `livemerc doctor` for what is missing.")
    return "cuda" if wanted == "cuda" or (wanted == "auto" and available) else "cpu"
