"""Teachers on this machine, and how answers are read."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.trainer.tiny_models import causal_lm, classifier
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from livemerc.errors import ConfigError, ModelError
from trainer.corpora.corpus import SENTIMENTS
from trainer.pseudo_labels.teachers import Classifier, Vader, map_labels, parse_label, read_label_map

TEXTS = ["i love this day", "you hate that", "why not", "so very bad and awful", "good", "", "what is it " * 100]


@pytest.mark.parametrize(
    ("raw", "label"),
    [
        ("positive", "positive"), ("Negative", "negative"), ("NEUTRAL.", "neutral"), ("\n positive \n", "positive"),
        ("negative!", "negative"), ("neutral .", "neutral"),
        ("", None), ("pos", None), ("positive negative", None), ("not negative", None), ("positively", None),
        ("positive..", None), ("**positive**", None), ("label: positive", None), ("Positive.\nBecause", None),
        ("posi tive", None), ("ＰＯＳＩＴＩＶＥ", None), ("mixed", None),
    ],
)  # fmt: skip
def test_a_label_is_exactly_a_label(raw: str, label: str | None) -> None:
    assert parse_label(raw) == label


@given(st.sampled_from(SENTIMENTS), st.text(alphabet=" \n\t.,;!?abcPOSITIVE'\"*", max_size=12))
def test_letters_around_a_label_make_it_none(label: str, rest: str) -> None:
    if any(c.isalnum() for c in rest):
        assert parse_label(label + rest) is None
        assert parse_label(f"{rest} {label}") is None


def test_vader_follows_its_authors_thresholds() -> None:
    answers = Vader().label(["I love this, it is great!", "This is horrible, I hate it.", "The table is brown.", "..."])
    assert [a.label for a in answers] == ["positive", "negative", "neutral", "neutral"]
    assert float(answers[0].raw) > 0.05 > -0.05 > float(answers[1].raw)


def test_a_classifier_answers_by_its_own_arg_max(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = classifier(tmp_path / "model", ["LABEL_NEG", "NEU", "Positive"])
    teacher = Classifier(str(folder), {"LABEL_NEG": "negative"}, device="cpu")
    answers = teacher.label(TEXTS)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    words = AutoTokenizer.from_pretrained(folder)
    for text, answer in zip(TEXTS, answers, strict=True):
        tokens = words(text, truncation=True, max_length=64, return_tensors="pt")
        best = int(model(**tokens).logits.argmax()) if tokens["input_ids"].shape[1] else None
        if best is not None:
            assert answer.label == ("negative", "neutral", "positive")[best], text
    assert len({a.label for a in answers}) > 1
    # neither the batch nor its order decides
    alone = [teacher.label([text])[0].label for text in TEXTS if text]
    assert alone == [a.label for text, a in zip(TEXTS, answers, strict=True) if text]


def test_other_weights_are_another_teacher(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification

    folder = classifier(tmp_path / "model", list(SENTIMENTS))
    first = Classifier(str(folder), device="cpu").identity
    assert Classifier(str(folder), device="cpu").identity == first
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    with torch.no_grad():
        model.classifier.bias += 1.0
    model.save_pretrained(folder)
    assert Classifier(str(folder), device="cpu").identity != first


def test_labels_that_mean_no_sentiment_name_the_mend() -> None:
    names = {0: "LABEL_0", 1: "LABEL_1", 2: "neutral"}
    with pytest.raises(ConfigError, match=r"--label-map LABEL_0=negative,LABEL_1=negative"):
        map_labels(names, None, "m")
    given = read_label_map("LABEL_0=negative, LABEL_1=Positive")
    assert map_labels(names, given, "m") == ["negative", "positive", "neutral"]
    with pytest.raises(ConfigError, match="no label LABEL_7"):
        map_labels(names, {"LABEL_7": "negative"}, "m")
    with pytest.raises(ConfigError, match="tell at least two apart"):
        map_labels({0: "pos", 1: "positive"}, None, "m")
    assert read_label_map("a=b=neutral") == {"a=b": "neutral"}
    for wrong in ("LABEL_0", "LABEL_0=bad", "=positive", ""):
        with pytest.raises(ConfigError, match="--label-map"):
            read_label_map(wrong)


def test_what_is_no_classifier_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be loaded"):
        Classifier(str(tmp_path / "nothing"))
    with pytest.raises(ModelError, match="no text classifier"):
        Classifier(str(causal_lm(tmp_path / "lm")))
    broken = classifier(tmp_path / "model", list(SENTIMENTS))
    weights = broken / "model.safetensors"
    tensors = load_file(weights)
    save_file({name: t for name, t in tensors.items() if not name.startswith("classifier")}, weights, {"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks the weights classifier\.bias"):
        Classifier(str(broken))
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ModelError, match="cannot be loaded"):
        Classifier(str(broken))
