"""RAVDESS and nEMO as corpora: acted clips, each a dialogue of its own, split by speaker."""

from __future__ import annotations

from pathlib import Path

from livemerc.emotions import LABELS
from livemerc.errors import ConfigError, InputError
from trainer.corpora.clips import Clip
from trainer.corpora.corpus import Corpus, LabelledUtterance
from trainer.corpora.nemo import read_nemo
from trainer.corpora.ravdess import STATEMENTS, read_ravdess
from trainer.corpora.speaker_split import speaker_split

_SPLIT_OF_PART = {"A": "train", "B": "dev", "C": "test"}
FOLDS = {
    "ravdess": tuple(tuple(str(actor) for actor in range(4 * k - 3, 4 * k + 1)) for k in range(1, 7)),
    "nemo": (("EB0", "IC0", "KD0"), ("KS0", "MK0", "MP0"), ("SM0", "TP0", "WR0")),
}
"""Groups of speakers, held out in turn: six of four actors, three of three."""


def read_ravdess_corpus(path: Path, *, fold: int | None = None) -> Corpus:
    """RAVDESS, seven classes (calm counts as neutral), split by actor.

    `fold` None: actors 1-16 train, 17-20 dev, 21-24 test (`speech_split.json`). `fold` 1 to 6: actors 4 fold - 3 to
    4 fold test, the others train, and there is no dev. `path`: the folder with the clips, or with the release's
    Actor_01 ... Actor_24. Raises `InputError`.
    """
    clips = read_ravdess(path)
    texts = {clip.clip_id: STATEMENTS[clip.clip_id.split("-")[4]] for clip in clips}
    return _corpus("ravdess", clips, texts, fold, [])


def read_nemo_corpus(path: Path, *, fold: int | None = None) -> Corpus:
    """nEMO, six classes (no disgust), split by speaker.

    `fold` None: the parts of `speech_split.json`; `fold` 1 to 3: the three speakers of `FOLDS["nemo"][fold - 1]` test,
    the others train, and there is no dev. `path`: the folder with data.tsv and the clips. Raises `InputError`.
    """
    missing: list[Path] = []
    texts: dict[str, str] = {}
    clips = read_nemo(path, missing=missing, texts=texts)
    return _corpus("nemo", clips, texts, fold, missing)


def _corpus(name: str, clips: list[Clip], texts: dict[str, str], fold: int | None, missing: list[Path]) -> Corpus:
    groups = FOLDS[name]
    if fold is None:
        split_of = {speaker: _SPLIT_OF_PART[part] for part, given in speaker_split().items() for speaker in given[name]}
        splits: dict[str, list[list[LabelledUtterance]]] = {"train": [], "dev": [], "test": []}
        note = "split by speaker into the parts of speech_split.json"
    elif 1 <= fold <= len(groups):
        split_of = {speaker: "train" for group in groups for speaker in group} | dict.fromkeys(groups[fold - 1], "test")
        splits = {"train": [], "test": []}
        note = f"fold {fold} of {len(groups)}: speakers {', '.join(groups[fold - 1])} held out"
    else:
        raise ConfigError(f"corpus {name}, option fold: there is no fold {fold}; give 1 to {len(groups)}.")
    absent = set(missing)
    for clip in clips:
        if clip.speaker not in split_of:
            raise InputError(f"{clip.path}: speaker {clip.speaker} is none of {name}'s; leave only its clips there.")
        splits[split_of[clip.speaker]].append(
            [
                LabelledUtterance(
                    clip.clip_id, clip.clip_id, f"{name}-{clip.speaker}", texts.get(clip.clip_id, ""),
                    None if clip.path in absent else clip.path, 0.0, None, LABELS[clip.label], None, str(clip.path),
                )
            ]
        )  # fmt: skip
    present = {clip.label for clip in clips}
    return Corpus(name, tuple(label for i, label in enumerate(LABELS) if i in present), splits, missing, note)
