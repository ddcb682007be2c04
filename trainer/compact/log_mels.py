"""Decodes and augments the speech corpora once: raw log-mels in half precision, one file a corpus and version.

Version 0 is the clean clip; the others are random live conditions (`compact.augment`). Training reads only these files.
"""

from __future__ import annotations

import multiprocessing
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from livemerc.audio.read import read_samples
from livemerc.errors import ConfigError
from livemerc.model.speech import DEFAULT_CONFIG, SAMPLE_RATE_HZ, LogMel
from trainer.compact.augment import augment
from trainer.compact.config import SpeechStage
from trainer.corpora.clips import Clip
from trainer.corpora.nemo import read_nemo
from trainer.corpora.ravdess import read_ravdess
from trainer.corpora.read_speech import read_librispeech, read_read
from trainer.corpora.speaker_split import speaker_split
from trainer.loop.saving import save_arrays

CLIP_READERS = {
    "ravdess": lambda data: read_ravdess(data / "ravdess"),
    "nemo": lambda data: read_nemo(data / "nemo"),
    "librispeech": lambda data: read_librispeech(data / "speech/librispeech"),
    "read": lambda data: read_read(data / "speech/read"),
}
# Babble is made of these readers, on whom no figure is measured: so training hears no actor of a test fold.
BABBLE_READERS = tuple(speaker_split()["A"]["librispeech"])


@dataclass(frozen=True, slots=True)
class Features:
    """Log-mels of clips in all versions. `log_mel[version]`: one (frames, M) float16 array a clip."""

    clips: list[Clip]
    log_mel: list[list[np.ndarray]]

    def __len__(self) -> int:
        return len(self.clips)

    def where(self, keep: list[int]) -> Features:
        """The clips at these indices."""
        return Features([self.clips[i] for i in keep], [[v[i] for i in keep] for v in self.log_mel])

    def __add__(self, other: Features) -> Features:
        both = zip(self.log_mel, other.log_mel, strict=True)
        return Features(self.clips + other.clips, [a + b for a, b in both])


class _Worker:
    """What one process needs to make features: front end and babble voices, built once per process."""

    state: _Worker

    def __init__(self, voices: list[np.ndarray], seed: int, threads: int) -> None:
        torch.set_num_threads(threads)  # a process of its own begins with as many as there are cores
        self.front = LogMel(DEFAULT_CONFIG)
        self.voices, self.seed = voices, seed

    @classmethod
    def start(cls, voices: list[np.ndarray], seed: int, threads: int) -> None:
        cls.state = cls(voices, seed, threads)

    def features(self, clip: Clip, version: int) -> np.ndarray:
        samples = read_samples(clip.path, SAMPLE_RATE_HZ)
        if version:
            # Seeded by the clip's name: the same condition whatever the order or the number of processes.
            rng = np.random.default_rng([self.seed, version, zlib.crc32(f"{clip.corpus}/{clip.clip_id}".encode())])
            chosen = rng.choice(len(self.voices), size=min(4, len(self.voices)), replace=False)
            samples = augment(samples, [self.voices[i] for i in chosen], rng)
        with torch.inference_mode():
            log_mel, _ = self.front(torch.from_numpy(samples)[None], torch.tensor([len(samples)]))
        return log_mel[0].numpy().astype(np.float16)


def _run(job: tuple[Clip, int]) -> np.ndarray:
    return _Worker.state.features(*job)


def prepare(data: Path, cache: Path, stage: SpeechStage, processes: int = 1) -> None:
    """Writes `cache/{corpus}-v{version}.npz` of all corpora in versions 0 to `stage.versions`; files that exist are
    kept. Raises the errors of the corpora's readers."""
    wanted = [(corpus, v) for corpus in CLIP_READERS for v in range(stage.versions + 1)]
    missing = [(corpus, v) for corpus, v in wanted if not _file(cache, corpus, v).exists()]
    if not missing:
        return
    clips = {corpus: CLIP_READERS[corpus](data) for corpus in dict.fromkeys(corpus for corpus, _ in missing)}
    babble = [c for c in read_librispeech(data / "speech/librispeech") if c.speaker in BABBLE_READERS]
    voices = [read_samples(c.path, SAMPLE_RATE_HZ) for c in babble]
    threads = max(1, torch.get_num_threads() // processes)
    with multiprocessing.get_context("spawn").Pool(processes, _Worker.start, (voices, stage.seed, threads)) as pool:
        for corpus, version in missing:
            mels = pool.map(_run, [(clip, version) for clip in clips[corpus]], chunksize=32)
            arrays = {
                "log_mel": np.concatenate(mels),
                "frames": np.array([len(a) for a in mels], np.int64),
                "clip_id": np.array([c.clip_id for c in clips[corpus]]),
            }
            save_arrays(arrays, _file(cache, corpus, version))
            print(f"livemerc-train: {corpus} version {version}: {len(mels)} clips", file=sys.stderr, flush=True)


def all_clips(data: Path, cache: Path, stage: SpeechStage, processes: int = 1) -> dict[str, Features]:
    """The features of every corpus, made where `cache` lacks them. Raises `ConfigError` where it was made of other
    clips."""
    prepare(data, cache, stage, processes)
    return {corpus: _load(data, cache, corpus, stage.versions) for corpus in CLIP_READERS}


def _load(data: Path, cache: Path, corpus: str, versions: int) -> Features:
    clips = CLIP_READERS[corpus](data)
    log_mel = []
    for version in range(versions + 1):
        with np.load(_file(cache, corpus, version)) as stored:
            if [c.clip_id for c in clips] != stored["clip_id"].tolist():
                raise ConfigError(f"{cache}: made of other clips than {data} holds; remove it and prepare again.")
            log_mel.append(np.split(stored["log_mel"], np.cumsum(stored["frames"])[:-1]))
    return Features(clips, log_mel)


def _file(cache: Path, corpus: str, version: int) -> Path:
    return cache / f"{corpus}-v{version}.npz"
