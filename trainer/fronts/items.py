"""An utterance as the feature cache takes it: its key, made from its content, and the input that a front end gets."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from livemerc.errors import InputError, cause_of
from livemerc.model.checkpoint import file_sha256
from livemerc.model.frozen_speech import FrozenSpeech
from trainer.corpora.corpus import LabelledUtterance
from trainer.corpora.recordings import Recordings
from trainer.fronts.precomputed import PrecomputedFeatures

Skipped = list[tuple[str, str]]
"""(name, reason) of each utterance that cannot be used."""


@dataclass(frozen=True, slots=True)
class Item:
    """One utterance. `name` is for messages, and finds features that the user brings in a file.

    `audio` None = nothing was heard. Times in seconds, `end_s` None = to the file's end.
    """

    name: str
    audio: Path | None = None
    start_s: float = 0.0
    end_s: float | None = None

    @classmethod
    def of(cls, utterance: LabelledUtterance) -> Item:
        """The item of a corpus' utterance; its name is `dialogue_id/utterance_id`."""
        name = f"{utterance.dialogue_id}/{utterance.utterance_id}"
        return cls(name, utterance.audio, utterance.start_s, utterance.end_s)


class FileHashes:
    """SHA-256 of audio files. Each is computed once: size and time of change tell whether a file is still the same.

    `path` keeps them for the next run. A file that is absent or broken there only costs the time to hash again.
    """

    def __init__(self, path: Path):
        self.path = path

    def of(self, file: Path) -> str:
        """The SHA-256 of `file`, in hex. Raises OSError."""
        name, status = str(file.absolute()), file.stat()
        known = self._known.get(name)
        if known is not None and known[:2] == [status.st_size, status.st_mtime_ns]:
            return known[2]
        digest = file_sha256(file)
        self._known[name] = [status.st_size, status.st_mtime_ns, digest]
        return digest

    def content(self) -> bytes:
        """What `path` is to hold."""
        return json.dumps(self._known).encode()

    @functools.cached_property
    def _known(self) -> dict[str, list[Any]]:
        try:
            known = json.loads(self.path.read_bytes())
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}


def keys_of(items: Sequence[Item], modality: str, hashes: FileHashes) -> tuple[list[str | None], Skipped]:
    """The key of each utterance, None where the modality is absent or the file cannot be read; and the unreadable ones.

    A key is made from the name ("given"), or from the audio file's content with start and end: an utterance is found
    again wherever its file lies.
    """
    if modality == "given":
        return [_sha(item.name) for item in items], []
    keys: list[str | None] = []
    skipped: Skipped = []
    for item in items:
        key = None
        if item.audio is not None:
            try:
                key = _sha(f"{hashes.of(item.audio)}|{item.start_s:.6f}|{item.end_s}")
            except OSError as error:
                skipped.append((item.name, f"{item.audio}: {cause_of(error)}"))
        keys.append(key)
    return keys, skipped


def inputs_of(part: Sequence[tuple[str, Item]], frontend: FrozenSpeech) -> tuple[list[tuple[str, Item, Any]], Skipped]:
    """(key, item, what the front end takes: samples (n,) float32 at 16 kHz, or the name) of a part of the work; and
    what cannot be used."""
    if isinstance(frontend, PrecomputedFeatures):
        absent = [(item.name, f"{frontend.name} has no such entry") for _, item in part if item.name not in frontend]
        return [(key, item, item.name) for key, item in part if item.name in frontend], absent
    inputs: list[tuple[str, Item, Any]] = []
    skipped: Skipped = []
    recordings = Recordings(item.audio for _, item in part)
    for key, item in part:
        assert item.audio is not None
        try:
            samples = recordings.samples(item.audio, item.start_s, item.end_s)
            if not np.isfinite(samples).all():
                raise InputError(f"{item.audio}: holds samples that are not finite.")
        except InputError as error:
            skipped.append((item.name, str(error)))
            continue
        inputs.append((key, item, samples))
    return inputs, skipped


def _sha(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()[:32]
