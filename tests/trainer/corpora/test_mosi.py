"""CMU-MOSI: the sign of the score, what zero is, splits by video, and segments beside the table."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from helpers.trainer.releases import MOSI_VIDEOS, mosi, mp4, wav

from livemerc.errors import ConfigError, InputError
from trainer.corpora.mosi_folds import SPLIT_OF
from trainer.corpora.registry import read_corpus


def test_the_sign_is_the_class_and_zero_is_not_negative(tmp_path: Path) -> None:
    corpus = read_corpus("mosi", mosi(tmp_path))
    assert corpus.labels == ("negative", "positive")
    (video,) = corpus.splits["dev"]
    assert [(u.utterance_id, u.emotion, u.sentiment) for u in video] == [
        ("_dI--eQ6qVU_1", "positive", "positive"),
        ("_dI--eQ6qVU_2", "positive", "neutral"),
        ("_dI--eQ6qVU_10", "negative", "negative"),
    ]
    assert video[2].text == "BUT, UM, THE END"
    assert {u.speaker for u in video} == {"_dI--eQ6qVU"}
    assert "score 0: 3 segments counted as positive" in corpus.note


def test_zero_may_count_as_negative_or_be_left_out(tmp_path: Path) -> None:
    mosi(tmp_path)
    negative = read_corpus("mosi", tmp_path, zero="negative")
    assert [u.emotion for u in negative.splits["test"][0]] == ["positive", "negative", "negative"]
    dropped = read_corpus("mosi", tmp_path, zero="drop")
    assert [u.emotion for u in dropped.splits["test"][0]] == ["positive", "negative"]
    with pytest.raises(ConfigError, match="'none' will not do; give one of positive, negative, drop"):
        read_corpus("mosi", tmp_path, zero="none")


def test_the_standard_folds_hold_93_videos() -> None:
    assert Counter(SPLIT_OF.values()) == {"train": 52, "dev": 10, "test": 31}
    assert all(len(video) == 11 for video in SPLIT_OF)


def test_without_a_column_the_standard_folds_split(tmp_path: Path) -> None:
    with_mode = read_corpus("mosi", mosi(tmp_path / "a"))
    without = read_corpus("mosi", mosi(tmp_path / "b", mode=False))
    assert "the standard folds" in without.note
    assert "from the table" in with_mode.note
    of = {s: [d[0].dialogue_id for d in without.splits[s]] for s in without.splits}
    assert of == {s: [d[0].dialogue_id for d in with_mode.splits[s]] for s in with_mode.splits}


def test_a_split_file_goes_before_all(tmp_path: Path) -> None:
    names = dict(zip(MOSI_VIDEOS, ("test", "train", "valid"), strict=True))
    file = tmp_path / "folds.csv"
    file.write_text("video_id,split\n" + "".join(f"{v},{s}\n" for v, s in names.items()))
    corpus = read_corpus("mosi", mosi(tmp_path), split_file=str(file))
    assert {d[0].dialogue_id: s for s, ds in corpus.splits.items() for d in ds} == {
        "2iD-tVS8NPw": "test",
        "_dI--eQ6qVU": "train",
        "tmZoasNr4rU": "dev",
    }
    file.write_text("video_id,split\n2iD-tVS8NPw,train\n")
    with pytest.raises(InputError, match=r"label\.csv, line 5: video '_dI--eQ6qVU' has no split"):
        read_corpus("mosi", tmp_path, split_file=file)


@pytest.mark.parametrize("layout", ["release", "video folders"])
def test_segments_are_found_in_either_layout(tmp_path: Path, layout: str) -> None:
    mosi(tmp_path)
    for video in MOSI_VIDEOS:
        for clip in (1, 2, 10):
            if (video, clip) == ("tmZoasNr4rU", 10):
                continue
            if layout == "release":
                wav(tmp_path / "Raw/Audio/WAV_16000/Segmented" / f"{video}_{clip}.wav")
            else:
                mp4(tmp_path / "Raw" / video / f"{clip}.mp4")
    if layout == "release":
        wav(tmp_path / "Raw/Audio/WAV_16000/Full/tmZoasNr4rU.wav")
    corpus = read_corpus("mosi", tmp_path)
    assert [p.name for p in corpus.missing_audio] == ["tmZoasNr4rU_10.wav"]
    for split in corpus.splits:
        for u in corpus.utterances(split):
            if u.audio is None:
                assert u.utterance_id == "tmZoasNr4rU_10"
            else:
                assert u.utterance_id == (
                    u.audio.stem if layout == "release" else f"{u.audio.parent.name}_{u.audio.stem}"
                )


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("2iD-tVS8NPw,3,x,3.2,,,,,train", "label '3.2' is no score from -3 to 3"),
        ("2iD-tVS8NPw,3,x,nan,,,,,train", "label 'nan' is no score"),
        ("2iD-tVS8NPw,3,x,good,,,,,train", "label 'good' is no score"),
        ("2iD-tVS8NPw,1,x,1,,,,,train", "clip 1 of 2iD-tVS8NPw stands on line 2 already"),
        ("2iD-tVS8NPw,3,x,1,,,,,test", "video 2iD-tVS8NPw is in train and in test"),
        ("2iD-tVS8NPw,3,x,1,,,,,later", "split 'later' is not one of train, valid"),
        ("2iD-tVS8NPw,a,x,1,,,,,train", "clip_id 'a' is no whole number"),
        (",3,x,1,,,,,train", "video_id is empty"),
        ("2iD-tVS8NPw,3,x,1", "not 9 fields"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(tmp_path: Path, row: str, said: str) -> None:
    table = mosi(tmp_path) / "label.csv"
    table.write_text(table.read_text() + row + "\n")
    with pytest.raises(InputError, match=said) as caught:
        read_corpus("mosi", tmp_path)
    assert str(caught.value).startswith(f"{table}, line 11: ")


def test_a_video_of_no_fold_is_refused(tmp_path: Path) -> None:
    table = mosi(tmp_path, mode=False) / "label.csv"
    table.write_text(table.read_text() + "dQw4w9WgXcQ,1,x,1\n")
    with pytest.raises(InputError, match="line 11: video 'dQw4w9WgXcQ' is none of CMU-MOSI's 93"):
        read_corpus("mosi", tmp_path)


def test_wrong_places_say_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is empty; give label\.csv"):
        read_corpus("mosi", tmp_path)
    mosi(tmp_path / "tables")
    (tmp_path / "sound").mkdir()
    with pytest.raises(InputError, match="sound: is empty; give the folder with the segmented audio"):
        read_corpus("mosi", tmp_path / "tables", audio=tmp_path / "sound")
