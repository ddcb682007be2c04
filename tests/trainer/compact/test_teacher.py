"""The teacher labels every line softly, and the student learns from that: in miniature, with random encoders."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from helpers.trainer.small_compact import small_compact_config, write_text_corpora, write_text_features
from safetensors import safe_open
from safetensors.torch import load_file

from livemerc.emotions import LABELS
from livemerc.errors import ConfigError, InputError
from trainer.compact import conversation, soft_labels, teacher, text, text_features
from trainer.compact.config import ConversationStage, FusionStage, TextStage, read_stage
from trainer.compact.soft_labels import SoftLabels
from trainer.compact.text_features import TextFeatures
from trainer.compact.text_lines import FOLDERS, Reading, read_lines
from trainer.corpora.writings import as_whisper


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Corpora in `data`, a configuration, and what the stage `teacher` left in `teacher`."""
    folder = tmp_path_factory.mktemp("teacher")
    data = write_text_corpora(folder / "data")
    config = small_compact_config(folder)
    teacher.train(small(config), data, folder / "teacher")
    return folder


def small(config: Path) -> TextStage:
    stage = read_stage(config, "teacher", TextStage)
    init = read_stage(config, "text", TextStage).init
    reads = {"context": 3, "alone": 0.4}
    return msgspec.structs.replace(stage, **reads, init=init, batch=8, at_most={"goemotions": 10}, save_every=0)


def test_every_line_is_labelled_and_no_text_is_kept(folder: Path) -> None:
    path = folder / "teacher" / soft_labels.PATH.name
    labels = SoftLabels(path)
    for corpus in FOLDERS:
        count = len(read_lines(folder / "data", corpus))
        rows = labels.of(corpus, count)
        assert len(rows) == count
        assert all(abs(p.sum() - 1) < 1e-3 for row in rows for p in row.values())
    assert all(logits.shape[1:] == (7,) for logits in load_file(path).values())
    with safe_open(path, "pt") as file:
        about = file.metadata()
    assert about["teacher"] == "encoder"
    assert 0 <= float(about["sentiment"]) <= 1


def test_what_the_teacher_says_of_a_line_is_its_own_judgement_of_that_writing(folder: Path) -> None:
    encoder, tokenizer = text.load_encoder(folder / "teacher")
    lines = read_lines(folder / "data", "meld")
    labels = SoftLabels(folder / "teacher" / soft_labels.PATH.name)
    for reading, read in (
        ("written", [line.read(str) for line in lines]),
        ("whisper", [line.read(as_whisper) for line in lines]),
        ("context", [line.read(as_whisper, 3) for line in lines]),
    ):
        expected = text.predict(encoder, tokenizer, read)[1]
        # bfloat16 where the processor has it, kept in float16
        torch.testing.assert_close(labels.logits("meld", reading, len(lines)), expected, atol=0.05, rtol=0.05)


def test_a_corpus_that_is_labelled_is_not_labelled_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(teacher, "label", lambda corpus, *_: asked.append(corpus) or {})
    teacher.train(small(folder / "small.toml"), folder / "data", folder / "teacher")
    assert asked == []


def test_the_student_learns_from_the_teacher_alone_and_in_context(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(soft_labels, "PATH", folder / "teacher" / soft_labels.PATH.name)
    stage = read_stage(folder / "small.toml", "text", TextStage)
    figures = {}
    for share in (0.0, 1.0):
        taught = msgspec.structs.replace(stage, soft_share=share, corpora=[*stage.corpora, "ljspeech"])
        figures[share] = text.train(taught, folder / "data", tmp_path / str(share))
    assert figures[0.0]["loss"] != figures[1.0]["loss"]
    taught = msgspec.structs.replace(stage, soft_share=0.5)
    path = text_features.extract(taught, folder / "data", tmp_path / "1.0", tmp_path / "features")
    features = TextFeatures(path)
    for dialogue in features.dialogues("train", "whisper"):
        assert dialogue.soft is not None
        torch.testing.assert_close(torch.from_numpy(dialogue.soft.sum(1)), torch.ones(len(dialogue.labels)))
    assert all(dialogue.soft is None for dialogue in features.dialogues("dev", "whisper"))


def test_only_soft_labels_of_a_corpus_without_labels_are_learnt(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = read_stage(folder / "small.toml", "text", TextStage)
    alone = msgspec.structs.replace(stage, corpora=["meld", "ljspeech"], soft_share=0.0)
    assert text.read_corpora(alone, folder / "data")["ljspeech"] == []
    monkeypatch.setattr(soft_labels, "PATH", folder / "teacher" / soft_labels.PATH.name)
    taught = msgspec.structs.replace(alone, soft_share=0.5)
    assert len(text.read_corpora(taught, folder / "data")["ljspeech"]) == 20


def test_the_encoder_that_ships_judges_the_student_s_texts_alike(folder: Path) -> None:
    encoder, tokenizer = text.load_encoder(folder / "teacher")
    readings = [Reading("you was good"), Reading("it is awful", "B: you was bad")]
    alone = text.predict(encoder, tokenizer, readings[:1])[0]
    together = text.predict(encoder, tokenizer, readings)[0][:1]
    torch.testing.assert_close(alone, together, atol=1e-5, rtol=1e-5)


def test_a_corpus_of_another_release_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(soft_labels, "PATH", folder / "teacher" / soft_labels.PATH.name)
    data = write_text_corpora(tmp_path / "data")
    comments = (data / "goemotions" / "ekman_train.tsv").read_text().splitlines()
    (data / "goemotions" / "ekman_train.tsv").write_text("\n".join(comments[:-1]))
    stage = msgspec.structs.replace(read_stage(folder / "small.toml", "text", TextStage), soft_share=0.5)
    with pytest.raises(InputError, match="goemotions: has 29 lines"):
        text.read_corpora(stage, data)


def test_a_teacher_that_reads_lines_alone_has_no_labels_in_context(folder: Path) -> None:
    """And Stage II, asked to learn from such labels, says so instead of leaving them out."""
    alone = teacher.label("meld", 0, folder / "data", folder / "teacher")
    assert set(alone) == {"meld/whisper", "meld/written"}
    arrays = dict(np.load(write_text_features(folder / "alone.npz")))
    del arrays["train_soft"]
    np.savez(folder / "alone.npz", allow_pickle=False, **arrays)
    features = TextFeatures(folder / "alone.npz")
    stages = small_compact_config(folder, conversation__soft_share=0.5)
    settings = read_stage(stages, "conversation", ConversationStage)
    model = conversation.build(settings, read_stage(stages, "fusion", FusionStage), features.width, len(LABELS))
    with pytest.raises(ConfigError, match="soft_share"):
        conversation.train_text_context(model, features, settings, folder / "context", len(LABELS))
