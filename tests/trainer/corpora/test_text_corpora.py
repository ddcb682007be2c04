"""Text corpora as the training reads them: order, mojibake, label maps; a bad row is named by file and line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from livemerc.emotions import LABELS
from livemerc.errors import InputError
from trainer.corpora.rows import clean_text
from trainer.corpora.text_corpora import read_emorynlp, read_goemotions, read_meld

MELD_HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"


def meld(folder: Path, *rows: str, header: str = MELD_HEADER) -> Path:
    """`rows`: Utterance,Speaker,Emotion,Dialogue,Utterance."""
    lines = [header]
    for number, row in enumerate(rows, start=1):
        utterance, speaker, emotion, dialogue, turn = row.rsplit(",", 4)
        lines.append(
            f'{number},{utterance},{speaker},{emotion},neutral,{dialogue},{turn},1,1,"00:00:00,000","00:00:01,000"'
        )
    path = folder / "dev_sent_emo.csv"
    path.write_bytes("\r\n".join([*lines, ""]).encode())
    return path


def test_rows_out_of_order_come_out_in_the_order_of_the_dialogue(tmp_path: Path) -> None:
    path = meld(tmp_path, "c,Ann,joy,1,10", "z,Bob,anger,0,0", "b,Bob,neutral,1,2", "a,Ann,joy,1,0")
    dialogues = read_meld(path)
    assert [[r.text for r in d] for d in dialogues] == [["z"], ["a", "b", "c"]]
    assert [(r.dialogue_id, r.utterance_id, r.speaker) for r in dialogues[1]] == [
        ("1", "0", "Ann"),
        ("1", "2", "Bob"),
        ("1", "10", "Ann"),
    ]


def test_mojibake_becomes_plain_punctuation(tmp_path: Path) -> None:
    path = meld(tmp_path, '"\x93I\x92m  fine\x85\x94, she\xa0said \x97 no\x96one",Ann,joy,0,0')
    assert read_meld(path)[0][0].text == '"I\'m fine...", she said - no-one'


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("It\x92s", "It's"),
        ("It\u2019s \u201cit\u201d\u2026", 'It\'s "it"...'),
        ("  a \t b\n", "a b"),
        ("naïve 日本", "naïve 日本"),
        ("", ""),
    ],
)
def test_clean_text(written: str, meant: str) -> None:
    assert clean_text(written) == meant
    assert clean_text(meant) == meant


def test_every_emotion_of_meld_is_one_of_the_seven(tmp_path: Path) -> None:
    (dialogue,) = read_meld(meld(tmp_path, *(f"x,Ann,{label.upper()},0,{i}" for i, label in enumerate(LABELS))))
    assert [LABELS[r.label] for r in dialogue] == list(LABELS)
    np.testing.assert_array_equal(np.stack([r.target for r in dialogue]), np.eye(7, dtype=np.float32))


@pytest.mark.parametrize(
    "row", ["x,Ann,excited,0,1", "x,Ann,joy,zero,1", "x,Ann,joy,0,"], ids=["emotion", "dialogue", "utterance"]
)
def test_a_bad_meld_row_is_named_by_file_and_line(tmp_path: Path, row: str) -> None:
    path = meld(tmp_path, "x,Ann,joy,0,0", row)
    with pytest.raises(InputError) as caught:
        read_meld(path)
    assert str(caught.value).startswith(f"{path}, line 3:")


def test_a_line_break_inside_quotes_does_not_shift_the_line_that_is_named(tmp_path: Path) -> None:
    path = meld(tmp_path, '"one\ntwo",Ann,joy,0,0', "x,Ann,excited,0,1")
    with pytest.raises(InputError, match="line 4:"):
        read_meld(path)


@pytest.mark.parametrize("column", ["Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID"])
def test_a_table_without_a_column_is_refused(tmp_path: Path, column: str) -> None:
    path = meld(tmp_path, "x,Ann,joy,0,0", header=MELD_HEADER.replace(column + ",", "Other,", 1))
    with pytest.raises(InputError, match=f"line 1: column {column} is missing"):
        read_meld(path)


def test_a_row_cut_short_is_refused(tmp_path: Path) -> None:
    path = meld(tmp_path, "x,Ann,joy,0,0")
    path.write_bytes(path.read_bytes() + b"2,half a row")
    with pytest.raises(InputError, match="line 3"):
        read_meld(path)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.csv"):
        read_meld(tmp_path / "absent.csv")
    (tmp_path / "latin.csv").write_bytes(MELD_HEADER.encode() + b"\n1,caf\xe9")
    with pytest.raises(InputError, match=r"latin\.csv"):
        read_meld(tmp_path / "latin.csv")


def goemotions(folder: Path, *lines: str) -> Path:
    (folder / "ekman_labels.txt").write_text("anger\ndisgust\nfear\njoy\nsadness\nsurprise\nneutral\n")
    (folder / "ekman_dev.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_several_labels_of_a_comment_share_the_probability(tmp_path: Path) -> None:
    rows = read_goemotions(goemotions(tmp_path, "so  good\t3\tid1", "what?!\t0,5\tid2"), "dev")
    assert [(r.text, r.utterance_id) for r in rows] == [("so good", "id1"), ("what?!", "id2")]
    assert dict(zip(LABELS, rows[0].target.tolist(), strict=True))["joy"] == 1.0
    second = dict(zip(LABELS, rows[1].target.tolist(), strict=True))
    assert (second["anger"], second["surprise"]) == (0.5, 0.5)
    assert sum(second.values()) == 1.0


@pytest.mark.parametrize("line", ["no tabs", "text\t9\tid", "text\tjoy\tid"])
def test_a_bad_goemotions_row_is_named_by_file_and_line(tmp_path: Path, line: str) -> None:
    folder = goemotions(tmp_path, "fine\t3\tid1", line)
    with pytest.raises(InputError, match=r"ekman_dev\.tsv, line 2"):
        read_goemotions(folder, "dev")


def test_emotions_of_emorynlp_without_a_counterpart_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "emory.csv"
    emotions = {"a": "Mad", "b": "Peaceful", "c": "Joyful", "d": "Powerful", "e": "Scared", "f": "Sad", "g": "Neutral"}
    rows = [f"{text},['Ross'],{emotion},1,1,1,{i},1" for i, (text, emotion) in enumerate(emotions.items())]
    path.write_text("\n".join(["Utterance,Speaker,Emotion,Scene_ID,Season,Episode,Utterance_ID,x", *rows, ""]))
    read = read_emorynlp(path)
    assert [(r.text, LABELS[r.label]) for r in read] == [
        ("a", "anger"),
        ("c", "joy"),
        ("e", "fear"),
        ("f", "sadness"),
        ("g", "neutral"),
    ]


@pytest.mark.parametrize(("split", "utterances", "dialogues"), [("train", 9989, 1038), ("dev", 1109, 114)])
def test_meld_is_whole(shared_data: Path, split: str, utterances: int, dialogues: int) -> None:
    read = read_meld(shared_data / f"meld/{split}_sent_emo.csv")
    assert len(read) == dialogues
    assert sum(map(len, read)) == utterances
    for dialogue in read:
        ids = [int(r.utterance_id) for r in dialogue]
        assert ids == sorted(set(ids))
    text = "".join(r.text for d in read for r in d)
    assert not [c for c in text if 0x80 <= ord(c) < 0xA0]
