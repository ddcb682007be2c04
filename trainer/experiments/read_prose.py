"""Whether prose that is read aloud stays neutral: its words as the recogniser hears them, its voice, and both.

Readers of LibriSpeech (novels), LJSpeech and LibriVox whom no stage heard, in pieces of a few seconds as endpointing
would leave them. `cold`: each piece by itself, of nobody who is known; `warm`: a reader's pieces in their order, from
the seventh on. Shares that are called neutral.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from livemerc.asr.engine import AsrEngine
from livemerc.asr.select import choose_engine
from livemerc.audio.items import Utterance
from livemerc.audio.read import read_samples
from livemerc.config import SAMPLE_RATE_HZ, AsrConfig, Config, DialogueConfig
from livemerc.emotions import LABELS
from livemerc.model.checkpoint import read_manifest
from livemerc.model.encoders import load_model
from trainer.corpora.manifest import ManifestRow
from trainer.corpora.voices import read_clips
from trainer.evaluation.evaluate import Encoded, judge
from trainer.experiments.results import FIGURES, Rows, table
from trainer.loop.saving import save_json

READERS = ("librispeech", "read")
LEAST_S = 2.0
WARM = 7
"""A reader's piece from which on the voice is known."""
NEUTRAL = LABELS.index("neutral")
BRANCHES = {"words": (True, False), "voice": (False, True), "fused": (True, True)}


def pieces(data: Path, corpus: str, piece_s: float) -> Iterator[tuple[str, np.ndarray]]:
    """(reader, samples at 16 kHz), in order; what is left of a clip is a piece from `LEAST_S` on."""
    for clip in read_clips(data, corpus):
        samples = read_samples(clip.path, SAMPLE_RATE_HZ)
        size = round(piece_s * SAMPLE_RATE_HZ)
        for start in range(0, len(samples), size):
            piece = samples[start : start + size]
            if len(piece) >= LEAST_S * SAMPLE_RATE_HZ:
                yield clip.speaker, piece


def words(engine: AsrEngine, samples: np.ndarray) -> str:
    """Of samples at 16 kHz."""
    length_s = len(samples) / SAMPLE_RATE_HZ
    return engine.transcribe(Utterance("u", samples, 0.0, 0.0, length_s, length_s, False)).text


def run(checkpoints: Sequence[Path | None], data: Path, piece_s: float, out: Path) -> list[str]:
    """All checkpoints: the table. Raises `InputError`, `ModelError`."""
    engine = choose_engine(Config(asr=AsrConfig(engine="faster-whisper")), announce=lambda _: None)
    heard = {
        corpus: [(who, piece, words(engine, piece)) for who, piece in pieces(data, corpus, piece_s)]
        for corpus in READERS
    }
    engine.close()
    rows: Rows = {}
    for checkpoint in checkpoints:
        name = read_manifest(checkpoint).id if checkpoint is None else str(checkpoint)
        for corpus, found in heard.items():
            for branch, shares in figures(checkpoint, found).items():
                rows[f"{name}, {corpus}, {branch}"] = shares
    save_json({"piece_s": piece_s, "rows": rows}, out / FIGURES)
    return table(rows)


def figures(checkpoint: Path | None, heard: Sequence[tuple[str, np.ndarray, str]]) -> Rows:
    """{branch: {"cold", "warm", "pieces"}}. heard: (reader, samples, words)."""
    model, encoders = load_model(checkpoint, "cpu", 1)
    rule = read_manifest(checkpoint).abstention
    dialogues: dict[str, list[Encoded]] = defaultdict(list)
    for number, (reader, samples, said) in enumerate(heard):
        row = ManifestRow(
            dialogue_id=reader, utterance_id=str(number), speaker=reader, audio=None, start_s=0.0,
            end_s=len(samples) / SAMPLE_RATE_HZ, text=said, emotion="neutral",
            sentiment=None, where="", line=0, split="",
        )  # fmt: skip
        t1 = encoders.text([said])[0] if said else None
        dialogues[reader].append(Encoded(row, t1, encoders.speech(samples)))
    rows: Rows = {}
    for branch, (text, speech) in BRANCHES.items():
        cold: list[np.ndarray] = []
        warm: list[np.ndarray] = []
        for dialogue in dialogues.values():
            for e in dialogue:
                cold.append(judge(model, [e], DialogueConfig(revise=0), rule, text=text, speech=speech)[0])
            warm.extend(judge(model, dialogue, DialogueConfig(revise=0), rule, text=text, speech=speech)[WARM - 1 :])
        rows[branch] = {"pieces": len(cold), "cold": share_neutral(cold), "warm": share_neutral(warm)}
    return rows


def share_neutral(probabilities: Sequence[np.ndarray]) -> float:
    """Of (C,) each; NaN of none."""
    return float(np.mean([p.argmax() == NEUTRAL for p in probabilities])) if len(probabilities) else float("nan")
