"""Stage I text: what ASR style does to a text, batches, the soft loss, the learning rate."""

from __future__ import annotations

import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from livemerc.emotions import LABELS
from trainer.compact.text import asr_style, batches, soft_cross_entropy
from trainer.corpora.text_corpora import TextRow
from trainer.loop.stage import warm_up_then_down

WORDS = ["alpha", "beta"]


@pytest.mark.parametrize(
    ("written", "heard"),
    [
        ("Oh, my God! It's YOU?", "oh my god it's you"),
        ("Well-known... 3 times", "well known 3 times"),
        ("Straße", "straße"),
        ("?!", "?!"),  # nothing would be left: the text stays
        ("", ""),
    ],
)
def test_asr_style_has_neither_case_nor_punctuation_but_apostrophes(written: str, heard: str) -> None:
    assert asr_style(written, random.Random(0), WORDS, 0.0, 0.0) == heard


def test_words_are_lost_and_misheard_as_often_as_asked() -> None:
    text = " ".join(["word"] * 20_000)
    heard = asr_style(text, random.Random(0), WORDS, 0.1, 0.2).split()
    assert len(heard) / 20_000 == pytest.approx(0.9, abs=0.01)
    assert sum(w in WORDS for w in heard) / 20_000 == pytest.approx(0.2, abs=0.01)
    assert set(heard) == {"word", *WORDS}


def test_a_text_that_loses_every_word_stays_as_it_is() -> None:
    assert asr_style("Hello, you", random.Random(0), WORDS, 1.0, 0.0) == "hello, you"


@given(st.text(max_size=40), st.integers(0, 100))
def test_asr_style_is_the_same_for_the_same_seed_and_never_empties_a_text(text: str, seed: int) -> None:
    first, second = (asr_style(text, random.Random(seed), WORDS, 0.3, 0.3) for _ in range(2))
    assert first == second
    assert bool(first) == bool(text)


def test_an_epoch_of_batches_holds_every_row_once() -> None:
    rows = [TextRow("d", str(i), None, "x" * (i % 50), torch.eye(7)[0].numpy()) for i in range(301)]
    epoch = list(batches(rows, 8, random.Random(0)))
    assert sorted(i for batch in epoch for i in batch) == list(range(301))
    assert max(map(len, epoch)) == 8
    assert epoch == list(batches(rows, 8, random.Random(0)))
    assert epoch != list(batches(rows, 8, random.Random(1)))
    # Texts of like length together: less padding than the 49 of a random batch.
    spread = [max(len(rows[i].text) for i in b) - min(len(rows[i].text) for i in b) for b in epoch]
    assert sum(spread) / len(spread) < 10


def test_the_soft_loss_is_cross_entropy_with_smoothing() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(32, 7, generator=generator)
    truth = torch.randint(7, (32,), generator=generator)
    target = torch.nn.functional.one_hot(truth, len(LABELS)).float()
    for smoothing in (0.0, 0.1):
        expected = torch.nn.functional.cross_entropy(logits, truth, label_smoothing=smoothing)
        torch.testing.assert_close(soft_cross_entropy(logits, target, smoothing), expected)


def test_the_learning_rate_rises_to_its_peak_and_falls_to_nothing() -> None:
    rates = [warm_up_then_down(step, warm=10, total=100) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == 1.0
    assert rates[100] == 0.0
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
