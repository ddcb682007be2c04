"""Stages I to III of the full-size recipe: who is trained and who is frozen, windows, options, and bad input."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from helpers.trainer.miniature import WORDS, small_config, write_iemocap
from torch import nn

from livemerc.errors import InputError
from livemerc.model.conversation import ConversationEncoder
from livemerc.model.speech_head import SpeechHead
from livemerc.model.text import TextEncoder
from trainer.corpora.corpus import Corpus, LabelledUtterance
from trainer.corpora.registry import read_corpus
from trainer.fronts.encoders import build_text_encoder
from trainer.loop.stage import LoopOptions
from trainer.loop.windows import Cut, DialogueFeatures, bucketed, make_batch, random_cuts
from trainer.merits_l.config import MeritsLConfig, read_config
from trainer.merits_l.conversation import (
    Dialogues,
    build,
    drop_modalities,
    figures,
    train_conversation,
    train_fusion,
)
from trainer.merits_l.data import check_finite, fingerprint, make_split
from trainer.merits_l.speech import encode as encode_speech
from trainer.merits_l.speech import train_speech
from trainer.merits_l.text import TextRows, encode, load_text, split_pseudo_labels, train_text


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> MeritsLConfig:
    return read_config(small_config(tmp_path_factory.mktemp("config")))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return read_corpus("iemocap", write_iemocap(tmp_path_factory.mktemp("corpus") / "iemocap"))


def learnable(count: int, seed: int, *, gaps: bool = False) -> list[DialogueFeatures]:
    """Dialogues of unequal length whose class stands in both embeddings, under noise."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(count):
        n = int(rng.integers(2, 9))
        labels = rng.integers(3, size=n)
        there = rng.random((2, n)) < (0.7 if gaps else 2.0)
        t1 = rng.standard_normal((n, 12)).astype(np.float32)
        s1 = rng.standard_normal((n, 6)).astype(np.float32)
        t1[np.arange(n), labels] += 2.0
        s1[np.arange(n), labels] += 2.0
        out.append(
            DialogueFeatures(t1 * there[0][:, None], s1 * there[1][:, None], there[0], there[1], labels, labels % 3)
        )
    return out


def snapshot(module: nn.Module) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in module.state_dict().items()}


def moved(module: nn.Module, before: dict[str, torch.Tensor]) -> set[str]:
    return {k for k, v in module.state_dict().items() if not torch.equal(v, before[k])}


def test_stage_two_trains_its_own_modality_alone(config: MeritsLConfig, tmp_path: Path) -> None:
    dialogues = Dialogues(learnable(8, 0), learnable(3, 1))
    for modality, section in (("text", config.conversation.text), ("speech", config.conversation.speech)):
        model = build(config, 12, 6, 3)
        before = snapshot(model)
        train_conversation(model, modality, dialogues, section, config.run, tmp_path / modality, LoopOptions())
        changed = moved(model, before)
        assert {name.split(".")[0] for name in changed} == {f"{modality}_context"}
        assert {"gru.weight_ih_l0", "gru.weight_ih_l1", "head.weight"} <= {n.partition(".")[2] for n in changed}


def test_stage_three_leaves_stage_two_as_it_was_bit_for_bit(config: MeritsLConfig, tmp_path: Path) -> None:
    model = build(config, 12, 6, 3)
    before = snapshot(model)
    dialogues = Dialogues(learnable(8, 0), learnable(3, 1))
    train_fusion(model, dialogues, config.fusion, config.run, tmp_path, LoopOptions())
    changed = moved(model, before)
    assert {name.split(".")[0] for name in changed} == {"fusion"}
    assert {"fusion.text_in.weight", "fusion.head.weight", "fusion.branch_weight"} <= changed


def test_stage_two_learns_and_fusion_is_no_worse(config: MeritsLConfig, tmp_path: Path) -> None:
    dialogues = Dialogues(learnable(40, 0, gaps=True), learnable(12, 1, gaps=True))
    model = build(config, 12, 6, 3)
    for modality, section in (("text", config.conversation.text), ("speech", config.conversation.speech)):
        section = msgspec.structs.replace(section, lr=1e-2, epochs=6)
        best = train_conversation(model, modality, dialogues, section, config.run, tmp_path, LoopOptions())
        assert best["weighted_f1"] > 0.6  # chance is a third
    section = msgspec.structs.replace(config.fusion, lr=3e-3, epochs=4)
    train_fusion(model, dialogues, section, config.run, tmp_path, LoopOptions())
    fused = figures(model, dialogues.dev, config.run.context, "fused")["weighted_f1"]
    branches = [figures(model, dialogues.dev, config.run.context, m)["weighted_f1"] for m in ("text", "speech")]
    assert fused > max(branches) - 0.15


