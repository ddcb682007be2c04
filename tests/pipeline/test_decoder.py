"""The dialogue decoder against every sequence of emotions written out, and what it owes to whoever feeds it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import livemerc
from livemerc.errors import ModelError
from livemerc.model.dialogue_tables import DialogueTables
from livemerc.pipeline.decoder import _CHANGE, Decoded, DecoderSettings, DialogueDecoder

LABELS = ("neutral", "joy", "anger")
Fed = Sequence[tuple[str | None, np.ndarray]]


def tables(rng: np.random.Generator, labels: Sequence[str] = LABELS, moods: int = 2) -> DialogueTables:
    c = len(labels)

    def rows(*shape: int) -> list:
        return rng.dirichlet(np.ones(c), shape).tolist()

    return DialogueTables(
        labels=list(labels), shares=rng.dirichlet(np.full(c, 3.0)).tolist(),
        moods=rng.dirichlet(np.full(moods, 3.0)).tolist(),
        answers=rows(moods, c + 1, c + 1), continues=rows(moods, c + 1, c + 1), unknown=rows(moods, c + 1),
    )  # fmt: skip


def random_decoder(
    seed: int, lag: int, *, trust: float = 1.0, balance: float = 0.0, labels: int = 3
) -> DialogueDecoder:
    rng = np.random.default_rng(seed)
    names = [f"l{i}" for i in range(labels)]
    return DialogueDecoder(
        DecoderSettings(
            tables=tables(rng, names), lag=lag, prior=rng.dirichlet(np.full(labels, 3.0)).tolist(),
            powers=[0.5, 1.2], trust=trust, balance=balance,
        )
    )  # fmt: skip


def random_dialogue(seed: int, speakers: Sequence[str | None], length: int, labels: int = 3) -> Fed:
    rng = np.random.default_rng(seed)
    return [(speakers[int(rng.integers(len(speakers)))], rng.dirichlet(np.ones(labels))) for _ in range(length)]


def fed(decoder: DialogueDecoder, dialogue: Fed) -> list[list[Decoded]]:
    return [decoder.feed(who, dict(zip(decoder.labels, row.tolist(), strict=True))) for who, row in dialogue]


def last_words(said: Sequence[Sequence[Decoded]]) -> dict[int, Decoded]:
    return {one.index: one for step in said for one in step}


def enumerated(decoder: DialogueDecoder, dialogue: Fed) -> np.ndarray:
    """(n, C): P(y_t | all of the dialogue), by writing out every course of emotion, mood and power."""
    own = decoder.to_dict()
    table, prior, powers = own["tables"], np.array(own["prior"]), own["powers"]
    c, moods = len(table["labels"]), np.array(table["moods"]) / sum(table["moods"])
    states = list(itertools.product(range(len(powers)), range(len(moods)), range(c)))
    evidence = []
    for _, row in dialogue:
        scaled = np.array([(row / prior) ** power for power in powers])
        evidence.append(scaled / (scaled @ prior)[:, None])
    total = np.zeros((len(dialogue), c))
    for course in itertools.product(states, repeat=len(dialogue)):
        p = 1.0
        for t, (b, m, y) in enumerate(course):
            anew = moods[m] / len(powers)
            p *= anew if t == 0 else _CHANGE * anew + (1 - _CHANGE) * (course[t - 1][:2] == (b, m))
            who, before = dialogue[t][0], [(dialogue[s][0], course[s][2]) for s in reversed(range(t))]
            mine = next((e for other, e in before if other == who), c)
            others = next((e for other, e in before if other != who), c)
            if who is None:
                p *= table["unknown"][m][before[0][1] if before else c][y]
            else:
                goes_on = bool(before) and before[0][0] == who
                p *= table["continues" if goes_on else "answers"][m][mine][others][y]
            p *= evidence[t][b, y]
        for t, (_, _, y) in enumerate(course):
            total[t, y] += p
    return total / total.sum(1, keepdims=True)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.lists(st.sampled_from(["ann", "bob", None]), min_size=1, max_size=3, unique=True))
def test_filtering_is_exact(seed: int, speakers: list[str | None]) -> None:
    decoder, dialogue = random_decoder(seed, 0), random_dialogue(seed, speakers, 3)
    for t, said in enumerate(fed(decoder, dialogue)):
        (one,) = said
        assert one.index == t
        assert list(one.probabilities.values()) == pytest.approx(enumerated(decoder, dialogue[: t + 1])[t], abs=1e-9)


@settings(max_examples=12)
@given(
    st.integers(0, 10_000),
    st.integers(1, 3),
    st.sampled_from([("ann", "bob", "cy"), ("ann", "bob"), ("ann", "bob", None)]),
)
def test_within_the_lag_smoothing_is_exact(seed: int, lag: int, speakers: Sequence[str | None]) -> None:
    decoder, dialogue = random_decoder(seed, lag, labels=2), random_dialogue(seed, speakers, 4, labels=2)
    last = last_words(fed(decoder, dialogue))
    for t in range(len(dialogue)):
        exact = enumerated(decoder, dialogue[: t + lag + 1])[t]
        assert list(last[t].probabilities.values()) == pytest.approx(exact, abs=1e-5)


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(0, 4), st.integers(1, 12), st.integers(1, 6))
def test_what_comes_after_the_lag_changes_nothing(seed: int, lag: int, length: int, people: int) -> None:
    speakers = ["ann", "bob", "cy", "di", None, "ed"][:people]
    one, other = (random_dialogue(s, speakers, length) for s in (seed, seed + 1))
    decoder = random_decoder(seed, lag, trust=0.85, balance=1.0)
    common = fed(decoder, one)
    for t, said in enumerate(common):
        assert [e.index for e in said] == sorted({e.index for e in said})
        assert said[-1].index == t
        assert said[0].index >= max(0, t - lag)
        for estimate in said:
            assert sum(estimate.probabilities.values()) == pytest.approx(1)
            assert estimate.label == max(estimate.probabilities, key=estimate.probabilities.__getitem__)
    decoder.flush()
    assert fed(decoder, [*one, *other])[:length] == common


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(0, 4), st.integers(0, 10))
def test_flush_says_the_last_word_and_begins_anew(seed: int, lag: int, length: int) -> None:
    decoder, dialogue = random_decoder(seed, lag), random_dialogue(seed, ["ann", "bob"], length)
    said = fed(decoder, dialogue)
    last = last_words(said)
    assert decoder.flush() == [last[t] for t in range(max(0, length - lag), length)]
    assert decoder.flush() == []
    assert fed(decoder, dialogue) == said


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.integers(0, 3))
def test_an_earlier_one_is_said_again_only_where_it_changed(seed: int, lag: int) -> None:
    decoder, before = random_decoder(seed, lag), {}
    for said in fed(decoder, random_dialogue(seed, ["ann", "bob"], 10)):
        for one in said:
            assert one != before.get(one.index)
            before[one.index] = one


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.floats(0, 1))
def test_where_nothing_follows_from_what_was_said_the_labels_stay(seed: int, trust: float) -> None:
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(3, 3.0)).tolist()
    flat = DialogueTables(
        labels=list(LABELS), shares=shares, moods=[0.5, 0.5], answers=[[[shares] * 4] * 4] * 2,
        continues=[[[shares] * 4] * 4] * 2, unknown=[[shares] * 4] * 2,
    )  # fmt: skip
    decoder = DialogueDecoder(DecoderSettings(tables=flat, lag=1, prior=shares, powers=[1.0], trust=trust, balance=0.0))
    dialogue = random_dialogue(seed, ["ann", "bob", None], 8)
    last = last_words(fed(decoder, dialogue))
    for t, (_, row) in enumerate(dialogue):
        assert list(last[t].probabilities.values()) == pytest.approx(row / row.sum(), abs=1e-6)


def test_the_sixth_speaker_is_remembered_too() -> None:
    """More than are held jointly: who returns goes on from their own last emotion."""
    sticky = [[("a", label)] * 8 for label in LABELS] + [[("a", x), ("b", y)] * 6 for x in LABELS for y in LABELS]
    decoder = DialogueDecoder.fit(sticky, LABELS, 0)
    sure, unsure = dict.fromkeys(LABELS, 0.01) | {"anger": 0.98}, dict.fromkeys(LABELS, 1 / 3)
    decoder.feed("angry one", sure)
    for name in "abcdef":
        decoder.feed(name, dict.fromkeys(LABELS, 0.01) | {"joy": 0.98})
    assert decoder.feed("angry one", unsure)[0].label == "anger"
    assert decoder.feed("a", unsure)[0].label == "joy"


def test_many_labels_many_speakers_and_a_long_dialogue() -> None:
    names = [f"l{i}" for i in range(20)]
    rng = np.random.default_rng(1)
    decoder = DialogueDecoder.fit([[("a", str(rng.choice(names))) for _ in range(30)] for _ in range(3)], names, 2)
    for t in range(300):
        row = rng.dirichlet(np.full(20, 0.02))  # many of them exact zeros
        said = decoder.feed(f"speaker {t % 70}", dict(zip(names, (row / row.sum()).tolist(), strict=True)))
        assert all(np.isfinite(list(one.probabilities.values())).all() for one in said)


def conversations(rng: np.random.Generator, count: int) -> list[list[tuple[str, str]]]:
    """Two people who keep their emotion at three of four utterances, else take the other's or any."""
    out = []
    for _ in range(count):
        last: dict[str, str] = {}
        dialogue = []
        for t in range(30):
            who, other = ("ann", "bob") if t % 2 else ("bob", "ann")
            fate = rng.random()
            label = last.get(who) if fate < 0.75 else last.get(other) if fate < 0.85 else None
            last[who] = label or str(rng.choice(LABELS))
            dialogue.append((who, last[who]))
        out.append(dialogue)
    return out


