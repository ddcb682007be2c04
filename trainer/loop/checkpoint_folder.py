"""Writes the checkpoint folder that `livemerc run --checkpoint` loads: safetensors, tokenizer, `merits-l.json`.

Each recipe says what goes into it (`compact.export`, `merits_l.export`); the files are written here alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from livemerc.errors import LivemercError
from livemerc.model.checkpoint import FORMAT, FORMAT_OF_VOICE, MANIFEST, Manifest, Part, file_sha256


class Origin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Licence of one part's weights and the data they were trained on; shown by every session and in the manifest."""

    licence: str
    data: list[str]


@dataclass(frozen=True, slots=True)
class Weights:
    """One part of a checkpoint: its tensors as `pack_state` gives them, and the configuration of its network."""

    tensors: dict[str, Tensor]
    config: dict[str, Any]
    origin: Origin


def write_checkpoint_folder(out: Path, parts: Mapping[str, Weights], tokenizer: bytes, **about: Any) -> Manifest:
    """Writes `out` (made if need be) and returns its manifest.

    `parts` by their field of `Manifest`: "text", "speech", "fusion" and, at full size, "speech_front"; `tokenizer`: the
    content of tokenizer.json; `about`: the manifest's other fields. With `voice_encoder` (`VoiceEncoder.shipped()`),
    "speech" is a `VoiceHead` over it, packed with `exact=VoiceHead.EXACT`, and the format is 2. The manifest is written
    last, so a folder with one is whole. Raises `LivemercError` (exit 6) where the folder cannot be written, as on a
    full disk.
    """

    def part(name: str, weights: Weights) -> Part:
        file = out / f"{name.replace('_', '-')}.safetensors"
        save_file({k: v.cpu() for k, v in weights.tensors.items()}, file)
        file.chmod(0o644)  # safetensors writes for the owner alone; a package is read by everyone
        licence, data = weights.origin.licence, list(weights.origin.data)
        return Part(file=file.name, sha256=file_sha256(file), config=weights.config, licence=licence, data=data)

    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / MANIFEST).unlink(missing_ok=True)
        (out / "tokenizer.json").write_bytes(tokenizer)
        about |= {name: part(name, weights) for name, weights in parts.items()}
        tokenizer_sha256 = file_sha256(out / "tokenizer.json")
        number = FORMAT if about.get("voice_encoder") is None else FORMAT_OF_VOICE
        manifest = Manifest(format=number, tokenizer="tokenizer.json", tokenizer_sha256=tokenizer_sha256, **about)
        (out / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
    except (OSError, SafetensorError) as error:
        raise LivemercError(
            f"{out}: the checkpoint cannot be written ({error}); free some room and export again."
        ) from error
    return manifest
