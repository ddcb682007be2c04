"""Whatever a file holds, its reader gives a corpus or one sentence: never another exception."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers.trainer.releases import MELD, MELD_HEADER, MOSI_HEADER, evaluation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livemerc.errors import InputError
from trainer.corpora.corpus import Corpus
from trainer.corpora.registry import read_corpus

QUIET = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

CELL = st.one_of(
    st.text(max_size=12),
    st.text("a/.", min_size=200, max_size=300),
    st.sampled_from(
        ["0", "1", "-1", "1e9", "9" * 12, "nan", "joy", "Joy", "neutral", "positive", "Mad", "['A']", "²", "٣", "train",
         "valid", "", " ", '"', "2iD-tVS8NPw", "\x00", "\r", "\u2028"]
    ),
)  # fmt: skip


def outcome(name: str, path: Path, **options: Any) -> None:
    """Reads and checks; an `InputError` must be one line that names a file."""
    try:
        read = read_corpus(name, path, check=False, **options)
    except InputError as error:
        sentence = str(error)
    else:
        sentence = str(path)
        promised(read)
    assert str(path) in sentence


def promised(read: Corpus) -> None:
    """What every corpus promises of its utterances."""
    for split in read.splits:
        for u in read.utterances(split):
            assert u.emotion is None or u.emotion in read.labels
            assert u.text == u.text.strip()


def write_rows(path: Path, header: list[str], rows: list[list[str]], separator: str, quote: bool) -> None:
    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if quote else text

    lines = [separator.join(header), *(separator.join(map(cell, row)) for row in rows)]
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))


HEADERS: dict[str, tuple[str, list[str], str]] = {
    "meld": ("dev_sent_emo.csv", MELD_HEADER, ","),
    "emorynlp": (
        "emorynlp_dev_final.csv",
        ["Utterance", "Speaker", "Emotion", "Scene_ID", "Utterance_ID", "Season", "Episode"],
        ",",
    ),
    "mosi": ("label.csv", MOSI_HEADER.split(","), ","),
    "nemo": ("data.tsv", ["file_id", "emotion", "raw_text", "normalized_text", "speaker_id", "gender", "age"], "\t"),
    "emodb": ("labels.tsv", ["file", "speaker", "emotion", "note"], "\t"),
    "manifest": (
        "m.csv",
        ["dialogue_id", "utterance_id", "speaker", "audio", "start_s", "end_s", "text", "emotion", "split"],
        ",",
    ),
}


@pytest.mark.parametrize("name", HEADERS)
@QUIET
@given(data=st.data())
def test_any_text_in_any_cell(tmp_path: Path, name: str, data: st.DataObject) -> None:
    file, header, separator = HEADERS[name]
    rows = data.draw(st.lists(st.lists(CELL, min_size=len(header), max_size=len(header)), max_size=4))
    write_rows(tmp_path / file, header, rows, separator, data.draw(st.booleans()))
    outcome(name, tmp_path / file if name == "manifest" else tmp_path)


@QUIET
@given(column=st.integers(0, len(MELD_HEADER) - 1), text=CELL)
def test_any_text_in_one_cell_of_a_good_meld_row(tmp_path: Path, column: int, text: str) -> None:
    dialogue, turn, speaker, words, emotion, sentiment = MELD["train"][0]
    row = ["1", words, speaker, emotion, sentiment, str(dialogue), str(turn), "8", "21", "00:16:16,059", "00:16:21,731"]
    row[column] = text
    write_rows(tmp_path / "train_sent_emo.csv", MELD_HEADER, [row], ",", quote=True)
    outcome("meld", tmp_path)


@pytest.mark.parametrize("name", HEADERS)
@QUIET
@given(content=st.binary(max_size=200))
def test_any_bytes_for_a_table(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / HEADERS[name][0]
    path.write_bytes(content)
    outcome(name, path if name == "manifest" else tmp_path)


@QUIET
@given(lines=st.lists(st.one_of(st.text(max_size=30), st.just("x\t3\tid"), st.just("x\t\u0663\tid2")), max_size=5))
def test_any_lines_of_goemotions(tmp_path: Path, lines: list[str]) -> None:
    (tmp_path / "ekman_labels.txt").write_text("anger\ndisgust\nfear\njoy\nneutral\nsadness\nsurprise")
    (tmp_path / "ekman_dev.tsv").write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    outcome("goemotions", tmp_path)


def iemocap_tree(tmp_path: Path, labels: bytes, words: bytes) -> None:
    for place, content in (("EmoEvaluation", labels), ("transcriptions", words)):
        folder = tmp_path / "Session1" / "dialog" / place
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "Ses01F_impro01.txt").write_bytes(content)


LINE = st.one_of(
    st.text(max_size=40),
    st.builds(
        "[{} - {}]\t{}\t{}\t{}".format,
        st.one_of(st.floats(0, 100).map(str), st.text(max_size=4)),
        st.one_of(st.floats(0, 100).map(str), st.text(max_size=4)),
        st.sampled_from(["Ses01F_impro01_F000", "Ses01F_impro01_M001", "Ses01F_impro01_MXX0", "Ses09F_a_F000", "x"]),
        st.one_of(st.sampled_from(["neu", "xxx", "ang", "NEU"]), st.text(max_size=4)),
        st.sampled_from(["[2.5, 2.5, 2.5]", "", "["]),
    ),
    st.builds("Ses01F_impro01_F000 [{}-{}]:{}".format, st.text(max_size=4), st.floats(0, 9), st.text(max_size=12)),
)


@QUIET
@given(labels=st.lists(LINE, max_size=6), words=st.lists(LINE, max_size=6))
def test_any_lines_of_iemocap(tmp_path: Path, labels: list[str], words: list[str]) -> None:
    iemocap_tree(
        tmp_path, "\n".join(labels).encode("utf-8", "surrogatepass"), "\n".join(words).encode("utf-8", "surrogatepass")
    )
    outcome("iemocap", tmp_path, labels=6)


@QUIET
@given(labels=st.binary(max_size=120), words=st.binary(max_size=120))
def test_any_bytes_of_iemocap(tmp_path: Path, labels: bytes, words: bytes) -> None:
    good = evaluation("Ses01F_impro01", [(1.0, 2.0, "F000", "neu")]).encode()
    iemocap_tree(tmp_path, good + b"\r\n" + labels, words)
    outcome("iemocap", tmp_path)


NAME = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="/"), max_size=30)


@QUIET
@given(name=st.one_of(NAME, st.from_regex(r"\A\d\d-\d\d-\d\d-\d\d-\d\d-\d\d-\d\d\Z")))
def test_any_name_of_a_ravdess_clip(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    folder: Path = tmp_path_factory.mktemp("ravdess")
    (folder / f"a{name[:60]}.wav").touch()
    outcome("ravdess", folder)
    (folder / f"{name[:60] or 'x'}.wav").touch()
    outcome("ravdess", folder)