@pytest.mark.parametrize("option", ["contrastive", "sentiment", "label_smoothing", "class_weights"])
def test_each_option_of_stage_two_changes_what_is_learnt(config: MeritsLConfig, tmp_path: Path, option: str) -> None:
    def run(section, out: Path) -> dict[str, torch.Tensor]:
        model = build(config, 12, 6, 3)
        dialogues = Dialogues(learnable(6, 0), learnable(2, 1))
        train_conversation(model, "text", dialogues, section, config.run, out, LoopOptions(max_steps=2))
        return snapshot(model)

    plain, again = (run(config.conversation.text, tmp_path / name) for name in ("plain", "again"))
    value = {"class_weights": "balanced", "label_smoothing": 0.2}.get(option, 0.5)
    other = run(msgspec.structs.replace(config.conversation.text, **{option: value}), tmp_path / "other")
    assert all(torch.equal(plain[k], again[k]) for k in plain)
    assert not torch.equal(plain["text_context.gru.weight_ih_l0"], other["text_context.gru.weight_ih_l0"])
    assert set(plain) == set(other)  # no option leaves anything in the model


def test_an_output_does_not_depend_on_what_it_is_batched_with() -> None:
    torch.manual_seed(0)
    network = ConversationEncoder(12, 8, 4, 0.5, 3, layers=2).eval()
    dialogues = learnable(3, 2, gaps=True)
    cuts = [Cut(d, 0, len(x)) for d, x in enumerate(dialogues)]
    together = make_batch(dialogues, cuts)
    states, logits = network(together.t1, together.has_text, together.lengths)
    for row, cut in enumerate(cuts):
        alone = make_batch(dialogues, [cut])
        own_states, own_logits = network(alone.t1, alone.has_text, alone.lengths)
        torch.testing.assert_close(states[row, : cut.end], own_states[0], atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(logits[row, : cut.end], own_logits[0], atol=1e-6, rtol=1e-5)


def test_one_layer_is_the_default_and_names_its_weights_as_before() -> None:
    names = set(ConversationEncoder(12, 8, 4, 0.5, 3).state_dict())
    assert "gru.weight_ih_l0_reverse" in names
    assert not any("_l1" in name for name in names)
    assert any("_l1" in name for name in ConversationEncoder(12, 8, 4, 0.5, 3, layers=2).state_dict())


def test_an_epoch_sees_every_dialogue_whole_and_cut_at_random_points() -> None:
    dialogues = learnable(5, 3)
    seen: set[tuple[int, int]] = set()
    for epoch in range(60):
        cuts = random_cuts(dialogues, 4, 2, np.random.default_rng(epoch))
        whole = [c for c in cuts if c.start == 0 and c.end == len(dialogues[c.dialogue])]
        assert {c.dialogue for c in whole} == set(range(5))
        assert len(cuts) == sum(1 + min(2, len(d)) for d in dialogues)
        windows = [c for c in cuts if c.end - c.start < len(dialogues[c.dialogue])]
        assert all(c.end - c.start <= 4 for c in windows)
        seen |= {(c.dialogue, c.end) for c in cuts}
    assert seen == {(d, end) for d, x in enumerate(dialogues) for end in range(1, len(x) + 1)}


def test_modality_dropout_takes_one_modality_and_never_the_last() -> None:
    dialogues = learnable(200, 4, gaps=True)
    batch = make_batch(dialogues, [Cut(d, 0, len(x)) for d, x in enumerate(dialogues)])
    torch.manual_seed(0)
    dropped = drop_modalities(batch, 0.6)
    assert ((dropped.has_text | dropped.has_speech) == (batch.has_text | batch.has_speech)).all()
    both = batch.has_text & batch.has_speech
    lost_text = (both & ~dropped.has_text).any(1)
    lost_speech = (both & ~dropped.has_speech).any(1)
    assert not (lost_text & lost_speech).any()
    windows = both.any(1)
    assert float((lost_text | lost_speech)[windows].float().mean()) == pytest.approx(0.6, abs=0.1)
    assert float(lost_text[windows].float().mean()) == pytest.approx(0.3, abs=0.1)
    assert (dropped.t1[~dropped.has_text] == 0).all()
    assert drop_modalities(batch, 0.0) is batch


def small_text(config: MeritsLConfig, labels: int = 4) -> tuple[TextEncoder, object]:
    torch.manual_seed(0)
    return build_text_encoder(config.text.encoder, weights="random", labels=labels, max_tokens=config.text.max_tokens)


def test_stage_one_text_learns_words_and_its_encoder_is_the_best_epoch(
    config: MeritsLConfig, corpus: Corpus, tmp_path: Path
) -> None:
    train, dev = (TextRows.of(make_split(corpus, s)) for s in ("train", "dev"))
    assert len(train.texts) == 27
    assert set(WORDS["sad"].split()) <= {w for t in train.texts for w in t.split()}
    encoder, tokenizer = small_text(config)
    section = msgspec.structs.replace(config.text, lr=3e-3, epochs=12, batch=4)
    best = train_text(encoder, tokenizer, train, dev, section, 0, tmp_path, LoopOptions())
    assert best["weighted_f1"] > 0.8  # the words tell the class
    kept, _ = small_text(config)
    load_text(kept, torch.load(tmp_path / "text.best.pt", weights_only=True))
    assert not moved(kept, snapshot(encoder))
    t1, logits = encode(encoder, tokenizer, dev.texts, batch=3)
    for i in (0, 5):  # as the live monitor does: one by one
        alone = encode(encoder, tokenizer, [dev.texts[i]])
        torch.testing.assert_close(t1[i], alone[0][0], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(logits[i], alone[1][0], atol=1e-5, rtol=1e-5)


def test_what_stage_zero_learnt_is_carried_over_all_but_its_classifier(config: MeritsLConfig, tmp_path: Path) -> None:
    rows = [(f"{word} {i}", label) for i in range(8) for word, label in (("good", "positive"), ("bad", "negative"))]
    train, dev = split_pseudo_labels(rows, 0.25, 0)
    assert (len(train.texts), len(dev.texts)) == (12, 4)
    assert set(train.texts) | set(dev.texts) == {t for t, _ in rows}
    encoder, tokenizer = small_text(config, labels=3)
    section = msgspec.structs.replace(config.pretrain, lr=1e-3, epochs=2, batch=4)
    train_text(encoder, tokenizer, train, dev, section, 0, tmp_path, LoopOptions(), "pretrain")
    target, _ = small_text(config)
    before = snapshot(target)
    load_text(target, torch.load(tmp_path / "pretrain.best.pt", weights_only=True), head=False)
    changed = moved(target, before)
    assert "encoder.encoder.layer.0.attention.self.query.weight" in changed
    assert not {n for n in changed if n.startswith("head.")}


def test_stage_one_speech_trains_the_head_over_features_that_stay(
    config: MeritsLConfig, corpus: Corpus, tmp_path: Path
) -> None:
    train, dev = (make_split(corpus, s) for s in ("train", "dev"))
    rng = np.random.default_rng(0)
    values = {s.name: rng.standard_normal((len(s), 3, 8)).astype(np.float32) for s in (train, dev)}
    for split in (train, dev):
        values[split.name][np.arange(len(split)), 1, split.labels] += 6.0
    kept = {k: v.copy() for k, v in values.items()}
    voiced = {"train": np.arange(1, len(train)), "dev": np.arange(len(dev))}  # the first has no audio
    asked: set[int] = set()

    def fetch(name: str):
        def of(rows: np.ndarray) -> np.ndarray:
            asked.update(rows.tolist() if name == "train" else [])
            return values[name][rows]

        return of

    torch.manual_seed(0)
    head = SpeechHead({"layers": 3, "dimension": 8, "labels": 4, "embedding": 16, "dropout": 0.1})
    section = msgspec.structs.replace(config.speech, lr=1e-2, epochs=20)
    fetches = {s: fetch(s) for s in ("train", "dev")}
    best = train_speech(head, train, dev, voiced, fetches, section, 0, tmp_path, LoopOptions())
    assert best["weighted_f1"] > 0.9
    assert asked == set(range(1, len(train)))
    assert int(head.layer_weight.argmax()) == 1  # the layer that holds the class
    assert all((values[k] == kept[k]).all() for k in values)
    s1, logits = encode_speech(head, fetches["dev"], voiced["dev"])
    assert s1.shape == (len(dev), 16)
    assert logits.shape == (len(dev), 4)


def utterance(emotion: str | None, turn: int = 0, **changes: object) -> LabelledUtterance:
    made = LabelledUtterance("d", f"u{turn}", None, "words", None, 0.0, None, emotion, None, f"file, line {turn}")
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"train": []}, 'split \'train\' is empty; training needs utterances in "train" and in "dev"'),
        ({}, "split 'train' is empty"),
        ({"train": [[utterance(None)]]}, "no utterance of split 'train' has an emotion"),
        ({"train": [[utterance("sad"), utterance("sad", 1)]]}, "is 'sad'; two classes or more are needed"),
        ({"train": [[utterance("sad"), utterance("odd", 1)]]}, "file, line 1: emotion 'odd' is not one of sad, glad"),
    ],
)
def test_a_split_that_nothing_can_be_learnt_from_is_refused(splits: dict, message: str) -> None:
    with pytest.raises(InputError) as caught:
        make_split(Corpus("own", ("sad", "glad"), splits), "train")
    assert message in str(caught.value)


