"""Frozen features, extracted once: a folder of shards, keyed by the content of each utterance (`fronts.items`).

One folder belongs to one front end with one set of weights and settings; another one is refused by a sentence that
names what differs. A run that is killed goes on after the last shard; a second run only reads.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from livemerc.errors import ConfigError, InputError, LivemercError
from livemerc.model.frozen_speech import FrozenSpeech
from trainer.files import told
from trainer.fronts.items import FileHashes, Item, Skipped, inputs_of, keys_of
from trainer.fronts.shards import BrokenShard, ShardFolder, ShardWriter, remove_leftovers, write_file
from trainer.loop.differences import flat
from trainer.loop.processes import groups

FORMAT = 1
SETTINGS = "settings.json"
FILES = "files.json"

Progress = Callable[[int, int], None]
"""Called with utterances done and utterances in all."""


@dataclass(slots=True)
class Extraction:
    """What `FeatureCache.extract` did. `absent`: utterances without this modality; `skipped`: those whose audio cannot
    be used."""

    computed: int = 0
    read: int = 0
    absent: int = 0
    skipped: Skipped = field(default_factory=list)


class FeatureCache:
    """Features of one front end in `folder` (made if need be).

    `shard_size` rows a file; `flush_s`: what is newer than this may be lost by kill -9. Stored is float32, which gives
    back exactly what was computed.
    """

    def __init__(self, folder: str | Path, *, shard_size: int = 512, flush_s: float = 60.0):
        self.folder = Path(folder)
        self._shard_size, self._flush_s = shard_size, flush_s
        self._shards = ShardFolder(self.folder, _say)
        self._hashes = FileHashes(self.folder / FILES)

    def extract(
        self,
        items: Sequence[Item],
        frontend: FrozenSpeech,
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
        keys, skipped = keys_of(items, frontend.modality, self._hashes)
        report = Extraction(absent=keys.count(None) - len(skipped), skipped=skipped)
        wanted: dict[str, Item] = {}
        for item, key in zip(items, keys, strict=True):
            if key is not None:
                wanted.setdefault(key, item)
        self._shards.drop_broken(wanted)
        todo = {key: item for key, item in wanted.items() if key not in self._shards.where}
        report.read = sum(key is not None and key not in todo for key in keys)
        present = len(items) - report.absent
        allowed = max_bad_share * present
        done = report.read
        writer = ShardWriter(self.folder, self._shard_size, self._flush_s, len(todo), self._shards.written)
        try:
            for part in groups(todo.items(), max(64, 4 * batch)):
                _check_bad(report.skipped, allowed, present)
                inputs, skipped = inputs_of(part, frontend)
                report.skipped += skipped
                # By length, longest first: what does not fit into memory fails at once.
                for chunk in groups(sorted(inputs, key=lambda entry: -len(entry[2])), batch):
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
            _check_bad(report.skipped, allowed, present)
        finally:
            writer.flush()
            self._write(FILES, self._hashes.content(), "the list of files")
        return report

    def get(self, items: Sequence[Item]) -> list[Tensor | None]:
        """Features (rows, D) float32 of each; None where the modality is absent, was skipped or never extracted.

        Raises `InputError` when the folder is no cache or a shard is broken; the next `extract` mends it.
        """
        modality = self._read_settings()["modality"]
        try:
            self._shards.index(mend=False)
            found: list[Tensor | None] = [None] * len(items)
            for number, row in self._shards.rows(keys_of(items, modality, self._hashes)[0]):
                found[number] = row.clone()
        except BrokenShard as error:
            raise InputError(f"{error}; run the extraction again, it computes that part anew.") from error
        return found

    def _open_for(self, frontend: FrozenSpeech) -> None:
        settings = {
            "format": FORMAT, "modality": frontend.modality, "stored": "float32",
            "fingerprint": frontend.fingerprint, "frontend": frontend.settings,
        }  # fmt: skip
        settings = json.loads(json.dumps(settings))
        with told(ConfigError, f"{self.folder}: no folder for features", "name another"):
            self.folder.mkdir(parents=True, exist_ok=True)
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
        self._shards.index(mend=True)

    def _read_settings(self) -> dict[str, Any]:
        path = self.folder / SETTINGS
        try:
            with told(InputError, f"{path}: cannot be read", "extract features first"):
                settings = json.loads(path.read_bytes())
            if settings["format"] == FORMAT:
                return settings
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: not the settings of a feature cache; remove the folder.") from error
        raise ConfigError(f"{path}: format {settings['format']}, this version reads {FORMAT}; remove the folder.")

    def _write(self, name: str, content: bytes, what: str) -> None:
        mend = "free some room and run the same command again, what was extracted so far is kept"
        with told(LivemercError, f"{self.folder}: {what} cannot be written", mend):
            write_file(self.folder / name, content)


def _check_bad(skipped: Skipped, allowed: float, present: int) -> None:
    if len(skipped) > allowed:
        name, reason = skipped[0]
        raise InputError(
            f"{len(skipped)} of {present} utterances have audio that cannot be used, too many to train without them "
            f"({name} is one: {reason.rstrip('.')}); mend the corpus, `livemerc-train prepare` names them."
        )


def _differences(there: dict[str, Any], here: dict[str, Any]) -> str:
    """ "frontend.layers is 13 there and 7 here"; "" where nothing differs."""
    flat_there, flat_here = flat(there), flat(here)
    names = [n for n in sorted(set(flat_there) | set(flat_here)) if flat_there.get(n) != flat_here.get(n)]
    shown = [n for n in names if n != "fingerprint"]
    if names and not shown:
        return "the weights differ"
    return "; ".join(f"{n} is {flat_there.get(n)} there and {flat_here.get(n)} here" for n in shown)


def _say(message: str) -> None:
    print(f"livemerc-train: {message}", file=sys.stderr)
