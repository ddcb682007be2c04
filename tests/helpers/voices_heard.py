"""What reaches the real speech branch: its encoder and its head, whoever calls them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.modules.module import register_module_forward_pre_hook

from livemerc.model.frozen_speech import FrozenSpeech
from livemerc.model.speech import SpeechEncoder
from livemerc.model.speech_head import FrozenSpeechBranch, SpeechHead
from livemerc.model.voice_head import VoiceHead
from livemerc.model.whisper_encoder import WhisperMel

_HEARING = (SpeechEncoder, SpeechHead, FrozenSpeechBranch, FrozenSpeech, WhisperMel, VoiceHead)


@contextmanager
def voices_heard() -> Iterator[list[torch.Tensor]]:
    """The first input of every pass of a speech encoder or its head, as it comes: samples (B, n) or features."""
    seen: list[torch.Tensor] = []

    def remember(module: torch.nn.Module, inputs: tuple[Any, ...]) -> None:
        if isinstance(module, _HEARING):
            seen.append(inputs[0].detach().clone())

    handle = register_module_forward_pre_hook(remember)
    try:
        yield seen
    finally:
        handle.remove()