def test_features_that_are_no_numbers_are_named_by_their_utterance() -> None:
    split = make_split(Corpus("own", ("sad", "glad"), {"train": [[utterance("sad"), utterance("glad", 1)]]}), "train")
    features = np.zeros((2, 3, 4), np.float32)
    check_finite(features, split, np.arange(2), "feature")
    features[1, 2, 0] = np.inf
    with pytest.raises(InputError, match="file, line 1: the feature of dialogue d, utterance u1 holds NaN or infinity"):
        check_finite(features, split, np.arange(2), "feature")


def test_a_branch_without_words_or_without_voices_is_refused(config: MeritsLConfig, tmp_path: Path) -> None:
    rows = [[utterance("sad", text=""), utterance("glad", 1, text=" ")]]
    split = make_split(Corpus("own", ("sad", "glad"), {"train": rows}), "train")
    with pytest.raises(InputError, match="the text branch needs words"):
        TextRows.of(split)
    head = SpeechHead({"layers": 1, "dimension": 8, "labels": 2})
    nothing = {"train": np.arange(0), "dev": np.arange(0)}
    with pytest.raises(InputError, match="the speech branch needs voices"):
        train_speech(head, split, replace(split, name="dev"), nothing, {}, config.speech, 0, tmp_path, LoopOptions())


