"""Frozen features, extracted once: a folder of shards, keyed by the content of each utterance.

One folder belongs to one front end with one set of weights and settings; another one is refused by a sentence that
names what differs. An utterance is found again by what it is (SHA-256 of the audio file with start and end, or of the
text), wherever its file lies. A run that is killed goes on after the last shard; a second run only reads.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from livemerc.audio.read import read_samples, stretch
from livemerc.errors import ConfigError, InputError, LivemercError
from trainer.corpora.corpus import LabelledUtterance
from trainer.fronts.shards import (
    BrokenShard,
    is_whole,
    read_shard,
    remove_leftovers,
    shard_keys,
    write_file,
    write_shard,
)
from trainer.loop.differences import flat

SAMPLE_RATE_HZ = 16_000
FORMAT = 1
SETTINGS = "settings.json"
FILES = "files.json"

Progress = Callable[[int, int], None]
"""Called with utterances done and utterances in all."""


@dataclass(frozen=True, slots=True)
class Item:
    """One utterance. `name` is for messages (and finds features in a file that the user brings).

    `audio` None or `text` "" = that modality is absent. Times in seconds, `end_s` None = to the file's end.
    """

    name: str
    audio: Path | None = None
    start_s: float = 0.0
    end_s: float | None = None
    text: str = ""

    @classmethod
    def of(cls, utterance: LabelledUtterance) -> Item:
        """Of a corpus' utterance; its name is `dialogue_id/utterance_id`."""
        name = f"{utterance.dialogue_id}/{utterance.utterance_id}"
        return cls(name, utterance.audio, utterance.start_s, utterance.end_s, utterance.text)


class Frontend(Protocol):
    """What can be cached: `livemerc.model.frozen_speech.FrozenSpeech`, `trainer.fronts.encoders.FrozenText`.

    `modality`: "speech" (features of samples), "text" (of texts) or "given" (of names: `trainer.fronts.care.CareFile`).
    """

    modality: Any
    name: str

    @property
    def settings(self) -> dict[str, Any]: ...

    @property
    def fingerprint(self) -> str: ...

    def features(self, batch: Any) -> Tensor:
        """B inputs -> (B, rows, D)."""
        ...


@dataclass(slots=True)
class Extraction:
    """What `FeatureCache.extract` did. `skipped`: (name, reason) of each utterance whose audio cannot be used."""

    computed: int = 0
    read: int = 0
    absent: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)


