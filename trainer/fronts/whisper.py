"""The encoder of the Whisper that ASR runs anyway, as a frozen speech front end: one encoder pass for both jobs.

What is cached here is made by the recogniser's own code (`livemerc.asr.one_pass`), so it is what runs live.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import numpy as np

from livemerc.asr.identify import WEIGHTS, model_sha256
from livemerc.asr.models import cached_path, is_complete
from livemerc.asr.select import load_whisper
from livemerc.config import Config
from livemerc.errors import ModelError
from livemerc.model.frozen_speech import WhisperFront
from livemerc.model.whisper_identity import LONGEST_NAME, WhisperIdentity

SAMPLES_TRIED = 1600


def whisper_front(source: str) -> WhisperFront:
    """The front end of `source`, a folder in CTranslate2's format or the name of a cached model; no network.

    Its `config` names the Whisper by content, so that a checkpoint can hold it. Raises `ModelError`.
    """
    is_folder = Path(source).is_dir()
    folder = Path(source) if is_folder else cached_path(source)
    if folder is None or not is_complete(folder):
        raise ModelError(f"whisper:{source}: no complete model there; run `livemerc models pull`, or name its folder.")
    engine, _ = load_whisper(source, folder, Config(), floating=True)
    identity = WhisperIdentity(
        name=plain_name(folder.resolve().name) if is_folder else source,
        model_sha256=model_sha256(folder),
        model_bytes=(folder / WEIGHTS).stat().st_size,
        dimension=len(engine.encode(np.zeros(SAMPLES_TRIED, np.float32))),
        quantised=engine.quantised,
    )
    front = WhisperFront({k: v for k, v in msgspec.to_builtins(identity).items() if k != "kind"})
    front.encode = engine.encode
    return front


def plain_name(folder: str) -> str:
    """A folder's name as a checkpoint may hold it."""
    return re.sub(r"[^\w.-]", "_", folder)[:LONGEST_NAME] or "whisper"
