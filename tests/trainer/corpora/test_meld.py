"""MELD as it is published: order, mojibake, splits, and audio from the release's own folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.trainer.releases import MELD, MELD_HEADER, meld, meld_table, mp4, wav

from livemerc.errors import InputError
from trainer.corpora.audio_check import check_audio
from trainer.corpora.check import check, shared_speakers
from trainer.corpora.meld import read_meld_corpus
from trainer.corpora.registry import read_corpus


def test_rows_come_in_the_order_of_speech_with_plain_punctuation(tmp_path: Path) -> None:
    corpus = read_meld_corpus(meld(tmp_path))
    train = corpus.splits["train"]
    assert [[u.utterance_id for u in d] for d in train] == [["utt0", "utt1"], ["utt2", "utt10"], ["utt0", "utt1"]]
    assert [d[0].dialogue_id for d in train] == ["train-dia0", "train-dia1", "train-dia2"]
    assert [u.text for u in train[2]] == ["Oh my God - he's lost it.", 'No, she said "no"...']
    assert train[0][0].text == "also I was the point person on my company's transition."
    first = train[0][1]
    assert (first.speaker, first.emotion, first.sentiment) == ("The Interviewer", "neutral", "neutral")
    assert (first.audio, first.start_s, first.end_s) == (None, 0.0, None)
    assert first.where == f"{tmp_path / 'train_sent_emo.csv'}, line 3"
    assert "train: 3 rows stood out of order" in corpus.note
    assert "text only" in corpus.note


def test_ids_are_unique_over_all_splits(tmp_path: Path) -> None:
    corpus = read_meld_corpus(meld(tmp_path))
    ids = [(u.dialogue_id, u.utterance_id) for split in corpus.splits for u in corpus.utterances(split)]
    assert len(set(ids)) == len(ids) == sum(map(len, MELD.values()))


def test_speakers_shared_by_the_official_split_are_known_and_no_fault(tmp_path: Path) -> None:
    corpus = read_meld_corpus(meld(tmp_path))
    assert shared_speakers(corpus) == {("train", "dev"): ["Ross"], ("train", "test"): ["Rachel"]}
    assert check(corpus) is corpus


def test_video_of_the_release_is_found_in_its_own_folders_and_missing_files_are_named(tmp_path: Path) -> None:
    meld(tmp_path)
    for split, folder in (
        ("train", "train/train_splits"),
        ("dev", "dev_splits_complete"),
        ("test", "output_repeated_splits_test"),
    ):
        for dialogue, turn, *_ in MELD[split]:
            if (split, dialogue, turn) != ("dev", 1, 0):
                mp4(tmp_path / folder / f"dia{dialogue}_utt{turn}.mp4")
    # leftovers of the release that are no utterances
    (tmp_path / "output_repeated_splits_test" / "final_videos_testdia0_utt0.mp4").write_bytes(b"x")
    (tmp_path / "output_repeated_splits_test" / "._dia0_utt0.mp4").write_bytes(b"x")
    corpus = read_corpus("meld", tmp_path)
    assert corpus.missing_audio == [tmp_path / "dev_splits_complete" / "dia1_utt0.mp4"]
    absent = [u for s in corpus.splits for u in corpus.utterances(s) if u.audio is None]
    assert [(u.dialogue_id, u.text) for u in absent] == [("dev-dia1", "Whoa!")]
    assert corpus.splits["train"][2][0].audio == tmp_path / "train" / "train_splits" / "dia2_utt0.mp4"
    checked, report = check_audio(corpus)
    assert (report.expected, len(report.seconds), report.missing, report.bad) == (11, 10, 1, 1)
    assert all(0.4 < s < 0.7 for s in report.seconds.values())
    assert checked == corpus


def test_wav_of_the_same_names_goes_before_the_video(tmp_path: Path) -> None:
    meld(tmp_path / "tables")
    for dialogue, turn, *_ in MELD["dev"]:
        mp4(tmp_path / "sound" / "dev" / f"dia{dialogue}_utt{turn}.mp4")
        wav(tmp_path / "sound" / "dev" / f"dia{dialogue}_utt{turn}.wav")
    corpus = read_meld_corpus(tmp_path / "tables", audio=tmp_path / "sound")
    assert {u.audio.suffix for u in corpus.utterances("dev") if u.audio} == {".wav"}
    # the other two splits have no folder: all theirs is missing, and said so
    assert len(corpus.missing_audio) == len(MELD["train"]) + len(MELD["test"])
    assert "train: no folder of audio" in corpus.note


def test_files_of_one_split_never_stand_for_another(tmp_path: Path) -> None:
    """dia0_utt0 is the name of another utterance in each split."""
    meld(tmp_path)
    wav(tmp_path / "dia0_utt0.wav")
    wav(tmp_path / "train_splits" / "dia0_utt0.wav")
    corpus = read_meld_corpus(tmp_path)
    assert corpus.splits["train"][0][0].audio is not None
    assert corpus.splits["dev"][0][0].audio is None
    assert corpus.splits["test"][0][0].audio is None


def test_splits_without_a_table_are_absent(tmp_path: Path) -> None:
    meld_table(tmp_path / "dev" / "dev_sent_emo.csv", MELD["dev"])
    assert list(read_meld_corpus(tmp_path).splits) == ["dev"]


@pytest.mark.parametrize("state", ["absent", "empty", "another", "file"])
def test_a_wrong_folder_says_which_is_expected(tmp_path: Path, state: str) -> None:
    path = tmp_path / "here"
    if state in ("empty", "another"):
        path.mkdir()
    if state == "another":
        (path / "notes.txt").touch()
    if state == "file":
        path.touch()
    with pytest.raises(InputError, match=r"here: .*; give the folder with train_sent_emo\.csv"):
        read_meld_corpus(path)
    meld(tmp_path / "tables")
    with pytest.raises(InputError, match=r"here: .*; give the folder that holds train_splits"):
        read_meld_corpus(tmp_path / "tables", audio=path)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ((0, 1, "Ann", "x", "excited", "positive"), "Emotion 'excited' is not one of neutral, joy"),
        ((0, 1, "Ann", "x", "joy", "mixed"), "Sentiment 'mixed' is not one of negative"),
        ((0, 0, "Ann", "x", "joy", "positive"), "utterance 0 of dialogue 0 stands on line 3 already"),
        ((-1, 1, "Ann", "x", "joy", "positive"), "Dialogue_ID '-1'"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(tmp_path: Path, line: tuple, said: str) -> None:
    path = meld_table(tmp_path / "dev_sent_emo.csv", [(0, 0, "Ann", "one\ntwo", "joy", "positive"), line])
    with pytest.raises(InputError, match=said) as caught:
        read_meld_corpus(tmp_path)
    # the line break inside the first row counts, as it does in an editor
    assert str(caught.value).startswith(f"{path}, line 4: ")


@pytest.mark.parametrize("column", ["Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID"])
def test_a_missing_column_is_named(tmp_path: Path, column: str) -> None:
    path = meld_table(tmp_path / "train_sent_emo.csv", MELD["train"])
    path.write_bytes(path.read_bytes().replace(column.encode(), b"Other", 1))
    with pytest.raises(InputError, match=rf"line 1: column {column} is missing"):
        read_meld_corpus(tmp_path)


def test_a_table_without_rows_is_an_empty_split(tmp_path: Path) -> None:
    meld(tmp_path)
    (tmp_path / "dev_sent_emo.csv").write_text(",".join(MELD_HEADER) + "\r\n")
    with pytest.raises(InputError, match="split dev is empty"):
        read_corpus("meld", tmp_path)


def test_the_real_tables_are_whole(shared_data: Path) -> None:
    corpus = read_corpus("meld", shared_data / "meld")
    assert {s: (len(d), sum(map(len, d))) for s, d in corpus.splits.items()} == {
        "train": (1038, 9989),
        "dev": (114, 1109),
    }
    assert len(shared_speakers(corpus)["train", "dev"]) > 6
    assert {"Ross", "Rachel", "Phoebe", "Monica", "Joey", "Chandler"} <= set(shared_speakers(corpus)["train", "dev"])
