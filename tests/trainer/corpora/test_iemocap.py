"""IEMOCAP in its release's own tree: labels, order of time, splits by session, and what is no utterance."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.trainer.releases import evaluation, iemocap, iemocap_dialogue

from livemerc.errors import ConfigError, InputError
from trainer.corpora.check import check
from trainer.corpora.iemocap import parse_evaluation, parse_transcription
from trainer.corpora.registry import read_corpus


def test_four_classes_in_the_order_of_time_with_others_left_out_before(tmp_path: Path) -> None:
    corpus = read_corpus("iemocap", iemocap(tmp_path / "IEMOCAP_full_release"))
    assert corpus.labels == ("angry", "happy", "sad", "neutral")
    impro, script = corpus.splits["dev"]
    assert [(u.utterance_id, u.emotion) for u in impro] == [
        ("Ses01F_impro01_F000", "neutral"),
        ("Ses01F_impro01_M001", "happy"),  # excited
    ]
    assert [u.emotion for u in script] == ["angry", "happy", "sad", "neutral"]
    assert [u.speaker for u in script] == ["Ses01M", "Ses01F", "Ses01F", "Ses01M"]
    assert impro[0].text == "Words of F000."
    assert impro[0].dialogue_id == "Ses01F_impro01"
    wav = tmp_path / "IEMOCAP_full_release/Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav"
    assert (impro[0].audio, impro[0].start_s, impro[0].end_s) == (wav, 0.0, None)
    assert impro[0].where.endswith("EmoEvaluation/Ses01F_impro01.txt, line 3")
    assert "1 dis, 1 fea, 1 fru, 1 oth, 5 sur, 1 xxx" in corpus.note
    assert corpus.missing_audio == []


def test_six_classes_keep_excited_and_frustrated_apart(tmp_path: Path) -> None:
    corpus = read_corpus("iemocap", iemocap(tmp_path), labels=6)
    assert corpus.labels == ("angry", "happy", "excited", "sad", "neutral", "frustrated")
    assert [u.emotion for u in corpus.splits["dev"][0]] == ["neutral", "frustrated", "excited"]
    assert [u.utterance_id[-4:] for u in corpus.splits["dev"][0]] == ["F000", "M000", "M001"]


def test_sessions_make_the_splits_and_no_speaker_is_in_two(tmp_path: Path) -> None:
    corpus = read_corpus("iemocap", iemocap(tmp_path))
    speakers = {s: {u.speaker for u in corpus.utterances(s)} for s in corpus.splits}
    assert speakers == {
        "train": {"Ses02F", "Ses02M", "Ses03F", "Ses03M", "Ses04F", "Ses04M"},
        "dev": {"Ses01F", "Ses01M"},
        "test": {"Ses05F", "Ses05M"},
    }


def test_a_dialogue_without_one_of_the_classes_vanishes(tmp_path: Path) -> None:
    corpus = read_corpus("iemocap", iemocap(tmp_path))
    assert "Ses02F_impro02" not in {d[0].dialogue_id for d in corpus.splits["train"]}
    assert all(corpus.splits["train"])


def test_missing_wavs_are_named_and_their_utterances_stay(tmp_path: Path) -> None:
    iemocap(tmp_path)
    gone = tmp_path / "Session3/sentences/wav/Ses03M_script01_1b/Ses03M_script01_1b_F000.wav"
    gone.unlink()
    (gone.parent / f"._{gone.name}").write_bytes(b"\x00\x05\x16\x07")
    corpus = read_corpus("iemocap", tmp_path)
    assert corpus.missing_audio == [gone]
    (silent,) = [u for u in corpus.utterances("train") if u.audio is None]
    assert (silent.utterance_id, silent.text) == ("Ses03M_script01_1b_F000", "Words of F000.")


def test_a_copy_without_audio_is_text_and_not_thousands_of_missing_files(tmp_path: Path) -> None:
    corpus = read_corpus("iemocap", iemocap(tmp_path, audio=False))
    assert corpus.missing_audio == []
    assert "text only" in corpus.note


def test_an_absent_session_is_an_empty_split_and_named(tmp_path: Path) -> None:
    iemocap_dialogue(tmp_path, "Ses02F_impro01", [(0.0, 1.0, "F000", "ang"), (1.0, 2.0, "M000", "sad")])
    iemocap_dialogue(tmp_path, "Ses01F_impro01", [(0.0, 1.0, "F000", "ang"), (1.0, 2.0, "M000", "sad")])
    corpus = read_corpus("iemocap", tmp_path, check=False)
    assert "absent: Session3, Session4, Session5" in corpus.note
    with pytest.raises(InputError, match="split test is empty"):
        check(corpus)


def test_an_utterance_without_words_is_kept_and_counted(tmp_path: Path) -> None:
    iemocap(tmp_path)
    words = tmp_path / "Session5/dialog/transcriptions/Ses05M_script01_1b.txt"
    words.write_text("".join(line for line in words.read_text().splitlines(True) if "F001" not in line))
    corpus = read_corpus("iemocap", tmp_path)
    assert [u.text == "" for u in corpus.splits["test"][0]] == [False, False, True, False]
    assert "1 utterances have no line in the transcriptions" in corpus.note


def test_lines_of_annotators_are_no_labels_whatever_the_line_ends(tmp_path: Path) -> None:
    turns = [(1.0, 2.0, "F000", "neu"), (2.0, 3.5, "M000", "xxx")]
    for newline in ("\r\n", "\n"):
        path = tmp_path / "Ses01F_impro01.txt"
        path.write_bytes(evaluation("Ses01F_impro01", turns, newline).encode())
        assert parse_evaluation(path) == [
            ("Ses01F_impro01_F000", 1.0, 2.0, "neu", f"{path}, line 3"),
            ("Ses01F_impro01_M000", 2.0, 3.5, "xxx", f"{path}, line 10"),
        ]


def test_transcriptions_hold_lines_that_are_no_utterance(tmp_path: Path) -> None:
    path = tmp_path / "Ses01F_impro01.txt"
    path.write_bytes(
        b"Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.\r\n"
        b"M: Yeah, right.\r\n"
        b"Ses01F_impro01_M000 [007.5712-010.4750]: Do you have your forms? [LAUGHTER]\r\n"
        b"Ses01F_impro01_MXX0 [010.0000-011.0000]: Mhm.\r\n"
        b"Ses01F_impro01_M001 [011.0000-012.0000]:It\x92s  no: problem\r\n\r\n"
    )
    words, contradicted = parse_transcription(path)
    assert contradicted == []
    assert set(words) == {"Ses01F_impro01_F000", "Ses01F_impro01_M000", "Ses01F_impro01_M001"}
    assert words["Ses01F_impro01_F000"] == "Excuse me."
    assert words["Ses01F_impro01_M000"] == "Do you have your forms? [LAUGHTER]"
    assert words["Ses01F_impro01_M001"] == "It's no: problem"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[1.0 - 2.0]\tSes01F_impro01_F007\tbad\t[2.5, 2.5, 2.5]", "label 'bad' is not one of ang"),
        ("[1.0 - 2.0]\tSes01F_impro01_F000\tneu\t[2.5, 2.5, 2.5]", "F000 stands on line 3 already"),
        ("[1.0 - 2.0]\tSes01F_impro02_F000\tneu\t[2.5, 2.5, 2.5]", "is no turn of Ses01F_impro01"),
        ("[one - 2.0]\tSes01F_impro01_F007\tneu\t[2.5, 2.5, 2.5]", "not '\\[start - end\\]"),
        ("[1.0 - 2.0]\tSes01F_impro01_F007", "not '\\[start - end\\]"),
    ],
)
def test_a_bad_line_is_named_by_file_and_number(tmp_path: Path, line: str, said: str) -> None:
    iemocap(tmp_path)
    path = tmp_path / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    path.write_bytes(path.read_bytes() + line.encode() + b"\r\n")
    with pytest.raises(InputError, match=said) as caught:
        read_corpus("iemocap", tmp_path)
    number = path.read_text().count("\n")
    assert str(caught.value).startswith(f"{path}, line {number}: ")


def test_of_words_that_contradict_each_other_the_first_count_and_it_is_said(tmp_path: Path) -> None:
    iemocap(tmp_path)
    path = tmp_path / "Session1/dialog/transcriptions/Ses01F_impro01.txt"
    path.write_text(path.read_text() + "Ses01F_impro01_F000 [1.0-2.0]: Other words.\n")
    corpus = read_corpus("iemocap", tmp_path)
    assert corpus.splits["dev"][0][0].text == "Words of F000."
    assert f"1 lines repeat a turn with other words, the first count ({path}, line 11)" in corpus.note


def test_a_dialogue_without_its_transcription_is_refused_by_name(tmp_path: Path) -> None:
    iemocap(tmp_path)
    path = tmp_path / "Session4/dialog/transcriptions/Ses04M_script01_1b.txt"
    path.unlink()
    with pytest.raises(InputError, match=r"transcriptions/Ses04M_script01_1b\.txt: cannot be read"):
        read_corpus("iemocap", tmp_path)


def test_a_wrong_folder_says_which_is_expected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is empty; give IEMOCAP_full_release"):
        read_corpus("iemocap", tmp_path)
    iemocap(tmp_path / "here")
    with pytest.raises(InputError, match="is another folder; give IEMOCAP_full_release"):
        read_corpus("iemocap", tmp_path / "here" / "Session1")


def test_another_number_of_classes_is_a_wrong_option(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="option labels: 5 will not do; give one of 4, 6"):
        read_corpus("iemocap", iemocap(tmp_path), labels=5)
