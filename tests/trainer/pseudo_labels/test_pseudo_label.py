"""Texts in, a labelled corpus out: tables, corpora, recordings, agreement, and input that is wrong."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from livemerc.cli import call
from livemerc.errors import InputError
from trainer.cli import app
from trainer.pseudo_labels.agreement import agreement
from trainer.pseudo_labels.labelled_corpus import read_pseudo_labels

GOOD, BAD, PLAIN = "I love it, it is great!", "I hate this awful thing.", "The table is brown."


def run(source: Path, out: Path, *flags: str) -> int:
    return call(["pseudo-label", str(source), "--out", str(out), *flags], app)


def corpus(out: Path) -> list[tuple[str, str, str]]:
    with out.open(newline="") as file:
        return [(row["text"], row["label"], row["source"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize(
    ("name", "content", "flags", "sources"),
    [
        ("a.csv", f'id,text\n7,"{GOOD}"\n8,{BAD}\n', ("--id-column", "id"), ["7", "8"]),
        ("a.csv", f'id,said\n7,"{GOOD}"\n8,{BAD}\n', ("--column", "said"), ["a.csv:2", "a.csv:3"]),
        ("a.tsv", f"text\tn\n{GOOD}\t1\n\n{BAD}\t2\n", (), ["a.tsv:2", "a.tsv:4"]),
        ("a.csv", f'1|so "|{GOOD}\n2|"|{BAD}\n', ("--delimiter", "|", "--column", "3", "--id-column", "1"), ["1", "2"]),
        ("a.txt", f"{GOOD}\n{BAD}\n", (), ["a.txt:1", "a.txt:2"]),
        ("a.txt", f"x;{GOOD}\ny;{BAD}\n", ("--delimiter", ";", "--column", "2"), ["a.txt:1", "a.txt:2"]),
        ("a.jsonl", json.dumps({"text": GOOD}) + "\n" + json.dumps({"text": BAD}), (), ["a.jsonl:1", "a.jsonl:2"]),
    ],
    ids=["csv", "column", "tsv", "numbers", "txt", "delimiter", "jsonl"],
)
def test_kinds_of_text(tmp_path: Path, name: str, content: str, flags: tuple[str, ...], sources: list[str]) -> None:
    source = tmp_path / name
    source.write_text(content)
    assert run(source, tmp_path / "out.csv", *flags) == 0
    assert corpus(tmp_path / "out.csv") == [(GOOD, "positive", sources[0]), (BAD, "negative", sources[1])]
    assert read_pseudo_labels(tmp_path / "out.csv") == [(GOOD, "positive"), (BAD, "negative")]


@pytest.mark.parametrize(
    ("name", "content", "flags", "code", "said"),
    [
        ("a.csv", "id,said\n1,x\n", (), 5, "no column text; the header is id, said"),
        ("a.csv", "", (), 5, "the header is empty"),
        ("a.csv", "text\n", (), 5, "no text to label"),
        ("a.csv", "text\n \n", (), 5, "no text to label"),
        ("a.csv", "id,text\n1,x\n2\n", (), 5, "a.csv, line 3"),
        ("a.csv", "id,text\n1,x\n1,y\n", ("--id-column", "id"), 5, "'1' comes twice"),
        ("a.csv", "text,gold\nx,happy\n", ("--gold-column", "gold"), 5, "line 2: gold label 'happy'"),
        ("a.csv", b"text\n\xff\xfe\n", (), 5, "not UTF-8"),
        ("a.csv", "1,x\n", ("--column", "2", "--id-column", "id"), 2, "all names, or all numbers"),
        ("a.csv", "1,x\n", ("--column", "0"), 2, "count from 1"),
        ("a.csv", "1,x\n", ("--column", "3"), 5, "a.csv, line 1"),
        ("a.csv", "text\nx\n", ("--delimiter", "::"), 2, "one character"),
        ("a.jsonl", '{"text": "x"}\n{"text"\n', (), 5, "a.jsonl, line 2"),
        ("a.jsonl", '{"text": 3}\n', (), 5, "a.jsonl, line 1"),
        ("a.docx", "x", (), 5, "--delimiter"),
        ("a.csv", None, (), 5, "a.csv"),
        ("a.csv", "text\nx\n", ("--split", "dev"), 2, "--corpus"),
        ("a.csv", "text\nx\n", ("--corpus", "nonesuch"), 2, "nonesuch"),
        ("a.csv", "text\nx\n", ("--teacher", "classifier"), 2, "--model"),
        ("a.csv", "text\nx\n", ("--limit", "0"), 2, "--limit"),
    ],
)  # fmt: skip
def test_wrong_input_is_one_sentence(
    tmp_path: Path, name: str, content: str | bytes | None, flags: tuple[str, ...], code: int, said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    source = tmp_path / name
    if content is not None:
        source.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert run(source, tmp_path / "out.csv", *flags) == code
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out.csv").exists()


def test_a_journal_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text(GOOD)
    (tmp_path / "j").write_text("not a database, and long enough to be looked at as one" * 10)
    assert run(tmp_path / "a.txt", tmp_path / "out.csv", "--journal", str(tmp_path / "j")) == 5
    assert "no journal" in capsys.readouterr().err


def test_one_journal_serves_several_corpora(tmp_path: Path) -> None:
    journal = ("--journal", str(tmp_path / "all.sqlite"))
    (tmp_path / "a.txt").write_text(f"{GOOD}\n{BAD}\n")
    (tmp_path / "b.txt").write_text(f"{BAD}\n{PLAIN}\n")
    assert run(tmp_path / "a.txt", tmp_path / "a.csv", *journal) == 0
    assert run(tmp_path / "b.txt", tmp_path / "b.csv", *journal) == 0
    figures = json.loads((tmp_path / "b.json").read_text())
    assert (figures["from_journal"], figures["asked"]) == (1, 1)


def test_pseudo_labels_are_read_strictly(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    for content, said in (
        ("text\nx\n", "column label"),
        ("text,label\nx,happy\n", "line 2"),
        ("text,label\n,neutral\n", "line 2"),
        ("text,label\nx\n", "line 2"),
        ("text,label\n", "no labelled texts"),
    ):
        path.write_text(content)
        with pytest.raises(InputError, match=said):
            read_pseudo_labels(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_pseudo_labels(tmp_path / "none.csv")


def test_agreement_counts_gold_in_rows_and_labels_in_columns() -> None:
    figures = agreement(
        [("positive", "positive"), ("positive", "neutral"), ("neutral", "neutral"), ("negative", "neutral"),
         ("negative", None)]
    )  # fmt: skip
    assert figures is not None
    assert figures["overall"] == 0.5
    assert figures["paper"] == 0.5298
    assert figures["majority"] == 0.5
    assert (figures["n"], figures["without_label"]) == (4, 1)
    assert figures["per_class"]["neutral"] == pytest.approx(
        {"precision": 1 / 3, "recall": 1.0, "f1": 0.5, "support": 1}
    )
    assert figures["per_class"]["negative"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1}
    assert figures["confusion"]["positive"] == {"negative": 0, "neutral": 1, "positive": 1}
    assert agreement([]) is None


def test_melds_gold_sentiment_is_compared(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(shared_data / "meld", tmp_path / "meld.csv", "--corpus", "meld", "--split", "dev") == 0
    out = capsys.readouterr().out
    assert "52.98%" in out
    figures = json.loads((tmp_path / "meld.json").read_text())
    assert figures["rows"] == 1109
    with (shared_data / "meld" / "dev_sent_emo.csv").open(encoding="utf-8", newline="") as file:
        gold = [row["Sentiment"] for row in csv.DictReader(file)]
    supports = {name: c["support"] for name, c in figures["agreement"]["per_class"].items()}
    assert supports == {name: gold.count(name) for name in ("negative", "neutral", "positive")}
    confusion = figures["agreement"]["confusion"]
    assert figures["agreement"]["overall"] == sum(confusion[s][s] for s in confusion) / len(gold)
    assert 0.4 < figures["agreement"]["overall"] < 0.7


@pytest.fixture
def recordings(shared_data: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "audio"
    (folder / "deep").mkdir(parents=True)
    for name, target in (("LJ001-0002", "b.flac"), ("LJ001-0008", "deep/a.flac")):
        shutil.copy(shared_data / "speech" / "read" / f"{name}.flac", folder / target)
    (folder / "notes.txt").write_text("no audio")
    return folder


def test_a_folder_of_audio_is_heard_once(recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (recordings / "broken.wav").write_bytes(b"RIFF and nothing else")
    assert run(recordings, tmp_path / "out.csv", "--asr", "pocketsphinx") == 0
    first = capsys.readouterr()
    assert "broken.wav" in first.err
    rows = corpus(tmp_path / "out.csv")
    assert [source.split("#")[0] for *_, source in rows] == ["b.flac", "deep/a.flac"]
    assert "comparatively" in rows[0][0]
    heard = json.loads((tmp_path / "out.json").read_text())["audio"]
    assert heard["engine"] == "pocketsphinx"
    assert heard["cannot_be_decoded"] == ["broken.wav"]
    assert (heard["files"], heard["from_journal"], heard["utterances"]) == (3, 0, 2)
    # renamed is not re-heard: the content counts
    (recordings / "b.flac").rename(recordings / "c.flac")
    assert run(recordings, tmp_path / "out.csv", "--asr", "pocketsphinx") == 0
    assert json.loads((tmp_path / "out.json").read_text())["audio"]["from_journal"] == 2
    assert [text for text, *_ in corpus(tmp_path / "out.csv")] == [text for text, *_ in rows]


def test_too_many_broken_recordings_stop_the_run(
    recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("x.wav", "y.mp3"):
        (recordings / name).write_bytes(b"nothing")
    assert run(recordings, tmp_path / "out.csv", "--asr", "pocketsphinx", "--bad-files", "2") == 5
    assert "2 of 4 files cannot be decoded (the last: y.mp3)" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert run(tmp_path / "empty", tmp_path / "out.csv") == 5
    assert "no audio" in capsys.readouterr().err
