"""The whole recipe in miniature: three stages, export, the export in the live chain. Nothing is good, all is real."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from helpers.command_line import finished, livemerc
from helpers.paths import PROJECT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DIALOGUES = 12


def _head(source: Path, target: Path, keep: int) -> None:
    """The first `keep` dialogues of a MELD CSV."""
    with source.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    column = rows[0].index("Dialogue_ID")
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([rows[0], *(r for r in rows[1:] if int(r[column]) < keep)])


def _labelled(source: Path, target: Path) -> None:
    """A few clips of the corpora that have a labels.tsv, and some readers of each part."""
    for name, step in (
        ("emodb", 30),
        ("emovo", 40),
        ("emotiontts", 21),
        ("rakshak", 140),
        ("ased", 170),
        ("readers", 14),
    ):
        rows = (source / name / "labels.tsv").read_text(encoding="utf-8").splitlines()
        (target / name).mkdir()
        kept = rows[1:][::step][:14]
        (target / name / "labels.tsv").write_text("\n".join([rows[0], *kept]) + "\n", encoding="utf-8")
        for row in kept:
            clip = row.split("\t")[0]
            (target / name / clip).symlink_to(source / name / clip)


@pytest.fixture(scope="module")
def data(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few rows and clips of every corpus, in the layout of the whole."""
    folder = tmp_path_factory.mktemp("data")
    for split in ("train", "dev"):
        _head(shared_data / f"meld/{split}_sent_emo.csv", folder / f"meld/{split}_sent_emo.csv", DIALOGUES)
    for name in ("goemotions", "emorynlp", "transcripts"):
        (folder / name).mkdir()
    (folder / "goemotions/ekman_labels.txt").write_text((shared_data / "goemotions/ekman_labels.txt").read_text())
    comments = (shared_data / "goemotions/ekman_train.tsv").read_text(encoding="utf-8").splitlines()[:80]
    (folder / "goemotions/ekman_train.tsv").write_text("\n".join(comments), encoding="utf-8")
    scenes = (shared_data / "emorynlp/emorynlp_dev_final.csv").read_text(encoding="utf-8").splitlines()[:40]
    (folder / "emorynlp/emorynlp_dev_final.csv").write_text("\n".join(scenes), encoding="utf-8")
    read = (shared_data / "transcripts/ljspeech_metadata.csv").read_text(encoding="utf-8").splitlines()[:400]
    (folder / "transcripts/ljspeech_metadata.csv").write_text("\n".join(read) + "\n", encoding="utf-8")
    for place in ("speech/librispeech", "speech/read"):
        (folder / place).mkdir(parents=True)
        for clip in sorted((shared_data / place).glob("*.flac"))[:4]:
            (folder / place / clip.name).symlink_to(clip)
    _labelled(shared_data, folder)
    (folder / "ravdess").mkdir()
    for actor in ("01", "02", "17", "20", "21"):
        for clip in sorted((shared_data / "ravdess").glob(f"*-01-{actor}.flac"))[::2]:
            (folder / "ravdess" / clip.name).symlink_to(clip)
    (folder / "nemo").mkdir()
    with (shared_data / "nemo/data.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))
    kept = [rows[0]]
    for speaker in ("EB0", "IC0", "TP0", "SM0"):
        for emotion in ("anger", "fear", "happiness", "neutral", "sadness", "surprised"):
            mine = [r for r in rows[1:] if r[4].strip() == speaker and r[1] == emotion][:3]
            kept += mine
            for row in mine:
                name = row[0].removesuffix(".wav") + ".opus"
                (folder / "nemo" / name).symlink_to(shared_data / "nemo" / name)
    with (folder / "nemo/data.tsv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t").writerows(kept)
    return folder


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """configs/compact.toml with one epoch of everything, without the teacher: it has labelled whole corpora."""
    text = (PROJECT / "configs/compact.toml").read_text()
    text = re.sub(r"^(pretrain_epochs|epochs|versions) = \d+", r"\1 = 1", text, flags=re.MULTILINE)
    text = re.sub(r"^soft_share = [0-9.]+", "soft_share = 0.0", text, flags=re.MULTILINE)
    text = re.sub(r"^draws_per_epoch = \d+", "draws_per_epoch = 128", text, flags=re.MULTILINE)
    path = tmp_path_factory.mktemp("config") / "tiny.toml"
    path.write_text(text)
    return path


def trainer(*arguments: str | Path) -> str:
    done = finished("trainer", *arguments, folder=PROJECT, timeout_s=1000)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def test_train_export_evaluate_and_run(data: Path, config: Path, tmp_path: Path, shared_data: Path) -> None:
    runs, checkpoint = tmp_path / "runs", tmp_path / "checkpoint"
    trainer("train", config, "--data", data, "--out", runs)
    # every stage is done: a second call finds nothing to train
    kept = (runs / "text/text.jsonl").read_text()
    trainer("train", config, "--data", data, "--out", runs, "--stage", "text")
    assert (runs / "text/text.jsonl").read_text() == kept
    trainer("export", config, "--runs", runs, "--out", checkpoint, "--name", "tiny")
    assert not [p for p in checkpoint.iterdir() if p.suffix not in (".safetensors", ".json")]

    manifest = tmp_path / "manifest.csv"
    clip = sorted((shared_data / "ravdess").glob("*-05-*-21.flac"))[0]
    manifest.write_text(
        "dialogue_id,utterance_id,speaker,audio,start_s,end_s,text,emotion,split\n"
        f"d,1,a,{clip},,,what do you want,anger,test\nd,2,b,,,,nothing at all,neutral,test\n"
    )
    figures = json.loads(trainer("evaluate", "--manifest", manifest, "--checkpoint", checkpoint, "--json"))
    assert figures["n"] == 2
    assert figures["text"] is not None
    assert figures["speech"] is not None
    done = livemerc("run", "--file", clip, "--speed", "0", "--json", "--asr", "none", "--checkpoint", checkpoint)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[0])["checkpoint"]["id"] == "tiny"
