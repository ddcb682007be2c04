"""Two sessions compared: alignment by time, and figures against hand-counted ones and scikit-learn's."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jiwer
import pytest
from helpers.said_session import Said, said_session
from helpers.sessions import conversation, write_session

from livemerc.emotions import LABELS
from livemerc.sessions.comparison import Comparison, compare, distance
from livemerc.sessions.corrections import CORRECTIONS_FILE
from livemerc.sessions.session import read_session


def compared(tmp_path: Path, a: Sequence[Said], b: Sequence[Said], **of_b: Any) -> Comparison:
    return compare(read_session(said_session(tmp_path / "a", a)), read_session(said_session(tmp_path / "b", b, **of_b)))


def ids(found: Comparison) -> list[tuple[str, str]]:
    return [(pair.a.utterance_id, pair.b.utterance_id) for pair in found.pairs]


def test_a_session_agrees_with_itself(tmp_path: Path) -> None:
    one = read_session(write_session(tmp_path / "a", conversation(5)))
    found = compare(one, one)
    assert ids(found) == [(f"u{n}", f"u{n}") for n in range(1, 6)]
    assert (found.agreement(), found.verdict_agreement(), found.confidence_change()) == (1.0, 1.0, 0.0)
    assert (found.only_a, found.only_b, found.word_errors()["edits"]) == ([], [], 0)


def test_utterances_are_aligned_by_time_whatever_their_ids(tmp_path: Path) -> None:
    a: list[Said] = [(1, 3, "one", "joy", 0.6, None), (5, 8, "two", "joy", 0.6, None), (9, 9.4, "x", "joy", 0.6, None)]
    b: list[Said] = [(5.2, 8.1, "two", "joy", 0.6, None), (20, 21, "more", "joy", 0.6, None)]
    found = compared(tmp_path, a, b, first=7)
    assert ids(found) == [("u2", "u7")]
    assert [u.utterance_id for u in found.only_a] == ["u1", "u3"]
    assert [u.utterance_id for u in found.only_b] == ["u8"]


def test_other_cuts_cost_no_words_and_pair_what_shares_most(tmp_path: Path) -> None:
    a: list[Said] = [(0, 6, "I was there and you were not", "joy", 0.6, None)]
    b: list[Said] = [(0, 2, "I was there", "anger", 0.5, None), (2.2, 6, "and you were not", "joy", 0.7, None)]
    found = compared(tmp_path, a, b)
    assert ids(found) == [("u1", "u2")]
    assert [u.utterance_id for u in found.only_b] == ["u1"]
    assert found.word_errors() == {"edits": 0, "words_a": 7, "words_b": 7, "rate": 0.0}


def test_speakers_who_talk_at_once_are_not_mixed_up(tmp_path: Path) -> None:
    said: list[Said] = [(0, 4, "left", "joy", 0.6, None), (0.1, 4, "right", "anger", 0.6, None)]
    a = read_session(said_session(tmp_path / "a", said, speakers=["l", "r"]))
    b = read_session(said_session(tmp_path / "b", said[::-1], speakers=["r", "l"]))
    found = compare(a, b)
    assert {(pair.a.final.speaker, pair.b.final.speaker) for pair in found.pairs} == {("l", "l"), ("r", "r")}
    assert found.agreement() == 1.0
    other_names = read_session(said_session(tmp_path / "c", said, speakers=["Ann", "Ben"]))
    assert len(compare(a, other_names).pairs) == 2


def test_figures_are_scikit_learns_and_hand_counted(tmp_path: Path) -> None:
    from sklearn.metrics import cohen_kappa_score, confusion_matrix  # takes long, and every worker collects this file

    dice = random.Random(3)
    ones = [dice.choice(LABELS) for _ in range(60)]
    others = [label if dice.random() < 0.6 else dice.choice(LABELS) for label in ones]
    a: list[Said] = [(n * 3.0, n * 3.0 + 2, "w", label, 0.5, None) for n, label in enumerate(ones)]
    b: list[Said] = [
        (n * 3.0, n * 3.0 + 2, "w", label, 0.6, "doubt" if n < 6 else None) for n, label in enumerate(others)
    ]
    found = compared(tmp_path, a, b)
    assert found.kappa() == pytest.approx(cohen_kappa_score(ones, others))
    matrix = confusion_matrix(ones, others, labels=list(LABELS))
    assert [list(row.values()) for row in found.confusion().values()] == matrix.tolist()
    same = [one == other for one, other in zip(ones, others, strict=True)]
    assert found.agreement() == sum(same) / 60
    assert found.verdict_agreement() == sum(same[6:]) / 60
    assert found.confidence_change() == pytest.approx(0.1)
    assert found.abstained() == {"only_a": 0, "only_b": 6, "both": 0}


def test_kappa_of_one_label_alone_is_undefined(tmp_path: Path) -> None:
    said: list[Said] = [(n * 3.0, n * 3.0 + 2, "w", "joy", 0.5, None) for n in range(4)]
    assert compared(tmp_path, said, said).kappa() is None


def test_word_errors_are_jiwers() -> None:
    dice = random.Random(1)
    for _ in range(200):
        a, b = ([dice.choice(["a", "b", "c", "d"]) for _ in range(dice.randrange(1, 12))] for _ in range(2))
        assert distance(a, b) == round(jiwer.wer(" ".join(a), " ".join(b)) * len(a))
    assert distance(["x"], []) == distance([], ["x"]) == 1


def test_words_that_were_screened_out_are_no_words(tmp_path: Path) -> None:
    said: list[Said] = [(0, 2, "thanks for watching", "joy", 0.5, None)]
    a = read_session(said_session(tmp_path / "a", said))
    path = said_session(tmp_path / "b", said) / "events.jsonl"
    path.write_text(path.read_text().replace('"gated":null', '"gated":"closing phrase"'))
    assert compare(a, read_session(tmp_path / "b")).word_errors() == {
        "edits": 3, "words_a": 3, "words_b": 0, "rate": 1.0
    }  # fmt: skip


def test_both_are_measured_against_a_persons_labels(tmp_path: Path) -> None:
    a: list[Said] = [(n * 3.0, n * 3.0 + 2, "w", "joy", 0.5, None) for n in range(4)]
    b: list[Said] = [(n * 3.0, n * 3.0 + 2, "w", "anger", 0.5, None) for n in range(4)]
    folders = said_session(tmp_path / "a", a), said_session(tmp_path / "b", b)
    (folders[0] / CORRECTIONS_FILE).write_text('{"utterance_id":"u1","emotion":"joy"}\n')
    (folders[1] / CORRECTIONS_FILE).write_text(
        '{"utterance_id":"u2","emotion":"anger"}\n{"utterance_id":"u3","emotion":"anger","text":"mended"}\n'
    )
    found = compare(*map(read_session, folders))
    assert found.against_person() == {"n": 3, "accuracy_a": 1 / 3, "accuracy_b": 2 / 3}
    assert found.agreement() == 0.0
    assert found.word_errors()["edits"] == 0  # what was heard is compared, not what was mended
