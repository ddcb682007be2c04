"""How well the detector of overlaps marks where several speak: a call and meetings that were recorded, and made talk.

A mark is right if the reference has an overlap anywhere in it, and an overlap is found if a mark meets it. References
of meetings mark whole phrases, with their pauses, so some of what they call an overlap is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from livemerc.audio.ears import Ears
from livemerc.audio.items import EarItem, Utterance
from livemerc.audio.read import read_samples
from livemerc.audio.source import Block
from livemerc.config import SAMPLE_RATE_HZ, Config
from livemerc.errors import InputError, LivemercError
from livemerc.speakers.overlap import OverlapDetector
from trainer.corpora.voices import read_clips
from trainer.experiments.listening import make, voices_of
from trainer.experiments.results import FIGURES, Rows, table
from trainer.files import told
from trainer.loop.progress import Progress
from trainer.loop.saving import save_json
from trainer.speakers.conversations import Turn

LEAST_S = 0.2
"""Nobody is asked for shorter ones."""
_STEP_S = 0.02


@dataclass(slots=True)
class Marks:
    """Of `heard_s` seconds in utterances: marks, and those that are `right`; overlaps that are `there`, and `found`."""

    heard_s: float = 0.0
    marked: int = 0
    right: int = 0
    there: int = 0
    found: int = 0

    def figures(self) -> dict[str, float]:
        return {
            "minutes": self.heard_s / 60, "marks": float(self.marked), "right": float(self.right),
            "overlaps of .2 s and more": float(self.there), "found": float(self.found),
        }  # fmt: skip


def run(data: Path, corpora: Sequence[str], out: Path, *, conversations: int, turns: int, seed: int) -> list[str]:
    """The call, the meetings, `conversations` made of each of `corpora`. Writes figures.json; returns the table. Raises
    `InputError` for what cannot be read."""
    with told(LivemercError, f"{out}: no folder for an experiment", "name another"):
        out.mkdir(parents=True, exist_ok=True)
    detector = OverlapDetector()
    rows: Rows = {}
    for name, folder in (("the call", data / "speech" / "call"), ("meetings", data / "speech" / "meetings")):
        marks = Marks()
        for samples, reference in recordings(folder):
            count(marks, detector, samples, reference)
        rows[name] = marks.figures()
    for corpus in corpora:
        voices, marks = voices_of(read_clips(data, corpus)), Marks()
        with Progress(f"conversations of {corpus}", 0, conversations, unit="conversation") as progress:
            for number in range(conversations):
                made = make(corpus, voices, number, turns=turns, seed=seed)
                count(marks, detector, made.samples, made.turns)
                progress.update(number + 1)
        rows[f"conversations of {corpus}"] = marks.figures()
    save_json({"conversations": conversations, "turns": turns, "seed": seed, "rows": rows}, out / FIGURES)
    return table(rows)


def recordings(folder: Path) -> Iterator[tuple[np.ndarray, list[Turn]]]:
    """Samples and turns of each recording of a folder with one RTTM file. Raises `InputError`."""
    turns: dict[str, list[Turn]] = {}
    files = sorted(folder.glob("*.rttm"))
    if len(files) != 1:
        raise InputError(f"{folder}: {len(files)} RTTM files; one is needed, with the turns of its recordings.")
    for line in files[0].read_text("utf-8").splitlines():
        _, name, _, start, length, _, _, speaker, *_ = line.split()
        turns.setdefault(name, []).append(Turn(speaker, float(start), float(start) + float(length)))
    for name, of in turns.items():
        yield read_samples(folder / f"{name}.flac", SAMPLE_RATE_HZ), of


def count(marks: Marks, detector: OverlapDetector, samples: np.ndarray, turns: Sequence[Turn]) -> None:
    """Adds what the detector marks in the utterances of a recording."""
    people = sorted({turn.speaker for turn in turns})
    talks = np.zeros((len(people), round(len(samples) / SAMPLE_RATE_HZ / _STEP_S) + 1), bool)
    for turn in turns:
        talks[people.index(turn.speaker), round(turn.start_s / _STEP_S) : round(turn.end_s / _STEP_S)] = True
    several = talks.sum(0) > 1
    ears = Ears(Config(), SAMPLE_RATE_HZ)
    items: list[EarItem] = [*ears.feed(Block(samples, 0.0)), *ears.flush()]
    for heard in items:
        if isinstance(heard, Utterance):
            first = round(heard.samples_start_s / _STEP_S)
            truth = several[first : first + round(len(heard.samples) / SAMPLE_RATE_HZ / _STEP_S)]
            marked = np.zeros(len(truth), bool)
            for begin, end in detector.overlaps(heard.samples):
                span = slice(round(begin / SAMPLE_RATE_HZ / _STEP_S), round(end / SAMPLE_RATE_HZ / _STEP_S))
                marked[span] = True
                marks.marked += 1
                marks.right += bool(truth[span].any())
            there = [span for span in stretches(truth) if span.stop - span.start >= round(LEAST_S / _STEP_S)]
            marks.there += len(there)
            marks.found += sum(bool(marked[span].any()) for span in there)
            marks.heard_s += len(heard.samples) / SAMPLE_RATE_HZ


def stretches(flags: np.ndarray) -> list[slice]:
    """(N,) bool -> where it is true."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(np.int8), [0]))))
    return [slice(int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]
