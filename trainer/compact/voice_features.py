"""Decodes and augments the speech corpora once, and keeps the voice statistics of every clip in half precision.

Version 0 is the clean clip; the others are random live conditions (`trainer.augment`). The cache is a folder of shards
(`fronts.shards`): what was computed before a kill is found again. Training reads only these files.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import sys
import zlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, get_args

import msgspec
import numpy as np
import torch
from torch import Tensor

from livemerc.audio.read import read_samples
from livemerc.config import SAMPLE_RATE_HZ
from livemerc.errors import ConfigError, InputError, LivemercError
from livemerc.model.checkpoint import VoiceEncoder
from livemerc.model.whisper_encoder import Kind, Layout, WhisperEncoder
from trainer.augment import augment
from trainer.corpora.clips import Clip
from trainer.corpora.voices import babble_clips, read_clips
from trainer.files import told
from trainer.fronts.items import FileHashes
from trainer.fronts.shards import BrokenShard, ShardFolder, ShardWriter, remove_leftovers, write_file
from trainer.loop.differences import first_difference
from trainer.loop.progress import Progress

FORMAT = 1
SETTINGS, FILES = "settings.json", "files.json"
LONGEST_S = 14.0
"""A clip is cut here: utterances that are longer are rare live, and the encoder's time grows with their square."""
_BABBLE = 4
"""Voices that talk in the background."""


class Statistician(Protocol):
    """An encoder that gives voice statistics, as `livemerc.model.whisper_encoder.WhisperEncoder` does."""

    def statistics(self, clips: Sequence[np.ndarray]) -> Tensor:
        """Clips, each (n,) float32 at 16 kHz -> (B, S) float32."""
        ...


class EncoderSource(Protocol):
    """Makes an encoder in any process: it can be pickled."""

    @property
    def layout(self) -> Layout:
        """What S consists of: every row and kind that a head may want, so that all heads share a cache."""
        ...

    @property
    def fingerprint(self) -> dict[str, Any]:
        """Plain values that change with whatever changes an output."""
        ...

    def make(self) -> Statistician: ...


@dataclass(frozen=True, slots=True)
class ShippedWhisper:
    """The encoder of the Whisper that ships. `peak` and `part_s` as of `Layout`."""

    peak: float | None = None
    part_s: float = 5.0

    @property
    def layout(self) -> Layout:
        return Layout(tuple(range(6)), get_args(Kind), self.peak, self.part_s)

    @property
    def fingerprint(self) -> dict[str, Any]:
        return {"whisper": VoiceEncoder.shipped().sha256, **msgspec.to_builtins(self.layout)}

    def make(self) -> Statistician:
        return WhisperEncoder(VoiceEncoder.shipped().path, self.layout)


def chosen_columns(there: Layout, rows: Sequence[int], kinds: Sequence[str], width: int) -> np.ndarray:
    """Columns of statistics laid out as `there`, `width` wide, that a head over `rows` and `kinds` takes, in its order.

    Raises `ConfigError` for what is not there.
    """
    places = np.arange(width).reshape(len(there.rows), len(there.kinds), -1)
    try:
        chosen = [places[there.rows.index(r)][[tuple[str, ...](there.kinds).index(k) for k in kinds]] for r in rows]
    except ValueError as error:
        raise ConfigError(
            f"[voice]: the cache has rows {list(there.rows)} and kinds {list(there.kinds)}, not {list(rows)} and "
            f"{list(kinds)}; choose of those."
        ) from error
    return np.concatenate([part.ravel() for part in chosen])


@dataclass(frozen=True, slots=True)
class VoiceFeatures:
    """Voice statistics of clips in all versions. `statistics[version]`: (N, S) float16."""

    clips: list[Clip]
    statistics: list[np.ndarray]

    def __len__(self) -> int:
        return len(self.clips)

    def where(self, keep: Callable[[Clip], bool]) -> VoiceFeatures:
        """The clips for which `keep(clip)` holds."""
        rows = [i for i, clip in enumerate(self.clips) if keep(clip)]
        return VoiceFeatures([self.clips[i] for i in rows], [version[rows] for version in self.statistics])

    @classmethod
    def joined(cls, parts: Sequence[VoiceFeatures]) -> VoiceFeatures:
        """All clips of `parts` (one at the least), in their order."""
        versions = zip(*(part.statistics for part in parts), strict=True)
        return cls([clip for part in parts for clip in part.clips], [np.concatenate(v) for v in versions])