def recall(decoder: DialogueDecoder | None, dialogues: Sequence[Sequence[tuple[str, str]]], over_sure: float) -> float:
    """UAR on evidence that is right in two of three utterances; None = the likeliest label of each alone."""
    rng = np.random.default_rng(5)
    hits: dict[str, list[bool]] = {label: [] for label in LABELS}
    for dialogue in dialogues:
        last = {}
        for t, (who, label) in enumerate(dialogue):
            logits = over_sure * (1.1 * (np.array(LABELS) == label) + rng.normal(size=3))
            row = np.exp(logits - logits.max())
            named = dict(zip(LABELS, (row / row.sum()).tolist(), strict=True))
            if decoder is None:
                last[t] = max(named, key=named.__getitem__)
            else:
                last |= {one.index: one.label for one in decoder.feed(who, named)}
        if decoder is not None:
            decoder.flush()
        for t, (_, label) in enumerate(dialogue):
            hits[label].append(last[t] == label)
    return float(np.mean([np.mean(hit) for hit in hits.values()]))


@pytest.mark.parametrize("over_sure", [1.0, 4.0])
def test_it_finds_more_where_people_keep_their_emotions(over_sure: float) -> None:
    rng = np.random.default_rng(0)
    train, test = conversations(rng, 40), conversations(rng, 25)
    alone = recall(None, test, over_sure)
    at_once = recall(DialogueDecoder.fit(train, LABELS, 0), test, over_sure)
    later = recall(DialogueDecoder.fit(train, LABELS, 2), test, over_sure)
    assert at_once > alone + 0.05
    assert later > at_once + 0.01


