"""`livemerc-train prepare`: the table, the object, and the errors that end it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.trainer.command import train_command
from helpers.trainer.releases import MELD, iemocap, meld, meld_table, mosi, mp4, wav

from livemerc.errors import ConfigError
from trainer.corpora.manifest import read_manifest_dialogues
from trainer.prepare import prepare, table

HEADER = "dialogue_id,utterance_id,speaker,audio,start_s,end_s,text,emotion,split"


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    return train_command(capsys, "prepare", *arguments)


def sentence(err: str) -> str:
    (line,) = err.splitlines()
    assert line.startswith("livemerc: ")
    return line


def calls(folder: Path, clips: int, broken: int) -> Path:
    """A manifest of clips of one second each, the first `broken` of which are no audio."""
    rows = []
    for i in range(clips):
        wav(folder / f"{i}.wav", 1.0)
        if i < broken:
            (folder / f"{i}.wav").write_text("no sound")
        rows.append(
            f"d{i // 2},{i},S{i // 2},{i}.wav,,,hi,{('joy', 'anger')[i % 2]},{'train' if i < clips / 2 else 'dev'}"
        )
    path = folder / "calls.csv"
    path.write_text("\n".join([HEADER, *rows, ""]))
    return path


def test_the_object_counts_what_the_release_holds(tmp_path: Path) -> None:
    iemocap(tmp_path)
    gone = tmp_path / "Session5/sentences/wav/Ses05M_script01_1b/Ses05M_script01_1b_F000.wav"
    gone.unlink()
    figures = prepare("iemocap", tmp_path, {}, max_bad_share=0.1)
    assert figures["labels"] == ["angry", "happy", "sad", "neutral"]
    assert figures["errors"] == figures["warnings"] == figures["shared_speakers"] == []
    test = figures["splits"]["test"]
    assert test["hours"] == pytest.approx(3 * 0.5 / 3600)
    assert {k: v for k, v in test.items() if k != "hours"} == {
        "dialogues": 1,
        "utterances": 4,
        "speakers": 2,
        "classes": {"angry": 1, "happy": 1, "sad": 1, "neutral": 1},
        "unlabelled": 0,
        "without_text": 0,
        "without_audio": 1,
    }
    assert figures["splits"]["dev"]["classes"] == {"angry": 1, "happy": 2, "sad": 1, "neutral": 2}
    assert figures["audio"] == {
        "expected": 22,
        "usable": 21,
        "missing": [str(gone)],
        "undecodable": [],
        "bad_share": pytest.approx(1 / 22),
    }


def test_the_table_names_splits_classes_hours_and_missing_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    meld(tmp_path)
    for split, folder in (
        ("train", "train_splits"),
        ("dev", "dev_splits_complete"),
        ("test", "output_repeated_splits_test"),
    ):
        for dialogue, turn, *_ in MELD[split]:
            mp4(tmp_path / folder / f"dia{dialogue}_utt{turn}.mp4", 6.0 if split == "dev" else 0.5)
    (tmp_path / "train_splits" / "dia1_utt2.mp4").unlink()
    # the one video of the real release whose container was cut: its index is at the end, so nothing decodes
    cut = tmp_path / "train_splits" / "dia0_utt1.mp4"
    cut.write_bytes(cut.read_bytes()[:400])
    code, out, err = run(capsys, "meld", tmp_path, "--max-bad-share", "0.2")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"meld at {tmp_path}"
    assert " ".join(lines[1].split()) == (
        "split dialogues utterances hours speakers neutral joy sadness anger surprise fear disgust"
    )
    assert " ".join(lines[2].split()) == "train 3 6 0.00 5 3 1 1 0 1 0 0"
    assert lines[3].split()[:4] == ["dev", "2", "3", "0.01"]  # 18 s
    assert len({len(line) for line in lines[1:5]}) == 1
    assert "audio: 9 of 11 utterances" in lines
    assert lines[lines.index("missing: 1") + 1].strip() == str(tmp_path / "train_splits" / "dia1_utt2.mp4")
    assert str(cut) in lines[lines.index("does not decode: 1") + 1]
    assert lines[lines.index("speakers in both train and dev: 1") + 1].strip() == "Ross"
    assert any(line.startswith("warning: splits share speakers (train and dev 1") for line in lines)


def test_a_speaker_in_two_splits_ends_with_an_error_after_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.csv"
    rows = ["a,1,Ann,,,,x,joy,train", "a,2,Bob,,,,x,anger,train", "b,1,Cid,,,,x,joy,dev", "b,2,Ann,,,,x,anger,dev"]
    path.write_text("\n".join([HEADER, *rows, ""]))
    code, out, err = run(capsys, "manifest", path)
    assert code == 5
    assert "speakers in both train and dev: 1" in out
    assert "1 speaker(s) in both train and dev (Ann)" in sentence(err)
    assert "--allow-shared-speakers" in err
    code, out, err = run(capsys, "manifest", path, "--allow-shared-speakers")
    assert (code, err) == (0, "")
    assert "speakers in both train and dev: 1" in out


def test_json_is_one_object_also_when_it_ends_with_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "manifest", calls(tmp_path, 8, 0), "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["splits"]["train"]["hours"] == pytest.approx(4 / 3600)
    code, out, err = run(capsys, "manifest", calls(tmp_path, 8, 1), "--json")
    assert code == 5
    figures = json.loads(out)
    assert figures["errors"]
    assert figures["audio"]["undecodable"][0].startswith(f"{tmp_path / '0.wav'}: ")
    assert sentence(err) == f"livemerc: {figures['errors'][0]}"


def test_a_few_bad_files_are_skipped_by_name_and_too_many_stop_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = calls(tmp_path, 40, 2)
    code, out, _ = run(capsys, "manifest", path)
    assert code == 0  # 2 of 40 are 5 %
    assert "audio: 38 of 40 utterances" in out
    assert "does not decode: 2" in out
    assert str(tmp_path / "1.wav") in out
    code, out, err = run(capsys, "manifest", path, "--max-bad-share", "0.04")
    assert code == 5
    assert "does not decode: 2" in out
    assert "2 of 40 utterances have no usable audio" in sentence(err)
    assert f"first {tmp_path / '0.wav'}" in err


def test_decoding_everything_finds_what_headers_hide(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = calls(tmp_path, 8, 0)
    cut = tmp_path / "0.wav"
    cut.write_bytes(cut.read_bytes()[: 44 + 16_000])
    code, out, _ = run(capsys, "manifest", path, "--decode", "--json")
    assert code == 0
    figures = json.loads(out)
    assert figures["splits"]["train"]["hours"] == pytest.approx(3.5 / 3600, rel=0.01)
    assert any("truncated" in w and "0.wav" in w for w in figures["warnings"])


def test_a_class_that_train_lacks_is_a_warning(tmp_path: Path) -> None:
    meld_table(
        tmp_path / "train_sent_emo.csv", [(0, 0, "A", "x", "joy", "positive"), (0, 1, "A", "x", "anger", "negative")]
    )
    meld_table(
        tmp_path / "dev_sent_emo.csv", [(0, 0, "B", "x", "joy", "positive"), (0, 1, "B", "x", "fear", "negative")]
    )
    assert "dev holds classes that train lacks: fear." in prepare("meld", tmp_path, {})["warnings"]


def test_one_class_only_and_an_empty_split_are_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    meld(tmp_path)
    meld_table(
        tmp_path / "dev_sent_emo.csv", [(0, 0, "A", "x", "joy", "positive"), (0, 1, "B", "x", "joy", "positive")]
    )
    code, _, err = run(capsys, "meld", tmp_path)
    assert (code, "split dev holds one class only (joy)" in sentence(err)) == (5, True)
    meld_table(tmp_path / "dev_sent_emo.csv", [])
    code, out, err = run(capsys, "meld", tmp_path)
    assert (code, "split dev is empty" in sentence(err)) == (5, True)
    assert out.splitlines()[3].split()[:3] == ["dev", "0", "0"]


def test_a_bad_row_and_a_wrong_folder_end_with_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "mosi", tmp_path)
    assert (code, out) == (5, "")
    assert "is empty; give label.csv" in sentence(err)
    table_path = mosi(tmp_path) / "label.csv"
    table_path.write_text(table_path.read_text() + "2iD-tVS8NPw,3,x,high,,,,,train\n")
    code, out, err = run(capsys, "mosi", tmp_path)
    assert (code, out) == (5, "")
    assert f"{table_path}, line 11: label 'high'" in sentence(err)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("meldd", "."), "no corpus is called 'meldd'"),
        (("meld", ".", "--zero", "drop"), "corpus meld has no option zero"),
        (("iemocap", ".", "--labels", "5"), "give one of 4, 6"),
        (("ravdess", ".", "--max-bad-share", "2"), "--max-bad-share"),
        (("ravdess",), "path"),
    ],
)
def test_wrong_usage_has_its_own_exit_code(capsys: pytest.CaptureFixture[str], arguments: tuple, said: str) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert said in sentence(err).lower() if said == "path" else said in sentence(err)


def test_labels_of_a_manifest_are_named_with_commas(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = calls(tmp_path, 8, 0)
    code, out, _ = run(capsys, "manifest", path, "--labels", "anger, joy,fear", "--json")
    assert code == 0
    assert json.loads(out)["splits"]["dev"]["classes"] == {"anger": 2, "joy": 2, "fear": 0}
    code, _, err = run(capsys, "manifest", path, "--labels", "anger")
    assert code == 5
    assert "line 2 " in sentence(err)


def test_names_in_a_corpus_cannot_steer_the_terminal(tmp_path: Path) -> None:
    rows = [
        f"{d},{i},\x1b[31mEve{s},,,,x,{e},{s}"
        for d, s in (("a", "train"), ("b", "dev"))
        for i, e in ((1, "joy"), (2, "\x1b]0;fear\x07"))
    ]
    path = tmp_path / "mine.csv"
    path.write_text("\n".join([HEADER, *rows, ""]))
    lines = table(prepare("manifest", path, {}))
    assert len(lines) > 3
    assert all(line.isprintable() for line in lines)


def test_a_share_above_one_is_refused_by_the_function_too(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="0 to 1"):
        prepare("meld", tmp_path, {}, max_bad_share=1.5)


def test_real_clips_have_their_hours(shared_data: Path) -> None:
    figures = prepare("ravdess", shared_data / "ravdess", {"fold": 1})
    assert sum(s["utterances"] for s in figures["splits"].values()) == 1439
    assert 1.0 < sum(s["hours"] for s in figures["splits"].values()) < 1.5
    assert figures["errors"] == []
    assert figures["audio"]["usable"] == 1439


def test_the_manifest_of_a_corpus_is_what_evaluate_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = calls(tmp_path, 8, 0), tmp_path / "out" / "mine.csv"
    target.parent.mkdir()
    code, out, err = run(capsys, "manifest", source, "--labels", "joy,anger", "--manifest", target)
    assert (code, err) == (0, "")
    assert f"8 utterances in {target}" in out
    before, after = (read_manifest_dialogues(p, ("joy", "anger"), "dev") for p in (source, target))
    assert [[(r.utterance_id, r.audio, r.text, r.emotion) for r in d] for d in after] == [
        [(r.utterance_id, r.audio, r.text, r.emotion) for r in d] for d in before
    ]


def test_no_manifest_is_written_of_a_corpus_with_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "mine.csv"
    code, *_ = run(capsys, "manifest", calls(tmp_path, 8, 4), "--labels", "joy,anger", "--manifest", target, "--json")
    assert code == 5
    assert not target.exists()
