"""Judges labelled dialogues as the live monitor would, causal and at lag R (`livemerc-train evaluate`)."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from livemerc.config import DialogueConfig
from livemerc.errors import InputError, ModelError
from livemerc.model.checkpoint import read_manifest
from livemerc.model.encoders import Encoders, choose_device, load_model
from livemerc.model.merits import MeritsL
from livemerc.pipeline.abstention import Cues
from livemerc.pipeline.dialogue import Dialogue
from trainer.corpora.manifest import ManifestRow, read_manifest_dialogues
from trainer.corpora.recordings import Recordings
from trainer.loop.metrics import classification_metrics


@dataclass(frozen=True, slots=True)
class Encoded:
    """One row after Stage I: T1 (Dt,), the voice as `Encoders.speech` gives it; None where the modality is empty."""

    row: ManifestRow
    t1: Tensor | None
    voice: Tensor | None


@dataclass(frozen=True, slots=True)
class Judgement:
    """Labelled rows and the probabilities at which the live monitor freezes them, each (N, C); None = no such column.

    truth (N,) int; dialogue (N,) int, 0 .. D - 1; has_text, has_speech (N,) bool.
    """

    labels: list[str]
    truth: np.ndarray
    dialogue: np.ndarray
    has_text: np.ndarray
    has_speech: np.ndarray
    text: np.ndarray | None
    speech: np.ndarray | None
    fused: np.ndarray

    def branches(self) -> dict[str, np.ndarray]:
        """The branches that there are, by name, "fused" last."""
        named = {"text": self.text, "speech": self.speech, "fused": self.fused}
        return {name: p for name, p in named.items() if p is not None}

    def figures(self) -> dict[str, Any]:
        """The object of the contract: {"text": M|None, "speech": M|None, "fused": M, "n", "labels"}.

        A branch alone has the other masked; None where its column is empty in every row.
        """
        found = {name: classification_metrics(p, self.truth, self.labels) for name, p in self.branches().items()}
        return {
            **{name: found.get(name) for name in ("text", "speech", "fused")},
            "n": len(self.truth),
            "labels": self.labels,
        }


class Evaluation:
    """A manifest's dialogues after Stage I of one checkpoint: encoded once, judged at any lag.

    Raises `InputError`, `ModelError`.
    """

    def __init__(
        self,
        manifest: Path,
        split: str | None = None,
        checkpoint: str | Path | None = None,
        context: int | None = None,
        device: str = "auto",
        threads: int = 1,
        write: Callable[[str], str] = str,
    ):
        """`write`: what each text is turned into first (`trainer.corpora.writings.writer`)."""
        self.path = checkpoint
        self.checkpoint = read_manifest(checkpoint)
        self.labels = self.checkpoint.labels
        dialogues = [
            [replace(row, text=write(row.text)) for row in dialogue]
            for dialogue in read_manifest_dialogues(manifest, self.labels, split)
        ]
        self.model, self.encoders = load_model(checkpoint, choose_device(device), threads)
        self.dialogues = encode(dialogues, self.encoders)
        self.context = context or DialogueConfig().context
        self._count()

    def _count(self) -> None:
        """`truth`, `dialogue`, `has_text` and `has_speech` are of the rows that are judged, context rows left out."""
        self._judged = np.array([not e.row.context_only for d in self.dialogues for e in d])
        rows = [e for d in self.dialogues for e in d if not e.row.context_only]
        self.truth = np.array([self.labels.index(e.row.emotion or "") for e in rows])
        lengths = [sum(not e.row.context_only for e in d) for d in self.dialogues]
        self.dialogue = np.repeat(np.arange(len(self.dialogues)), lengths)
        self.has_text = np.array([e.t1 is not None for e in rows])
        self.has_speech = np.array([e.voice is not None for e in rows])

    def without_context(self) -> Evaluation:
        """The same of the judged rows alone; nothing is encoded anew."""
        if self._judged.all():
            return self
        other = copy.copy(self)
        other.dialogues = [[e for e in d if not e.row.context_only] for d in self.dialogues]
        other._count()
        return other

    def judge(
        self, lag: int, *, text: bool = True, speech: bool = True, fuse_ms: list[float] | None = None
    ) -> np.ndarray:
        """(N, C) probabilities of the judged rows at lag R with the modalities asked for; see `judge`."""
        config = DialogueConfig(context=self.context, revise=lag)
        rule = self.checkpoint.abstention
        try:
            every = np.concatenate(
                [judge(self.model, d, config, rule, text=text, speech=speech, fuse_ms=fuse_ms) for d in self.dialogues]
            )
            return every[self._judged]
        except ArithmeticError as error:  # of the dialogue window
            raise ModelError(
                f"checkpoint {self.checkpoint.id}: its probabilities are not numbers (NaN weights?); train it again."
            ) from error

    def judgement(self, lag: int = 0) -> Judgement:
        """Each branch with the other masked, and both."""
        return Judgement(
            self.labels, self.truth, self.dialogue, self.has_text, self.has_speech,
            self.judge(lag, speech=False) if self.has_text.any() else None,
            self.judge(lag, text=False) if self.has_speech.any() else None,
            self.judge(lag),
        )  # fmt: skip


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
    audio = RowAudio(rows)
    out, number = [], 0
    for dialogue in dialogues:
        encoded = []
        for row in dialogue:
            voice = None if row.audio is None else encoders.speech(audio.samples(row))
            encoded.append(Encoded(row, t1.get(number), voice))
            number += 1
        out.append(encoded)
    return out


class RowAudio:
    """The samples of a manifest's rows."""

    def __init__(self, rows: Sequence[ManifestRow]):
        self._recordings = Recordings(row.audio for row in rows)

    def samples(self, row: ManifestRow) -> np.ndarray:
        """(n,) float32 at 16 kHz, n >= 1, of a row that has audio. Raises `InputError` that names the line."""
        assert row.audio is not None
        try:
            return self._recordings.samples(row.audio, row.start_s, row.end_s)
        except InputError as error:
            raise InputError(f"line {row.line} of the manifest: {error}") from error


def judge(
    model: MeritsL,
    dialogue: Sequence[Encoded],
    config: DialogueConfig,
    abstention: Any,
    *,
    text: bool,
    speech: bool,
    fuse_ms: list[float] | None = None,
) -> np.ndarray:
    """(n, C) probabilities at which the live dialogue freezes each utterance, by the live code itself.

    `fuse_ms` gets the milliseconds that Stages II and III took for each utterance.
    """
    window = Dialogue(model, config, abstention)
    frozen = {}
    events = []
    for number, e in enumerate(dialogue):
        duration_s = float("inf") if e.row.end_s is None else e.row.end_s - e.row.start_s
        began = time.perf_counter()
        voice = e.voice if speech else None
        events += window.add(str(number), e.t1 if text else None, voice, Cues(duration_s), speaker=e.row.speaker)
        if fuse_ms is not None:
            fuse_ms.append((time.perf_counter() - began) * 1000)
    events += window.freeze_all()
    for event in events:
        if event.status == "frozen":
            frozen[int(event.utterance_id)] = [event.probabilities[label] for label in model.labels]
    return np.array([frozen[i] for i in range(len(dialogue))])
