"""The unemotional sentences: pieces of LJSpeech's, of those alone that a teacher calls neutral where there is one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from livemerc.emotions import LABELS
from trainer.compact.soft_labels import SoftLabels, write
from trainer.compact.text_features import MOST_WORDS, RAVDESS_STATEMENTS, neutral_sentences
from trainer.corpora.ravdess import STATEMENTS
from trainer.corpora.text_corpora import everyday_sentences


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Sixty sentences of thirty words, each of which names its sentence."""
    (tmp_path / "transcripts").mkdir()
    rows = [f"LJ{n}|x|" + " ".join(f"s{n}w{k}" for k in range(30)) for n in range(60)]
    (tmp_path / "transcripts/ljspeech_metadata.csv").write_text("\n".join(rows))
    return tmp_path


def sentences_of(pieces: list[str]) -> set[int]:
    return {int(piece.split()[0].split("w")[0][1:]) for piece in pieces}


def test_pieces_are_words_in_a_row_of_one_sentence_from_its_beginning_or_its_middle(data: Path) -> None:
    pieces = neutral_sentences(data, 60, seed=0)[:60]
    assert sentences_of(pieces) == set(range(60))
    starts = []
    for piece in pieces:
        (number,) = sentences_of([piece])
        places = [int(word.split("w")[1]) for word in piece.split()]
        assert piece.split() == [f"s{number}w{k}" for k in places]
        assert places == list(range(places[0], places[0] + len(places)))
        assert 2 <= len(places) <= MOST_WORDS
        starts.append(places[0])
    assert 15 < sum(start == 0 for start in starts) < 45


def test_what_a_teacher_calls_anything_else_is_left_out(data: Path, tmp_path: Path) -> None:
    logits = torch.zeros(60, len(LABELS))
    logits[::3, LABELS.index("neutral")] = 1.0
    logits[1::3, LABELS.index("fear")] = 1.0
    logits[2::3, LABELS.index("joy")] = 1.0
    write(tmp_path / "soft.safetensors", {"ljspeech/whisper": logits}, {})
    found = neutral_sentences(data, 60, 0, SoftLabels(tmp_path / "soft.safetensors"))
    pieces = [piece for piece in found if piece not in STATEMENTS.values()]
    assert sentences_of(pieces) == set(range(0, 60, 3))
    assert {piece for piece in found if piece not in pieces} == set(STATEMENTS.values())


def test_everyday_sentences_are_short_each_there_once_and_none_is_one_that_figures_are_measured_with() -> None:
    said = everyday_sentences()
    assert len(set(said)) == len(said) > 100
    assert all(3 <= len(sentence.split()) <= 10 for sentence in said)
    assert not [sentence for sentence in said if sentence.lower().startswith(RAVDESS_STATEMENTS)]
