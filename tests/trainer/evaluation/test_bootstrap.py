"""Intervals and tests over dialogues: the sums give the contract's figures, and dialogues, not rows, are the unit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest

from livemerc.emotions import LABELS
from livemerc.errors import ConfigError, InputError
from trainer.evaluation.bootstrap import FIGURES, Tally, bootstrap, draws, paired
from trainer.evaluation.evaluate import Judgement
from trainer.evaluation.paired import compare
from trainer.loop.metrics import classification_metrics


def rows(dialogues: int, length: int, seed: int, sure: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N, 7) probabilities, (N,) truth and dialogue; `sure` = how much the truth's logit is raised."""
    rng = np.random.default_rng(seed)
    n = dialogues * length
    truth = rng.integers(7, size=n)
    logits = rng.standard_normal((n, 7))
    logits[np.arange(n), truth] += sure
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return p, truth, np.repeat(np.arange(dialogues), length)


def tally(dialogues: int, length: int, seed: int, sure: float = 1.0) -> Tally:
    return Tally.of(*rows(dialogues, length, seed, sure))


@pytest.mark.parametrize("seed", range(3))
def test_the_figures_of_all_dialogues_are_those_of_the_contract(seed: int) -> None:
    p, truth, dialogue = rows(23, 7, seed)
    figures = Tally.of(p, truth, dialogue).figures()
    m = classification_metrics(p, truth, LABELS)
    for name in FIGURES:
        assert figures[name][0] == pytest.approx(m[name], abs=1e-12), name
    assert figures["f1"][0] == pytest.approx([c["f1"] for c in m["per_class"].values()])


def test_the_figures_of_a_resample_are_those_of_its_rows() -> None:
    p, truth, dialogue = rows(9, 4, 1)
    p, truth, dialogue = p[:-3], truth[:-3], dialogue[:-3]  # unequal lengths
    weights = draws(9, 5, seed=3)
    figures = Tally.of(p, truth, dialogue).figures(weights)
    for s, times in enumerate(weights.astype(int)):
        chosen = np.concatenate([np.flatnonzero(dialogue == d) for d in np.repeat(np.arange(9), times)])
        m = classification_metrics(p[chosen], truth[chosen])
        for name in FIGURES:
            assert figures[name][s] == pytest.approx(m[name], abs=1e-12), name


def test_dialogues_are_resampled_and_not_rows() -> None:
    # Every dialogue is all right or all wrong: its 40 rows are worth one. Over rows the interval would be +-.03.
    p, truth, dialogue = rows(25, 40, 0)
    right = dialogue % 2 == 0
    label = np.where(right, truth, (truth + 1) % 7)
    p = np.full_like(p, 0.05)
    p[np.arange(len(p)), label] = 0.7
    low, high = bootstrap([Tally.of(p, truth, dialogue)], 4000, seed=0)["accuracy"]
    share = right.mean()
    expected = 2 * 1.96 * np.sqrt(share * (1 - share) / 25)  # .39: that of 25 coins
    assert high - low == pytest.approx(expected, rel=0.1)


def test_as_many_dialogues_as_there_are_are_drawn_and_the_seed_decides_which() -> None:
    weights = draws(12, 300, seed=5)
    assert (weights.sum(1) == 12).all()
    assert weights.mean() == 1.0
    np.testing.assert_array_equal(weights, draws(12, 300, seed=5))
    assert (weights != draws(12, 300, seed=6)).any()


def test_an_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    inside = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        dialogue = np.repeat(np.arange(40), 5)
        truth = rng.integers(7, size=200)
        right = rng.random(200) < np.repeat(rng.beta(6, 4, size=40), 5)  # dialogues differ; .6 on average
        p = np.full((200, 7), 0.05)
        p[np.arange(200), np.where(right, truth, (truth + 1) % 7)] = 0.7
        low, high = bootstrap([Tally.of(p, truth, dialogue)], 400, seed)["accuracy"]
        inside += low <= 0.6 <= high
    assert 0.88 <= inside / 200 <= 0.98


