"""GoEmotions (Demszky et al. 2020), mapped to Ekman's six + neutral: single comments, some with several labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from livemerc.emotions import LABELS
from livemerc.errors import InputError
from trainer.corpora.corpus import SPLITS, Corpus, LabelledUtterance
from trainer.corpora.rows import duplicate, no_such_folder, read_text

_MEND = "use the files of the release (ekman_labels.txt, ekman_train.tsv, ...)"


@dataclass(frozen=True, slots=True)
class Comment:
    """`labels`: one or more of `emotions.LABELS`, in the release's order."""

    comment_id: str
    text: str
    labels: tuple[str, ...]
    where: str


def parse_goemotions(folder: Path, split: str) -> list[Comment]:
    """Comments of `ekman_{split}.tsv` (text, comma-separated indices into ekman_labels.txt, id).

    Raises `InputError` naming file and line.
    """
    table = folder / "ekman_labels.txt"
    names = read_text(table, _MEND).split()
    foreign = [name for name in names if name not in LABELS]
    if foreign or not names:
        raise InputError(f"{table}: {', '.join(foreign) or 'no label'} is not one of {', '.join(LABELS)}; {_MEND}.")
    path = folder / f"ekman_{split}.tsv"
    comments = []
    seen: dict[str, str] = {}
    # lines end at "\n" alone: comments may hold other separators (U+2028, U+0085)
    for number, line in enumerate(read_text(path, _MEND).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        fields = line.rstrip("\r").rsplit("\t", 2)
        if len(fields) != 3:
            raise InputError(f"{where}: not text, labels and id, separated by tabs; {_MEND}.")
        text, indices, comment = fields
        chosen = []
        for index in indices.split(","):
            if not (index.isascii() and index.isdigit() and len(index) < 4 and int(index) < len(names)):
                raise InputError(f"{where}: label {index!r} is no index into {table.name}; {_MEND}.")
            chosen.append(names[int(index)])
        if comment in seen:
            raise duplicate(f"comment {comment!r}", where, seen[comment])
        seen[comment] = where
        comments.append(Comment(comment, " ".join(text.split()), tuple(chosen), where))
    return comments


def read_goemotions_corpus(path: Path, *, several: Literal["first", "drop"] = "first") -> Corpus:
    """GoEmotions as a corpus in which each comment is a dialogue of one utterance; no speakers, no audio.

    `several`: a comment with more than one label takes the first (the alphabet's order, thus arbitrary) or is left out;
    `text_corpora.read_goemotions` gives them all, as a distribution. Raises `InputError`.
    """
    present = [split for split in SPLITS if (path / f"ekman_{split}.tsv").is_file()]
    if not present:
        raise no_such_folder(path, "the folder with ekman_labels.txt and ekman_train.tsv")
    splits: dict[str, list[list[LabelledUtterance]]] = {}
    plural = 0
    for split in present:
        splits[split] = []
        for c in parse_goemotions(path, split):
            plural += len(c.labels) > 1
            if len(c.labels) == 1 or several == "first":
                splits[split].append(
                    [
                        LabelledUtterance(
                            c.comment_id, c.comment_id, None, c.text, None, 0.0, None, c.labels[0], None, c.where
                        )
                    ]
                )
    done = "take the first" if several == "first" else "are left out"
    return Corpus("goemotions", LABELS, splits, note=f"{plural} comments with several labels {done}")
