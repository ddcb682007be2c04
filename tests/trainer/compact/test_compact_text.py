"""Stage I text: batches, writings and contexts of an epoch, the soft loss, the teacher's labels, the learning rate."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from helpers.paths import COMPACT

from livemerc.emotions import LABELS
from livemerc.errors import InputError
from trainer.compact.config import TextCorpus, TextStage, read_stage
from trainer.compact.soft_labels import PATH, SoftLabels, write
from trainer.compact.text import Sample, batches, soft_cross_entropy, training_batches
from trainer.compact.text_lines import FOLDERS, Line, read_lines
from trainer.corpora.writings import WRITINGS
from trainer.loop.stage import warm_up_then_down

ONE = np.eye(len(LABELS), dtype=np.float32)


def small_stage(**changes: object) -> TextStage:
    return msgspec.structs.replace(read_stage(COMPACT, "text", TextStage), **changes)


def sample(corpus: TextCorpus, number: int, soft: bool = True) -> Sample:
    text = f"No {'x ' * (number % 50)}{number}!"
    said = {w: ONE[i] for i, w in enumerate(WRITINGS)} if soft else None
    return Sample(Line(corpus, "Ross", text, ONE[number % 7], (("Joey", "Hey!"),)), said)


def test_an_epoch_of_batches_holds_every_row_once() -> None:
    lengths = [i % 50 for i in range(301)]
    epoch = list(batches(lengths, 8, random.Random(0)))
    assert sorted(i for batch in epoch for i in batch) == list(range(301))
    assert max(map(len, epoch)) == 8
    assert epoch == list(batches(lengths, 8, random.Random(0)))
    assert epoch != list(batches(lengths, 8, random.Random(1)))
    # Texts of like length together: less padding than the 49 of a random batch.
    spread = [max(lengths[i] for i in b) - min(lengths[i] for i in b) for b in epoch]
    assert sum(spread) / len(spread) < 10


def test_an_epoch_takes_at_most_so_many_lines_of_a_corpus_and_others_in_the_next() -> None:
    stage = small_stage(at_most={"goemotions": 20}, writings=[1.0, 0.0, 0.0, 0.0])
    corpora: dict[TextCorpus, list[Sample]] = {
        name: [sample(name, i) for i in range(count)] for name, count in (("meld", 15), ("goemotions", 200))
    }

    def drawn(seed: int) -> Counter[str]:
        epoch = training_batches(corpora, ["meld", "goemotions"], stage, {}, random.Random(seed))
        return Counter(f"{c} {r.text}" for batch in epoch for c, r in zip(batch.corpora, batch.readings, strict=True))

    first, again, other = drawn(0), drawn(0), drawn(1)
    assert first.total() == 35
    assert sum(n for name, n in first.items() if name.startswith("goemotions")) == 20
    assert first == again != other


def test_writings_and_contexts_come_in_their_shares_with_what_the_teacher_says_of_each() -> None:
    stage = small_stage(writings=[0.25, 0.5, 0.25, 0.0], context=1, alone=0.4)
    corpora: dict[TextCorpus, list[Sample]] = {"meld": [sample("meld", i) for i in range(4000)]}
    written, whisper, bare, contexts = 0, 0, 0, 0
    for batch in training_batches(corpora, ["meld"], stage, {}, random.Random(0)):
        assert batch.soft is not None
        for reading, soft in zip(batch.readings, batch.soft, strict=True):
            kind = WRITINGS[int(soft.argmax())]
            assert reading.text.endswith("!") == (kind == "written")
            assert reading.text.endswith(".") == (kind == "whisper")
            written, whisper, bare = (
                written + (kind == "written"),
                whisper + (kind == "whisper"),
                bare + (kind == "plain"),
            )
            contexts += bool(reading.before)
    assert [n / 4000 for n in (written, whisper, bare)] == pytest.approx([0.25, 0.5, 0.25], abs=0.03)
    assert contexts / 4000 == pytest.approx(0.6, abs=0.03)


def test_without_a_teacher_there_are_no_soft_labels() -> None:
    corpora: dict[TextCorpus, list[Sample]] = {"meld": [sample("meld", i, soft=False) for i in range(40)]}
    found = list(training_batches(corpora, ["meld"], small_stage(), {}, random.Random(0)))
    assert all(batch.soft is None for batch in found)


def test_the_soft_loss_is_cross_entropy_with_smoothing() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(32, 7, generator=generator)
    truth = torch.randint(7, (32,), generator=generator)
    target = torch.nn.functional.one_hot(truth, len(LABELS)).float()
    for smoothing in (0.0, 0.1):
        expected = torch.nn.functional.cross_entropy(logits, truth, label_smoothing=smoothing, reduction="sum")
        torch.testing.assert_close(soft_cross_entropy(logits, target, smoothing), expected)
        unknown = torch.cat([target, torch.zeros(3, 7)])
        more = torch.cat([logits, torch.randn(3, 7, generator=generator)])
        torch.testing.assert_close(soft_cross_entropy(more, unknown, smoothing), expected)


def test_the_learning_rate_rises_to_its_peak_and_falls_to_nothing() -> None:
    rates = [warm_up_then_down(step, warm=10, total=100) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == 1.0
    assert rates[100] == 0.0
    assert rates[:10] == sorted(rates[:10])


def test_soft_labels_are_refused_for_a_corpus_with_other_lines(tmp_path: Path) -> None:
    logits = torch.randn(5, 7)
    write(tmp_path / "soft.safetensors", {f"meld/{r}": logits for r in ("written", "whisper", "context")}, {})
    labels = SoftLabels(tmp_path / "soft.safetensors")
    torch.testing.assert_close(torch.from_numpy(labels.in_context("meld", 5)), logits.softmax(-1), atol=1e-3, rtol=1e-3)
    with pytest.raises(InputError, match=r"meld: has 4 lines, and soft\.safetensors labels 5"):
        labels.of("meld", 4)


def test_the_shipped_soft_labels_are_of_the_corpora_and_better_than_their_own_majority(shared_data: Path) -> None:
    labels = SoftLabels(PATH)
    labelled = [corpus for corpus in FOLDERS if labels.labels(corpus)]
    assert "meld" in labelled
    for corpus in labelled:
        lines = read_lines(shared_data, corpus)
        soft = labels.of(corpus, len(lines))
        assert all(row[w].sum() == pytest.approx(1, abs=1e-4) for row in soft[:100] for w in WRITINGS)
        known = [(x.label, row["whisper"].argmax()) for x, row in zip(lines, soft, strict=True) if x.target.any()]
        if known:
            majority = Counter(label for label, _ in known).most_common(1)[0][1] / len(known)
            assert np.mean([label == said for label, said in known]) > majority, corpus