def test_balance_says_rare_emotions_more_often() -> None:
    dialogues = [[("a", "neutral")] * 8 + [("b", "joy"), ("b", "anger")] for _ in range(5)]
    even = dict.fromkeys(LABELS, 1 / 3)
    plain, balanced = (
        DialogueDecoder.fit(dialogues, LABELS, 0, balance=balance, prior=even).feed("a", even)[0] for balance in (0, 1)
    )
    assert plain.label == "neutral"
    assert balanced.probabilities["joy"] > plain.probabilities["joy"]


def test_the_prior_of_the_classifier_is_taken_out() -> None:
    """Trained on much neutral it says neutral of what tells nothing: then the dialogue decides."""
    dialogues = [[("a", x), ("b", y)] * 6 for x in LABELS for y in LABELS]
    carried = {"neutral": 0.8, "joy": 0.1, "anger": 0.1}
    decoder = DialogueDecoder.fit(dialogues, LABELS, 0, prior=carried)
    decoder.feed("a", {"neutral": 0.01, "joy": 0.98, "anger": 0.01})
    assert decoder.feed("a", carried)[0].label == "joy"


def test_it_goes_through_json() -> None:
    decoder = DialogueDecoder.fit(conversations(np.random.default_rng(2), 12), LABELS, 2)
    again = DialogueDecoder.from_dict(json.loads(json.dumps(decoder.to_dict())))
    assert (again.labels, again.lag) == (LABELS, 2)
    dialogue = random_dialogue(0, ["ann", "bob", None], 12)
    assert fed(again, dialogue) == fed(decoder, dialogue)


