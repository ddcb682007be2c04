"""What a corpus must hold before anything is trained or measured on it."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

from livemerc.errors import InputError
from trainer.corpora.corpus import Corpus


def shared_speakers(corpus: Corpus) -> dict[tuple[str, str], list[str]]:
    """{(split, other split): speakers of both, the most talkative first}; pairs without any are left out."""
    spoken = {
        split: Counter(u.speaker for u in corpus.utterances(split) if u.speaker is not None) for split in corpus.splits
    }
    shared = {}
    for one, other in combinations(corpus.splits, 2):
        both = spoken[one].keys() & spoken[other].keys()
        if both:
            shared[one, other] = sorted(both, key=lambda s: (-spoken[one][s] - spoken[other][s], s))
    return shared


def faults(corpus: Corpus, *, allow_shared_speakers: bool = False) -> list[str]:
    """Sentences, each with its mend, that say what makes training or its figures void; empty where all is well.

    A speaker in two splits lets a model know voices instead of emotions. Where the official split of a corpus does so
    (`shares_speakers`), it is kept, because figures must compare with published ones; `prepare` says so.
    """
    found = []
    for split in corpus.splits:
        classes = Counter(u.emotion for u in corpus.utterances(split) if u.emotion is not None)
        if not classes:
            found.append(
                f"{corpus.name}: split {split} is empty (no labelled utterance); complete the copy, or name its files."
            )
        elif len(classes) == 1 and not corpus.single_class:
            found.append(
                f"{corpus.name}: split {split} holds one class only ({next(iter(classes))}); "
                "nothing can be learnt or measured there, so label more or split anew."
            )
    if not corpus.splits:
        found.append(f"{corpus.name}: no splits at all; fill in the column that names them.")
    if not corpus.shares_speakers and not allow_shared_speakers:
        for (one, other), speakers in shared_speakers(corpus).items():
            names = ", ".join(speakers[:5]) + (", ..." if len(speakers) > 5 else "")
            found.append(
                f"{corpus.name}: {len(speakers)} speaker(s) in both {one} and {other} ({names}); give each to one "
                "split (and another name to another person), or allow it with --allow-shared-speakers."
            )
    return found


def check(corpus: Corpus, *, allow_shared_speakers: bool = False) -> Corpus:
    """The corpus itself, or an `InputError` with the first of its `faults`."""
    for sentence in faults(corpus, allow_shared_speakers=allow_shared_speakers):
        raise InputError(sentence)
    return corpus
