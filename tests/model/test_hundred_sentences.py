"""A hundred plain sentences whose emotion no person would mistake, as Whisper writes them. None is of a corpus."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import livemerc
from livemerc.emotions import LABELS

PATH = Path(__file__).with_name("hundred_sentences.tsv")
SENTENCES = [tuple(line.split("\t")) for line in PATH.read_text().splitlines()]


def test_the_sentences_are_a_hundred_of_all_labels_without_marks_of_feeling() -> None:
    assert len({text for _, text in SENTENCES}) == 100
    assert set(Counter(label for label, _ in SENTENCES)) == set(LABELS)
    assert min(Counter(label for label, _ in SENTENCES).values()) >= 14
    assert not any(mark in text for _, text in SENTENCES for mark in '!…"()')


def test_ninety_five_of_a_hundred_plain_sentences_are_judged_right() -> None:
    predictor = livemerc.load()
    wrong = []
    for label, text in SENTENCES:
        probabilities = predictor.predict(None, text, []).probabilities
        if (said := max(probabilities, key=lambda k: probabilities[k])) != label:
            wrong.append(f"{text} ({label}, not {said})")
    assert len(wrong) <= 5, wrong