def test_labels_may_come_from_an_array() -> None:
    labels = np.array(LABELS)
    decoder = DialogueDecoder.fit([[(labels[0], labels[1]), (labels[0], labels[2])]], list(labels), 0)
    assert json.loads(json.dumps(decoder.to_dict()))["tables"]["labels"] == list(LABELS)
    row = dict(zip(labels, np.float32([0.2, 0.5, 0.3]), strict=True))
    assert sum(decoder.feed(labels[0], row)[0].probabilities.values()) == pytest.approx(1)


def test_the_same_labels_give_the_same_decoder() -> None:
    one, other = (DialogueDecoder.fit(conversations(np.random.default_rng(2), 12), LABELS, 1) for _ in range(2))
    assert one.to_dict() == other.to_dict()


FITTED = DialogueDecoder.fit([[("a", "joy"), ("b", "anger"), (None, "neutral")]], LABELS, 1)


@pytest.mark.parametrize(
    ("dialogues", "labels", "lag", "more", "why"),
    [
        ([], LABELS, 0, {}, "without a labelled utterance"),
        ([[]], LABELS, 0, {}, "without a labelled utterance"),
        ([[("a", "bliss")]], LABELS, 0, {}, "'bliss', which is none of neutral, joy, anger"),
        ([[("a", "joy")]], ["joy"], 0, {}, "at least two labels"),
        ([[("a", "joy")]], ["joy", "joy"], 0, {}, "each of them once"),
        ([[("a", "joy")]], LABELS, -1, {}, "0 or more, not -1"),
        ([[("a", "joy")]], LABELS, 0, {"prior": {"joy": 1.0}}, "a share above 0 for each"),
        ([[("a", "joy")]], LABELS, 0, {"powers": []}, "powers"),
        ([[("a", "joy")]], LABELS, 0, {"trust": 1.5}, "trust and balance"),
        ([[("a", "joy")]], LABELS, 0, {"balance": float("nan")}, "no numbers"),
    ],
)
def test_what_cannot_be_fitted_is_said_in_a_sentence(dialogues, labels, lag, more, why) -> None:
    with pytest.raises(ValueError, match=why):
        DialogueDecoder.fit(dialogues, labels, lag, **more)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"joy": 1.0}, "takes probabilities of neutral, joy, anger"),
        ({"joy": 0.5, "anger": 0.5, "bliss": 0.0}, "takes probabilities of"),
        ({"neutral": 0.5, "joy": 0.5, "anger": 0.5}, "sum to 1"),
        ({"neutral": -0.5, "joy": 1.0, "anger": 0.5}, "from 0 to 1"),
        ({"neutral": float("nan"), "joy": 0.5, "anger": 0.5}, "numbers"),
    ],
)
def test_what_cannot_be_fed_leaves_the_dialogue_as_it_was(row: dict[str, float], why: str) -> None:
    good = {"neutral": 0.2, "joy": 0.5, "anger": 0.3}
    FITTED.flush()
    expected = [FITTED.feed("a", good), FITTED.feed("b", good)]
    FITTED.flush()
    first = FITTED.feed("a", good)
    with pytest.raises(ValueError, match=why):
        FITTED.feed("b", row)
    assert [first, FITTED.feed("b", good)] == expected


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ({"lag": "two"}, "no dialogue decoder"),
        ({"lag": -1}, "lag"),
        ({"prior": [0.5, 0.5]}, "no numbers for its labels"),
        ({"prior": [0.5, 0.5, 0.0]}, "below what they can be"),
        ({"colour": "red"}, "no dialogue decoder"),
        ({"tables": FITTED.to_dict()["tables"] | {"labels": ["joy"]}}, "two labels or more"),
        ({"tables": FITTED.to_dict()["tables"] | {"shares": [0.5, 0.5]}}, "shares are no probabilities"),
        ({"tables": FITTED.to_dict()["tables"] | {"unknown": [[[0.5, 0.5]]]}}, "unknown are no probabilities"),
        ({"tables": FITTED.to_dict()["tables"] | {"unknown": [[[0.5], [0.5, 0.5]]]}}, "unknown are no probabilities"),
    ],
)
def test_a_broken_decoder_is_a_model_error(broken: dict, why: str) -> None:
    with pytest.raises(ModelError, match=why):
        DialogueDecoder.from_dict(FITTED.to_dict() | broken)


def test_it_is_found_at_the_top() -> None:
    assert livemerc.DialogueDecoder is DialogueDecoder
    assert livemerc.Decoded is Decoded