class FeatureCache:
    """Features of one front end in `folder` (made if need be).

    `shard_size` rows a file; `flush_s`: what is newer than this may be lost by kill -9; `half`: store float16 (half
    the room, 3 digits) instead of float32, which gives back exactly what was computed.
    """

    def __init__(self, folder: str | Path, *, shard_size: int = 512, flush_s: float = 60.0, half: bool = False):
        self.folder = Path(folder)
        self._shard_size, self._flush_s, self._half = shard_size, flush_s, half
        self._where: dict[str, tuple[Path, int]] = {}
        self._whole: set[Path] = set()
        self._known = False
        self._files: dict[str, list[Any]] | None = None

    def extract(
        self,
        items: Sequence[Item],
        frontend: Frontend,
        batch: int = 16,
        progress: Progress | None = None,
        max_bad_share: float = 0.02,
    ) -> Extraction:
        """Computes what the cache lacks, in batches of like length.

        Audio that does not decode is skipped by name and counted; above `max_bad_share` of the utterances that have
        any, `InputError` (exit 5). Features that are not finite: `LivemercError` that names the utterance. A cache of
        another configuration: `ConfigError` (exit 2). A full disk: `LivemercError` (exit 6). Work so far is kept.
        """
        self._open_for(frontend)
        report = Extraction()
        keys = self._keys(items, frontend.modality, report)
        wanted: dict[str, Item] = {}
        for item, key in zip(items, keys, strict=True):
            if key is not None:
                wanted.setdefault(key, item)
        self._drop_broken(wanted)
        todo = {key: item for key, item in wanted.items() if key not in self._where}
        report.read = sum(key is not None and key not in todo for key in keys)
        present = len(items) - report.absent
        allowed = max_bad_share * present
        done = report.read
        writer = _Writer(self, len(todo))
        try:
            for part in _slices(list(todo.items()), max(64, 4 * batch)):
                self._check_bad(report, allowed, present)
                for chunk in _batches(self._inputs(part, frontend, report), batch):
                    rows = frontend.features([value for _, _, value in chunk]).float().cpu()
                    finite = torch.isfinite(rows).flatten(1).all(1).tolist()
                    good = [i for i, ok in enumerate(finite) if ok]
                    writer.add([chunk[i][0] for i in good], rows[good])
                    if not all(finite):
                        bad = chunk[finite.index(False)][1]
                        raise LivemercError(
                            f"{bad.name}: {frontend.name} gives features that are not finite (NaN); look at this "
                            "utterance and at the weights, then run the same command again."
                        )
                    report.computed += len(good)
                done += len(part)
                if progress is not None:
                    progress(min(done, present), present)
            self._check_bad(report, allowed, present)
        finally:
            writer.flush()
            self._write(FILES, json.dumps(self._files).encode(), "the list of files")
        return report

    def get(self, items: Sequence[Item]) -> list[Tensor | None]:
        """Features (rows, D) float32 of each; None where the modality is absent, was skipped or never extracted.

        Raises `InputError` when the folder is no cache or a shard is broken; the next `extract` mends it.
        """
        modality = self._read_settings()["modality"]
        try:
            self._index(mend=False)
            found: list[Tensor | None] = [None] * len(items)
            places: dict[Path, list[tuple[int, int]]] = {}
            for number, key in enumerate(self._keys(items, modality, Extraction())):
                if key in self._where:
                    path, row = self._where[key]
                    places.setdefault(path, []).append((number, row))
            for path, entries in places.items():
                rows = read_shard(path)
                for number, row in entries:
                    found[number] = rows[row].clone()
        except BrokenShard as error:
            raise InputError(f"{error}; run the extraction again, it computes that part anew.") from error
        return found

    def missing(self, items: Sequence[Item]) -> list[Item]:
        """Those that have the modality and are not in the cache."""
        modality = self._read_settings()["modality"]
        self._index(mend=True)
        report = Extraction()
        keys = self._keys(items, modality, report)
        bad = {name for name, _ in report.skipped}
        return [
            item
            for item, key in zip(items, keys, strict=True)
            if item.name in bad or (key is not None and key not in self._where)
        ]

    def _open_for(self, frontend: Frontend) -> None:
        settings = {
            "format": FORMAT, "modality": frontend.modality, "stored": "float16" if self._half else "float32",
            "fingerprint": frontend.fingerprint, "frontend": frontend.settings,
        }  # fmt: skip
        settings = json.loads(json.dumps(settings))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"{self.folder}: no folder for features ({error.strerror}); name another.") from error
        remove_leftovers(self.folder)
        if (self.folder / SETTINGS).exists():
            differs = _differences(self._read_settings(), settings)
            if differs:
                raise ConfigError(
                    f"{self.folder}: a feature cache of another configuration ({differs}); name another folder, or "
                    "remove this one."
                )
        else:
            self._write(SETTINGS, json.dumps(settings, indent=1).encode(), "its settings")
        self._index(mend=True)

    def _read_settings(self) -> dict[str, Any]:
        path = self.folder / SETTINGS
        try:
            settings = json.loads(path.read_bytes())
            if settings["format"] == FORMAT:
                return settings
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}); extract features first.") from error
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: not the settings of a feature cache; remove the folder.") from error
        raise ConfigError(f"{path}: format {settings['format']}, this version reads {FORMAT}; remove the folder.")

    def _index(self, *, mend: bool) -> None:
        """Where each key lies, from the shards' headers; `mend`: broken shards are removed instead of raised."""
        if self._known:
            return
        where: dict[str, tuple[Path, int]] = {}
        for path in sorted(self.folder.glob("*.safetensors")):
            try:
                where.update({key: (path, row) for row, key in enumerate(shard_keys(path))})
            except BrokenShard as error:
                if not mend:
                    raise
                _say(f"{error}; its utterances are computed anew.")
                path.unlink()
        self._where, self._known = where, True

    def _drop_broken(self, wanted: Iterable[str]) -> None:
        """Checks every shard that holds something wanted, once; removes those that were changed."""
        for path in {self._where[key][0] for key in wanted if key in self._where} - self._whole:
            if is_whole(path):
                self._whole.add(path)
                continue
            _say(f"{path}: truncated or changed; its utterances are computed anew.")
            path.unlink()
            self._where = {key: place for key, place in self._where.items() if place[0] != path}

    def _keys(self, items: Sequence[Item], modality: str, report: Extraction) -> list[str | None]:
        """What each utterance is; None where the modality is absent or its file cannot be read (`report.skipped`)."""
        if modality == "text":
            keys = [_sha(item.text.encode()) if item.text.strip() else None for item in items]
            report.absent = keys.count(None)
            return keys
        if modality == "given":
            return [_sha(item.name.encode()) for item in items]
        keys = []
        for item in items:
            if item.audio is None:
                report.absent += 1
                keys.append(None)
                continue
            try:
                content = self._file_sha(item.audio)
            except OSError as error:
                report.skipped.append((item.name, f"{item.audio}: {error.strerror}"))
                keys.append(None)
                continue
            keys.append(_sha(f"{content}|{item.start_s:.6f}|{item.end_s}".encode()))
        return keys

    def _file_sha(self, path: Path) -> str:
        """Files are hashed once: size and time of change tell whether they are still the same."""
        if self._files is None:
            try:
                self._files = json.loads((self.folder / FILES).read_bytes())
            except (OSError, ValueError):
                self._files = {}  # a help to be quick, nothing more
        assert self._files is not None
        name, status = str(path.absolute()), path.stat()
        known = self._files.get(name)
        if known is not None and known[:2] == [status.st_size, status.st_mtime_ns]:
            return known[2]
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self._files[name] = [status.st_size, status.st_mtime_ns, digest]
        return digest

    def _inputs(
        self, part: Sequence[tuple[str, Item]], frontend: Frontend, report: Extraction
    ) -> list[tuple[str, Item, Any]]:
        """Decoded samples, texts or names of a part of the work."""
        if frontend.modality == "text":
            return [(key, item, item.text) for key, item in part]
        if frontend.modality == "given":
            known: Any = frontend
            report.skipped += [
                (item.name, f"{frontend.name} has no such entry") for _, item in part if item.name not in known
            ]
            return [(key, item, item.name) for key, item in part if item.name in known]
        times = Counter(item.audio for _, item in part)
        whole: tuple[Path | None, np.ndarray] = (None, np.zeros(0, np.float32))
        inputs: list[tuple[str, Item, Any]] = []
        for key, item in part:
            assert item.audio is not None
            try:
                if times[item.audio] > 1:  # a long recording is not decoded from its start for each utterance
                    if whole[0] != item.audio:
                        whole = (item.audio, read_samples(item.audio, SAMPLE_RATE_HZ))
                    samples = stretch(whole[1], SAMPLE_RATE_HZ, item.start_s, item.end_s, item.audio)
                else:
                    samples = read_samples(item.audio, SAMPLE_RATE_HZ, item.start_s, item.end_s)
                if not np.isfinite(samples).all():
                    raise InputError(f"{item.audio}: holds samples that are not finite.")
            except InputError as error:
                report.skipped.append((item.name, str(error)))
                continue
            inputs.append((key, item, samples))
        return inputs

    def _check_bad(self, report: Extraction, allowed: float, present: int) -> None:
        if len(report.skipped) > allowed:
            name, reason = report.skipped[0]
            raise InputError(
                f"{len(report.skipped)} of {present} utterances have audio that cannot be used, more than "
                f"max_bad_share allows ({name} is one: {reason.rstrip('.')}); mend the corpus or allow more."
            )

    def _write(self, name: str, content: bytes, what: str) -> None:
        try:
            write_file(self.folder / name, content)
        except OSError as error:
            raise LivemercError(
                f"{self.folder}: {what} cannot be written ({error.strerror}); free some room and run the same command "
                "again, what was extracted so far is kept."
            ) from error


