"""Precomputed features that the user brings in a file ("care:PATH"), such as CARE's.

CARE (Dutta & Ganapathy; the speech embedding of MERITS-L) has no licence and no weights in its public repository, and
its papers leave the network open: the convolutional adapters of the semantic branch, and the layers that its 13 rows
come from. A network rebuilt from guesses would load nobody's weights. So this reads features that were made with the
authors' own code:

- `.safetensors`: one tensor an utterance under the key `dialogue_id/utterance_id`, float, (13, 1536): the
  time-mean-pooled layers. Optionally, under the same key and `:semantic`, the pooled semantic vector, (768,).
- `.npz`: the same keys and arrays (read without pickle).

Any (L, D) and (E,) are taken, alike for all utterances; semantic vectors for all or for none.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from livemerc.errors import InputError, ModelError, cause_of
from livemerc.model.checkpoint import file_sha256
from livemerc.model.frozen_speech import FrozenSpeech

SEMANTIC = ":semantic"


class PrecomputedFeatures(FrozenSpeech):
    """Features by name. `features` takes names instead of samples: a live monitor cannot run it.

    Raises `ModelError` (exit 3) where the file cannot be read or its shapes differ.
    """

    modality: Any = "given"  # stored with every cache

    def __init__(self, path: Path):
        super().__init__()
        self.path = path
        self.name = f"care:{path.name}"
        try:
            names, self._read = _open(path)
            self._names = {n for n in names if not n.endswith(SEMANTIC)}
            with_semantic = {n.removesuffix(SEMANTIC) for n in names if n.endswith(SEMANTIC)}
            if not self._names:
                raise ModelError(f"{path}: holds no features; its keys must be dialogue_id/utterance_id.")
            first = min(self._names)
            shape = self._read(first).shape
            self.extra = len(self._read(first + SEMANTIC)) if with_semantic else 0
        except OSError as error:
            raise ModelError(
                f"{path}: cannot be read ({cause_of(error)}); name a .npz or .safetensors file."
            ) from error
        except (SafetensorError, ValueError, zipfile.BadZipFile) as error:
            raise ModelError(f"{path}: no .npz or .safetensors file of features ({error}); write it again.") from error
        if len(shape) != 2:
            raise ModelError(f"{path}: {first} has shape {tuple(shape)}, not (layers, width); write it again.")
        self.layers, self.dimension = int(shape[0]), int(shape[1])
        if with_semantic and with_semantic != self._names:
            odd = min(with_semantic ^ self._names)
            raise ModelError(f"{path}: {odd} has features or a semantic vector but not both; write it again.")
        if self.extra > self.dimension:
            raise ModelError(f"{path}: semantic vectors ({self.extra}) are wider than the layers ({self.dimension}).")

    def __contains__(self, name: object) -> bool:
        return name in self._names

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the file, in hex."""
        return file_sha256(self.path)

    def features(self, samples: Sequence[Any]) -> Tensor:
        """Names, each in the file -> (B, rows, D) float32; the semantic vector is the last row, behind it zeros.

        Raises `InputError` that names the utterance whose shape differs.
        """
        out = torch.zeros(len(samples), self.rows, self.dimension)
        for number, name in enumerate(samples):
            out[number, : self.layers] = self._array(name, (self.layers, self.dimension))
            if self.extra:
                out[number, self.layers, : self.extra] = self._array(name + SEMANTIC, (self.extra,))
        return out

    def _array(self, name: str, shape: tuple[int, ...]) -> Tensor:
        array = self._read(name)
        if tuple(array.shape) != shape:
            raise InputError(
                f"{self.path}: {name} has shape {tuple(array.shape)}, the first one {shape}; write it again."
            )
        return array.float()


def _open(path: Path) -> tuple[Iterable[str], Callable[[str], Tensor]]:
    """The names in a file, and what reads one."""
    if path.suffix == ".safetensors":
        file: Any = safe_open(path, framework="pt").__enter__()
        return file.keys(), file.get_tensor
    loaded = np.load(path, allow_pickle=False)
    if not isinstance(loaded, np.lib.npyio.NpzFile):
        raise zipfile.BadZipFile("one array, not an archive of named ones")
    return loaded.files, lambda name: torch.from_numpy(np.asarray(loaded[name], np.float32))