def test_an_utterance_without_a_label_is_context_and_no_target(config: MeritsLConfig) -> None:
    rows = [[utterance("sad"), utterance(None, 1), utterance("glad", 2)]]
    split = make_split(Corpus("own", ("sad", "glad"), {"dev": rows}), "dev")
    assert split.labels.tolist() == [0, -1, 1]
    dialogues = split.dialogues(np.zeros((3, 12), np.float32), np.zeros((3, 6), np.float32), np.ones(3, bool))
    found = figures(build(config, 12, 6, 2), dialogues, 4, "fused")
    assert np.isfinite(found["weighted_f1"])


def test_the_fingerprint_of_a_corpus_tells_texts_labels_and_order_apart() -> None:
    def of(*rows: LabelledUtterance) -> str:
        return fingerprint([make_split(Corpus("own", ("sad", "glad"), {"train": [list(rows)]}), "train")])

    a, b = utterance("sad"), utterance("glad", 1)
    base = of(a, b)
    assert base == of(a, b)
    others = [of(b, a), of(replace(a, text="other"), b), of(replace(a, emotion="glad"), replace(b, emotion="sad")),
              of(replace(a, end_s=2.0), b)]  # fmt: skip
    assert len({base, *others}) == 5


def test_an_epoch_of_buckets_holds_every_row_once_and_like_with_like() -> None:
    sizes = np.random.default_rng(0).integers(1, 60, 301)
    epoch = bucketed(sizes, 8, np.random.default_rng(1))
    assert sorted(i for b in epoch for i in b.tolist()) == list(range(301))
    assert max(map(len, epoch)) == 8
    assert np.mean([np.ptp(sizes[b]) for b in epoch]) < 12
