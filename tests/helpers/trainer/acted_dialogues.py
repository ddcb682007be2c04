"""Recordings of acted dialogues with a manifest: RAVDESS clips one after the other, with pauses, as two people talk."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from helpers import wav_file as wav

from livemerc.audio.read import read_samples
from livemerc.config import SAMPLE_RATE_HZ
from livemerc.emotions import LABELS
from trainer.corpora.manifest import COLUMNS
from trainer.corpora.ravdess import STATEMENTS, read_ravdess


def write_acted(
    corpus: Path,
    folder: Path,
    actors: tuple[str, ...],
    dialogues: int,
    length: int,
    pause_s: float = 0.9,
    seed: int = 0,
) -> Path:
    """`dialogues` recordings `0.wav`, ... of `length` clips of the actors, drawn without replacement; returns
    `manifest.csv` beside them. Clips are 16 kHz with .25 s of silence left at their ends."""
    rng = np.random.default_rng(0)
    clips = [c for c in read_ravdess(corpus) if c.speaker in actors]
    chosen = rng.permutation(len(clips))[: dialogues * length]
    assert len(chosen) == dialogues * length
    quiet = 1e-4 * rng.standard_normal(round(pause_s * SAMPLE_RATE_HZ)).astype(np.float32)
    rows = []
    for d in range(dialogues):
        pieces, at_s = [quiet], pause_s
        for n, clip in enumerate(clips[i] for i in chosen[d * length : (d + 1) * length]):
            samples = read_samples(clip.path, SAMPLE_RATE_HZ)
            # Recorded at speaking levels that differ by 30 dB: brought near each other, as an AGC does.
            samples = samples * (0.1 / max(1e-4, float(np.sqrt(np.mean(samples**2)))))
            end_s = at_s + len(samples) / SAMPLE_RATE_HZ
            text = STATEMENTS[clip.clip_id.split("-")[4]]
            rows.append([f"d{d}", str(n), clip.speaker, f"{d}.wav", f"{at_s:.4f}", f"{end_s:.4f}", text,
                         LABELS[clip.label], "test"])  # fmt: skip
            pieces += [samples, quiet]
            at_s = end_s + pause_s
        wav.write(folder / f"{d}.wav", np.concatenate(pieces), SAMPLE_RATE_HZ)
    path = folder / "manifest.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return path