class _Writer:
    """Collects rows and writes them as shards."""

    def __init__(self, cache: FeatureCache, total: int):
        self._cache, self._total = cache, total
        self._keys: list[str] = []
        self._rows: list[Tensor] = []
        self._written = 0
        self._since = time.monotonic()

    def add(self, keys: list[str], rows: Tensor) -> None:
        if keys:
            self._keys += keys
            self._rows.append(rows)
        late = time.monotonic() - self._since > self._cache._flush_s
        if len(self._keys) >= self._cache._shard_size or late:
            self.flush()

    def flush(self) -> None:
        keys, rows = self._keys, self._rows
        self._keys, self._rows = [], []
        self._since = time.monotonic()
        if not keys:
            return
        stacked = torch.cat(rows).to(torch.float16 if self._cache._half else torch.float32)
        try:
            path = write_shard(self._cache.folder, keys, stacked)
        except OSError as error:
            raise LivemercError(
                f"{self._cache.folder}: features cannot be written ({error.strerror}); {self._written} of "
                f"{self._total} new ones are kept, free some room and run the same command again."
            ) from error
        self._written += len(keys)
        self._cache._whole.add(path)
        self._cache._where.update({key: (path, row) for row, key in enumerate(keys)})


def _batches(inputs: list[tuple[str, Item, Any]], size: int) -> Iterator[list[tuple[str, Item, Any]]]:
    """By length, longest first: what does not fit into memory fails at once."""
    yield from _slices(sorted(inputs, key=lambda entry: -len(entry[2])), size)


def _slices(entries: list[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(entries), size):
        yield entries[start : start + size]


def _differences(there: dict[str, Any], here: dict[str, Any]) -> str:
    """ "frontend.layers is 13 there and 7 here"; "" where nothing differs."""
    flat_there, flat_here = flat(there), flat(here)
    names = [n for n in sorted(set(flat_there) | set(flat_here)) if flat_there.get(n) != flat_here.get(n)]
    shown = [n for n in names if n != "fingerprint"]
    if names and not shown:
        return "the weights differ"
    return "; ".join(f"{n} is {flat_there.get(n)} there and {flat_here.get(n)} here" for n in shown)


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def _say(message: str) -> None:
    print(f"livemerc-train: {message}", file=sys.stderr)
