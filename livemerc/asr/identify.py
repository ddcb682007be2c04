"""Which of the Whispers on this machine a checkpoint's voice was trained on: by content, whatever it is called."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from livemerc.asr.models import REPOSITORIES, cached_path, is_complete
from livemerc.config import Config
from livemerc.errors import ModelError
from livemerc.model.checkpoint import read_manifest
from livemerc.model.whisper_identity import WhisperIdentity

WEIGHTS = "model.bin"


def voice_of(config: Config) -> WhisperIdentity | None:
    """The Whisper that the session's voice needs; None where the checkpoint brings its own front end, or the voice is
    not judged. Raises `ModelError`."""
    if config.voice.text_only or config.model.checkpoint is None:  # the one that ships brings its own
        return None
    return read_manifest(config.model.checkpoint).whisper


def model_sha256(folder: Path) -> str:
    """SHA-256 of a Whisper folder's `model.bin`, in hex; read once as long as the file stays the same."""
    weights = (folder / WEIGHTS).resolve()
    status = weights.stat()
    return _sha256(weights, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=32)
def _sha256(weights: Path, size: int, changed_ns: int) -> str:
    with weights.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_whisper(folder: Path, identity: WhisperIdentity) -> bool:
    """Whether these weights are `identity`'s."""
    try:
        if (folder / WEIGHTS).stat().st_size != identity.model_bytes:
            return False
        return model_sha256(folder) == identity.model_sha256
    except OSError:
        return False


def find_whisper(identity: WhisperIdentity) -> tuple[str, Path] | None:
    """(name, folder) of that Whisper in the hub's cache, under whatever name; None where it is not there."""
    for name in dict.fromkeys((identity.name, *REPOSITORIES)):
        folder = cached_path(name) if name in REPOSITORIES or "/" in name else None
        if folder is not None and is_whisper(folder, identity):
            return name, folder
    return None


def named_whisper(identity: WhisperIdentity, model: str | None) -> tuple[str, Path]:
    """(name, folder) of that Whisper: `model` (a folder or a cached name) where given, else wherever the cache has it.

    Raises `ModelError` where it is not there, or `model` is another one. No network.
    """
    if model is None:
        found = find_whisper(identity)
        if found is None:
            raise not_here(identity)
        return found
    folder = Path(model).expanduser()
    if not folder.is_dir():
        cached = None if model.startswith((".", "/", "~")) or "\\" in model else cached_path(model)
        if cached is None:
            raise ModelError(f"{model}: no Whisper there; {_mend(identity)}.")
        folder = cached
    if not is_complete(folder) or not is_whisper(folder, identity):
        raise another(identity, model)
    return model, folder


def not_here(identity: WhisperIdentity) -> ModelError:
    """It is nowhere on this machine."""
    return ModelError(
        f"the checkpoint judges the voice with the encoder of {_called(identity)}, which is not here; "
        f"{_mend(identity)}."
    )


def another(identity: WhisperIdentity, model: str | None) -> ModelError:
    """The recogniser is a Whisper, and not that one."""
    return ModelError(
        f"the checkpoint judges the voice with the encoder of {_called(identity)}, and {model} is another Whisper; "
        f"{_mend(identity)}."
    )


def _called(identity: WhisperIdentity) -> str:
    return f"Whisper {identity.name} (model.bin with SHA-256 {identity.model_sha256[:12]})"


def _mend(identity: WhisperIdentity) -> str:
    fetchable = identity.name in REPOSITORIES and cached_path(identity.name) is None  # what is there is another one
    pull = f"run `livemerc models pull {identity.name}`, or " if fetchable else ""
    return f"{pull}give the folder of that one with --model (asr.model), or leave the voice out with --text-only"
