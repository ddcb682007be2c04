"""Composed dialogues: voices that match their words as often as asked, and the masked variants."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.compact.compose import (
    ClipPool,
    TextDialogue,
    compose,
    neutral_words,
    voices_alone,
)
from trainer.loop.windows import without_speech, without_text


def pool(classes: int = 7, per_class: int = 3, actors: tuple[str, ...] = ("x", "y"), soften: float = 0.0) -> ClipPool:
    """Each clip's first number is its label, its second its actor."""
    rows = [(label, a) for a in range(len(actors)) for label in range(classes) for _ in range(per_class)]
    s1 = np.zeros((len(rows), 128), np.float32)
    s1[:, 0] = [label for label, _ in rows]
    s1[:, 1] = [a for _, a in rows]
    return ClipPool(s1, np.array([label for label, _ in rows]), np.array([actors[a] for _, a in rows]), soften)


def known(nameless: float) -> ClipPool:
    """Of each actor and emotion one clip that is cold (first number 0) and one that is warm (1)."""
    rows = [(a, label, warm) for a in "xyz" for label in range(7) for warm in (0, 1)]
    s1 = np.array([[warm, "xyz".index(a)] for a, _, warm in rows], np.float32)
    actors, labels, warm = (np.array(column) for column in zip(*rows, strict=True))
    return ClipPool(s1, labels, actors, warm=warm.astype(bool), nameless=nameless)


def words(n: int, seed: int = 0, speakers: int = 2) -> TextDialogue:
    rng = np.random.default_rng(seed)
    t1 = rng.standard_normal((n, 32)).astype(np.float32)
    return TextDialogue(t1, rng.integers(7, size=n), [f"s{i % speakers}" for i in range(n)])


def test_corpora_are_cast_alike_whatever_their_sizes() -> None:
    many = pool(classes=1, actors=(*(f"big/{n}" for n in range(40)), "small/1"))
    rng = np.random.default_rng(0)
    cast = [many.cast(rng) for _ in range(2000)]
    assert cast.count("small/1") / 2000 == pytest.approx(0.5, abs=0.05)
    assert set(cast) == set(many.actors)


def test_with_match_1_every_voice_carries_the_emotion_of_its_words() -> None:
    w = words(300)
    dialogue = compose(w, pool(), 1.0, 0.0, np.random.default_rng(0))
    assert dialogue.has_speech.all()
    assert dialogue.has_text.all()
    np.testing.assert_array_equal(dialogue.s1[:, 0], w.labels)
    np.testing.assert_array_equal(dialogue.labels, w.labels)
    np.testing.assert_array_equal(dialogue.t1, w.t1)


def test_with_match_0_no_voice_does_and_half_of_the_emotional_words_are_spoken_flatly() -> None:
    w = words(4000)
    spoken = compose(w, pool(), 0.0, 0.0, np.random.default_rng(0)).s1[:, 0]
    assert (spoken != w.labels).all()
    emotional = w.labels != 0
    # Half by rule, and a sixth of the others by chance.
    assert (spoken[emotional] == 0).mean() == pytest.approx(0.5 + 0.5 / 6, abs=0.04)


def test_the_share_of_matching_voices_is_match() -> None:
    w = words(4000)
    spoken = compose(w, pool(), 0.6, 0.0, np.random.default_rng(0)).s1[:, 0]
    assert (spoken == w.labels).mean() == pytest.approx(0.6, abs=0.04)


def test_the_share_without_a_voice_is_absent_and_its_embedding_is_zero() -> None:
    dialogue = compose(words(4000), pool(classes=7), 1.0, 0.25, np.random.default_rng(1))
    assert (~dialogue.has_speech).mean() == pytest.approx(0.25, abs=0.03)
    assert not dialogue.s1[~dialogue.has_speech].any()
    assert not compose(words(50), pool(), 1.0, 1.0, np.random.default_rng(1)).has_speech.any()


def test_a_speaker_keeps_one_actor_through_a_dialogue() -> None:
    w = words(100, speakers=3)
    for seed in range(5):
        actor = compose(w, pool(actors=("x", "y", "z")), 0.5, 0.0, np.random.default_rng(seed)).s1[:, 1]
        for s in range(3):
            assert len(set(actor[s::3].tolist())) == 1


def test_an_emotion_that_an_actor_never_recorded_is_spoken_by_another() -> None:
    full = pool()
    no_disgust_by_x = full.only(~((full.label == 6) & (full.actor == "x")))
    drawn = [no_disgust_by_x.draw("x", 6, np.random.default_rng(i)) for i in range(10)]
    assert {(int(d[0]), int(d[1])) for d in drawn} == {(6, 1)}


def test_softening_moves_voices_and_leaves_the_pool_alone() -> None:
    soft = pool(soften=0.3)
    before = soft.s1.copy()
    drawn = np.stack([soft.draw("x", 3, np.random.default_rng(i)) for i in range(200)])
    assert drawn.dtype == np.float32
    assert 0.2 < drawn[:, 5].std() < 0.4
    np.testing.assert_array_equal(soft.s1, before)


def test_voices_alone_neutral_words_and_the_masked_variants_hold_what_they_say() -> None:
    w, rng = words(40), np.random.default_rng(0)
    voices = voices_alone(w, pool(), rng)
    assert not voices.has_text.any()
    np.testing.assert_array_equal(voices.s1[:, 0], w.labels)
    texts = np.full((3, 32), 9.0, np.float32)
    neutral = neutral_words(texts, w.labels, pool(), 0.5, rng)
    assert (neutral.t1 == 9.0).all()
    np.testing.assert_array_equal(neutral.s1[:, 0], w.labels)
    assert 0 < neutral.has_text.sum() < 40
    both = compose(w, pool(), 1.0, 0.2, rng)
    assert not without_speech(both).has_speech.any()
    np.testing.assert_array_equal(without_speech(both).has_text, both.has_text)
    assert not without_text(both).has_text.any()
    np.testing.assert_array_equal(without_text(both).has_speech, both.has_speech)


def test_a_speaker_is_cold_at_first_and_warm_from_then_on() -> None:
    """And the same actor throughout; two speakers may share one."""
    for seed in range(20):
        spoken = compose(words(12, speakers=3), known(0.0), 0.5, 0.2, np.random.default_rng(seed))
        heard: set[float] = set()
        for warm, actor in spoken.s1[spoken.has_speech]:
            assert warm == (actor in heard)
            heard.add(actor)


def test_where_nobody_knows_who_speaks_every_voice_stays_cold() -> None:
    cold = [
        compose(words(6), known(0.3), 1.0, 0.0, np.random.default_rng(seed)).s1[:, 0].sum() == 0 for seed in range(400)
    ]
    assert np.mean(cold) == pytest.approx(0.3, abs=0.07)
    nameless = known(0.3).all_nameless()
    assert not nameless.warm.any()
    assert len(nameless.label) == 21


def test_a_pool_without_warm_voices_speaks_on_in_cold_ones() -> None:
    assert compose(words(6), pool(), 1.0, 0.0, np.random.default_rng(0)).has_speech.all()