class _Worker:
    """What one process needs to make statistics: the encoder and the babble's voices, made once."""

    state: _Worker

    def __init__(self, source: EncoderSource, voices: list[np.ndarray], seed: int):
        self.encoder, self.voices, self.seed = source.make(), voices, seed

    @classmethod
    def start(cls, source: EncoderSource, voices: list[np.ndarray], seed: int) -> None:
        torch.set_num_threads(1)  # a process of its own begins with as many as there are cores
        cls.state = cls(source, voices, seed)

    def statistics(self, clip: Clip, version: int) -> np.ndarray:
        """(S,) float16."""
        samples = read_samples(clip.path, SAMPLE_RATE_HZ, clip.start_s, clip.end_s)[: round(LONGEST_S * SAMPLE_RATE_HZ)]
        if version:
            # Seeded by the clip's name: the same condition whatever the order or the number of processes.
            rng = np.random.default_rng([self.seed, version, zlib.crc32(f"{clip.corpus}/{clip.clip_id}".encode())])
            chosen = rng.choice(len(self.voices), size=min(_BABBLE, len(self.voices)), replace=False)
            samples = augment(samples, [self.voices[i] for i in chosen], rng)
        with torch.inference_mode():
            found = self.encoder.statistics([np.ascontiguousarray(samples, np.float32)])[0].half().numpy()
        if not np.isfinite(found).all():
            raise LivemercError(
                f"{clip.path}: its voice statistics are not finite; listen to the clip, and take it out of its table."
            )
        return found


def _run(job: tuple[Clip, int]) -> np.ndarray:
    return _Worker.state.statistics(*job)