def test_several_seeds_give_the_interval_of_their_mean() -> None:
    one, other = tally(30, 6, 0, 1.0), tally(30, 6, 0, 2.0)
    alone = [bootstrap([t], 1000, 0)["weighted_f1"] for t in (one, other)]
    both = bootstrap([one, other], 1000, 0)["weighted_f1"]
    assert alone[0][0] < both[0] < alone[1][0]
    assert bootstrap([one, one], 1000, 0) == bootstrap([one], 1000, 0)


def test_one_dialogue_has_no_interval() -> None:
    with pytest.raises(InputError, match="two or more"):
        bootstrap([tally(1, 9, 0)], 100, 0)


def pair(seed: int, better: float) -> tuple[Tally, Tally]:
    """Two models that share what is easy in a dialogue and differ by chance, and by `better`."""
    rng = np.random.default_rng(seed)
    n, dialogue = 240, np.repeat(np.arange(40), 6)
    truth = rng.integers(7, size=n)
    shared = rng.standard_normal((n, 7))
    shared[np.arange(n), truth] += 1 + np.repeat(rng.standard_normal(40), 6)

    def model(gain: float) -> Tally:
        logits = shared + 0.7 * rng.standard_normal((n, 7))
        logits[np.arange(n), truth] += gain
        p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        return Tally.of(p, truth, dialogue)

    return model(0.0), model(better)


def test_p_is_uniform_where_there_is_no_difference() -> None:
    p_values = [paired(*pair(seed, 0.0), list(LABELS), 200, seed)["weighted_f1"]["p_value"] for seed in range(150)]
    assert kstest(p_values, "uniform").pvalue > 0.001
    assert 0.01 <= np.mean(np.array(p_values) < 0.05) <= 0.11


def test_p_is_small_where_there_is_one_and_the_interval_is_on_its_side() -> None:
    for seed in range(5):
        d = paired(*pair(seed, 0.8), list(LABELS), 1000, seed)["weighted_f1"]
        assert d["p_value"] < 0.01
        assert 0 < d["interval"][0] < d["difference"] < d["interval"][1]


def test_changing_sides_changes_the_sign_and_nothing_else() -> None:
    a, b = pair(3, 0.3)
    one, other = (paired(x, y, list(LABELS), 500, 0) for x, y in ((a, b), (b, a)))
    for name in FIGURES:
        assert one[name]["difference"] == pytest.approx(-other[name]["difference"])
        assert one[name]["interval"] == pytest.approx([-x for x in reversed(other[name]["interval"])])
        assert one[name]["p_value"] == other[name]["p_value"]
    same = paired(a, a, list(LABELS), 200, 0)
    assert same["weighted_f1"]["p_value"] == 1.0
    assert same["per_class"]["joy"] == {"difference": 0.0, "interval": [0.0, 0.0]}


def judgement(p: np.ndarray, truth: np.ndarray, dialogue: np.ndarray, **changed: Any) -> Judgement:
    yes, no = np.ones(len(truth), bool), np.zeros(len(truth), bool)
    values = {"labels": list(LABELS), "truth": truth, "dialogue": dialogue, "has_text": yes, "has_speech": no,
              "text": p, "speech": None, "fused": p}  # fmt: skip
    return Judgement(**(values | changed))


def test_a_comparison_counts_the_rows_whose_labels_differ() -> None:
    truth, dialogue = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1])

    def says(*labels: int) -> np.ndarray:
        return np.eye(7)[list(labels)] * 0.9 + 0.1 / 7

    found = compare(judgement(says(0, 0, 2, 3), truth, dialogue), judgement(says(0, 1, 1, 4), truth, dialogue), 200, 0)
    assert set(found) == {"test", "resamples", "text", "fused"}
    fused = found["fused"]
    assert (fused["rows_that_differ"], fused["only_a_right"], fused["only_b_right"]) == (0.75, 0.25, 0.25)
    assert (fused["accuracy"]["a"], fused["accuracy"]["b"], fused["accuracy"]["difference"]) == (0.5, 0.5, 0.0)


def test_what_cannot_be_compared_is_said() -> None:
    p, truth, dialogue = rows(3, 2, 0)
    one = judgement(p, truth, dialogue)
    with pytest.raises(ConfigError, match="different labels"):
        compare(one, judgement(p, truth, dialogue, labels=["a", "b"]), 100, 0)
    with pytest.raises(ConfigError, match="different rows"):
        compare(one, judgement(p, (truth + 1) % 7, dialogue), 100, 0)
