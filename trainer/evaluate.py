"""`livemerc-train evaluate`: what the live monitor would run on labelled dialogues, causal, at lag R."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from livemerc.audio.read import read_samples
from livemerc.config import SAMPLE_RATE_HZ, DialogueConfig
from livemerc.dialogue import Cues, Dialogue
from livemerc.errors import InputError
from livemerc.model.checkpoint import read_manifest as read_checkpoint_manifest
from livemerc.model.encoders import Encoders, choose_device, load_model
from livemerc.model.merits import MeritsL
from trainer.corpora.manifest import ManifestRow, read_manifest
from trainer.metrics import classification_metrics


@dataclass(frozen=True, slots=True)
class Encoded:
    """One row after Stage I: T1 (Dt,), S1 (Ds,), None where the modality is empty."""

    row: ManifestRow
    t1: Tensor | None
    s1: Tensor | None


def evaluate(
    manifest: Path,
    split: str | None = None,
    checkpoint: str | Path | None = None,
    lag: int = 0,
    context: int | None = None,
    device: str = "auto",
    threads: int = 1,
) -> dict[str, Any]:
    """The object of the contract: {"text": M|None, "speech": M|None, "fused": M, "n", "labels"}.

    A branch alone has the other masked; None where its column is empty in every row. `lag` = R, later utterances that
    may still change a label. Raises `InputError`, `ModelError`.
    """
    labels = read_checkpoint_manifest(checkpoint).labels
    dialogues = read_manifest(manifest, labels, split)
    model, encoders = load_model(checkpoint, choose_device(device), threads)
    encoded = encode(dialogues, encoders)
    config = DialogueConfig(context=context or DialogueConfig().context, revise=lag)
    abstention = read_checkpoint_manifest(checkpoint).abstention
    rows = [e for dialogue in encoded for e in dialogue]
    truth = np.array([labels.index(e.row.emotion) for e in rows])

    def run(text: bool, speech: bool) -> dict[str, Any]:
        probabilities = np.concatenate([judge(model, d, config, abstention, text=text, speech=speech) for d in encoded])
        return classification_metrics(probabilities, truth, labels)

    return {
        "text": run(True, False) if any(e.t1 is not None for e in rows) else None,
        "speech": run(False, True) if any(e.s1 is not None for e in rows) else None,
        "fused": run(True, True),
        "n": len(rows),
        "labels": labels,
    }


def encode(dialogues: Sequence[Sequence[ManifestRow]], encoders: Encoders, batch: int = 32) -> list[list[Encoded]]:
    """Stage I of every row, once; texts in batches of like length (the result does not depend on the batch).

    Raises `InputError` that names the line where audio cannot be read.
    """
    rows = [row for dialogue in dialogues for row in dialogue]
    t1: dict[int, Tensor] = {}
    worded = sorted((i for i, r in enumerate(rows) if r.text), key=lambda i: len(rows[i].text))
    for start in range(0, len(worded), batch):
        part = worded[start : start + batch]
        t1.update(zip(part, encoders.text([rows[i].text for i in part]), strict=True))
    # A long recording is decoded once and not anew, from its start, for each of its rows.
    shared = {path for path, n in Counter(r.audio for r in rows).items() if path is not None and n > 1}
    whole: tuple[Path, np.ndarray] | None = None
    out, number = [], 0
    for dialogue in dialogues:
        encoded = []
        for row in dialogue:
            s1 = None
            if row.audio is not None:
                try:
                    if row.audio in shared:
                        if whole is None or whole[0] != row.audio:
                            whole = (row.audio, read_samples(row.audio, SAMPLE_RATE_HZ))
                        samples = _stretch(whole[1], row)
                    else:
                        samples = read_samples(row.audio, SAMPLE_RATE_HZ, row.start_s, row.end_s)
                except InputError as error:
                    raise InputError(f"line {row.line} of the manifest: {error}") from error
                s1 = encoders.speech(samples)
            encoded.append(Encoded(row, t1.get(number), s1))
            number += 1
        out.append(encoded)
    return out


def _stretch(samples: np.ndarray, row: ManifestRow) -> np.ndarray:
    """The row's part of its recording, (n,) at 16 kHz, n >= 1."""
    end = None if row.end_s is None else round(row.end_s * SAMPLE_RATE_HZ)
    part = samples[round(row.start_s * SAMPLE_RATE_HZ) : end]
    if not len(part):
        raise InputError(f"{row.audio}: no audio from {row.start_s:g} s on; the recording ends before.")
    return part


def judge(
    model: MeritsL, dialogue: Sequence[Encoded], config: DialogueConfig, abstention: Any, *, text: bool, speech: bool
) -> np.ndarray:
    """(n, C) probabilities at which the live dialogue freezes each utterance, by the live code itself."""
    window = Dialogue(model, config, abstention)
    frozen = {}
    events = []
    for number, e in enumerate(dialogue):
        duration_s = float("inf") if e.row.end_s is None else e.row.end_s - e.row.start_s
        events += window.add(str(number), e.t1 if text else None, e.s1 if speech else None, Cues(duration_s))
    events += window.freeze_all()
    for event in events:
        if event.status == "frozen":
            frozen[int(event.utterance_id)] = [event.probabilities[label] for label in model.labels]
    return np.array([frozen[i] for i in range(len(dialogue))])