class VoiceCache:
    """Voice statistics in `folder` (made if need be), made by the encoder of `source`, augmented from `seed`.

    `shard_size` rows a file; `flush_s`: what is newer than this may be lost by kill -9.
    """

    def __init__(self, folder: Path, seed: int, source: EncoderSource, shard_size: int = 512, flush_s: float = 30.0):
        self.folder, self.seed, self._source = folder, seed, source
        self._shard_size, self._flush_s = shard_size, flush_s
        self._shards = ShardFolder(folder, _say)
        self._hashes = FileHashes(folder / FILES)

    def voices(
        self, data: Path, corpora: Iterable[str], versions: int, rows: Sequence[int], kinds: Sequence[str],
        processes: int = 1, clean_only: Collection[str] = (),
    ) -> dict[str, VoiceFeatures]:  # fmt: skip
        """The statistics of all clips of `corpora` below `data` in versions 0 to `versions`, made where they are
        lacking: of these `rows` and `kinds` of the encoder's layout. Those of `clean_only` in version 0 alone.

        Raises the readers' errors, `InputError` for a clip that does not decode, `ConfigError` where the folder holds
        statistics that were made otherwise, `LivemercError` where there is no room. Work so far is kept.
        """
        clips = {corpus: read_clips(data, corpus) for corpus in corpora}
        self._open()
        jobs = {
            self._key(clip, version): (clip, version)
            for version in range(versions + 1) for corpus, of_corpus in clips.items() for clip in of_corpus
            if version == 0 or corpus not in clean_only
        }  # fmt: skip
        self._shards.drop_broken(jobs)
        todo = {key: job for key, job in jobs.items() if key not in self._shards.where}
        if todo:
            self._make_all(todo, [read_samples(c.path, SAMPLE_RATE_HZ) for c in babble_clips(data)], processes)
        return {
            corpus: self._features(of_corpus, 0 if corpus in clean_only else versions, rows, kinds)
            for corpus, of_corpus in clips.items()
        }

    def _features(self, clips: list[Clip], versions: int, rows: Sequence[int], kinds: Sequence[str]) -> VoiceFeatures:
        found = []
        for version in range(versions + 1):
            of_version: np.ndarray | None = None
            columns = np.zeros(0, np.int64)
            try:
                for number, row in self._shards.rows([self._key(clip, version) for clip in clips]):
                    if of_version is None:
                        columns = chosen_columns(self._source.layout, rows, kinds, len(row))
                        of_version = np.empty((len(clips), len(columns)), np.float16)
                    of_version[number] = row.numpy()[columns]
            except BrokenShard as error:
                raise InputError(f"{error} while it was read; run the same command again.") from error
            assert of_version is not None, "a corpus has clips, and all of them are in the cache"
            found.append(of_version)
        return VoiceFeatures(clips, found)

    def _make_all(self, todo: dict[str, tuple[Clip, int]], voices: list[np.ndarray], processes: int) -> None:
        writer = ShardWriter(self.folder, self._shard_size, self._flush_s, len(todo), self._shards.written)
        start = (self._source, voices, self.seed)
        try:
            with Progress("voice statistics", 0, len(todo), unit="clip") as progress:
                if processes == 1:
                    self._write_all(todo, map(_run_here(*start), todo.values()), writer, progress)
                else:
                    context = multiprocessing.get_context("spawn")
                    with context.Pool(processes, _Worker.start, start) as pool:
                        self._write_all(todo, pool.imap(_run, todo.values(), chunksize=8), writer, progress)
        finally:
            writer.flush()
            mend = "free some room and run the same command again, what was made so far is kept"
            with told(LivemercError, f"{self.folder}: the list of files cannot be written", mend):
                write_file(self.folder / FILES, self._hashes.content())

    @staticmethod
    def _write_all(keys: Iterable[str], rows: Iterable[np.ndarray], writer: ShardWriter, progress: Progress) -> None:
        for done, (key, row) in enumerate(zip(keys, rows, strict=True), start=1):
            writer.add([key], torch.from_numpy(row)[None])
            progress.update(done)

    def _key(self, clip: Clip, version: int) -> str:
        """Made from the clip's name, which seeds its conditions, and from the content of its file."""
        with told(InputError, f"{clip.path}: cannot be read", "complete the copy"):
            content = self._hashes.of(clip.path)
        return hashlib.sha256(f"{clip.corpus}/{clip.clip_id}|{version}|{content}".encode()).hexdigest()[:32]

    def _open(self) -> None:
        settings = {
            "format": FORMAT, "seed": self.seed, "longest_s": LONGEST_S, "encoder": self._source.fingerprint
        }  # fmt: skip
        settings = json.loads(json.dumps(settings))
        path = self.folder / SETTINGS
        with told(ConfigError, f"{self.folder}: no folder for voice statistics", "name another"):
            self.folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self.folder)
        if path.exists():
            differs = _differs(path, settings)
            if differs:
                raise ConfigError(f"{self.folder}: {differs}; name another folder, or remove this one.")
        else:
            with told(LivemercError, f"{path}: cannot be written", "make room and run the same command again"):
                write_file(path, json.dumps(settings, indent=1).encode())
        self._shards.index(mend=True)


def _differs(path: Path, settings: dict[str, Any]) -> str:
    """How the cache of this settings file was made otherwise; "" where it was not."""
    try:
        there = json.loads(path.read_bytes())
    except (OSError, ValueError):
        there = None
    if not isinstance(there, dict):
        return "is no cache of voice statistics"
    return "" if there == settings else f"its voice statistics: {first_difference(there, settings)}"


def _run_here(source: EncoderSource, voices: list[np.ndarray], seed: int) -> Callable[[tuple[Clip, int]], np.ndarray]:
    """In this process, whose torch threads are left as they are."""
    worker = _Worker(source, voices, seed)
    return lambda job: worker.statistics(*job)


def _say(message: str) -> None:
    print(f"livemerc-train: {message}", file=sys.stderr)
