"""Folders of clips with a labels.tsv: read in order, a bad row is named with its line, licences decide on use."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from helpers.trainer.command import train_command
from helpers.trainer.releases import labelled_clips

from livemerc.emotions import LABELS
from livemerc.errors import ConfigError, InputError
from trainer.corpora.labelled_clips import read_labelled
from trainer.corpora.registry import read_corpus
from trainer.corpora.sources import SOURCES, check_may_ship, data_of, licence_of

ROWS = [("a1.opus", "1", "anger"), ("a2.opus", "1", "joy"), ("b1.opus", "2", "anger"), ("b2.opus", "2", "neutral")]


def test_rows_become_clips_in_order(tmp_path: Path) -> None:
    clips = read_labelled(labelled_clips(tmp_path, ROWS), "emodb")
    assert [(c.clip_id, c.speaker, LABELS[c.label], c.corpus) for c in clips] == [
        ("a1", "1", "anger", "emodb"), ("a2", "1", "joy", "emodb"),
        ("b1", "2", "anger", "emodb"), ("b2", "2", "neutral", "emodb"),
    ]  # fmt: skip
    assert all(c.path.is_file() for c in clips)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("c.opus\t1\tboredom\t", "line 6: emotion 'boredom' is not one of neutral"),
        ("c.opus\t1\t\t", "line 6: emotion '' is not one of neutral"),
        ("c.opus\t \tjoy\t", "line 6: speaker is empty; mend the row"),
        ("\t1\tjoy\t", "line 6: file '' is no name of a clip"),
        ("../c.opus\t1\tjoy\t", "line 6: file '../c.opus' is no name of a clip"),
        ("gone.opus\t1\tjoy\t", "line 6: gone.opus is missing beside the table; complete the copy"),
        ("a1.opus\t1\tjoy\t", "line 6: clip a1 is listed twice; keep one of the rows"),
        ("a1.wav\t1\tjoy\t", "line 6: clip a1 is listed twice"),
        ("c.opus\t1", "line 6: not 4 fields as in the header"),
    ],
)
def test_a_bad_row_is_named_with_its_line(tmp_path: Path, row: str, said: str) -> None:
    folder = labelled_clips(tmp_path, ROWS)
    with (folder / "labels.tsv").open("a") as file:
        file.write(row + "\n")
    with pytest.raises(InputError, match=said) as caught:
        read_labelled(folder, "emodb")
    assert str(caught.value).startswith(f"{folder / 'labels.tsv'}, line 6: ")


def test_what_is_no_such_folder_says_which_is_meant(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"labels\.tsv.*--data, the folder above it"):
        read_labelled(tmp_path, "emodb")
    (tmp_path / "labels.tsv").write_text("file\tspeaker\n")
    with pytest.raises(InputError, match="line 1: column emotion, note is missing"):
        read_labelled(tmp_path, "emodb")
    (tmp_path / "labels.tsv").write_text("file\tspeaker\temotion\tnote\n")
    with pytest.raises(InputError, match="no clip is listed"):
        read_labelled(tmp_path, "emodb")


def test_missing_clips_are_collected_for_prepare(tmp_path: Path) -> None:
    folder = labelled_clips(tmp_path, ROWS)
    (folder / "a2.opus").unlink()
    read = read_corpus("emodb", folder)
    assert read.missing_audio == [folder / "a2.opus"]
    assert [u.audio is None for u in read.utterances("train")] == [False, True, False, False]


def test_a_speakers_clips_are_one_dialogue_where_asked(tmp_path: Path) -> None:
    rows = [(f"{s}{n}.opus", str(s), LABELS[n % 3]) for s in (1, 2) for n in range(12)]
    folder = labelled_clips(tmp_path, rows)
    alone = read_corpus("emovo", folder).splits["train"]
    assert [len(d) for d in alone] == [1] * 24
    together = read_corpus("emovo", folder, dialogues="speakers").splits["train"]
    assert [len(d) for d in together] == [12, 12]
    for dialogue in together:
        assert len({u.speaker for u in dialogue}) == 1
        names = [u.utterance_id for u in dialogue]
        assert names != sorted(names, key=lambda name: int(name[1:])), "the file's order is the order of emotions"
    again = read_corpus("emovo", folder, dialogues="speakers").splits["train"]
    assert again == together
    with pytest.raises(ConfigError, match="option dialogues: 'turns' will not do; give one of clips, speakers"):
        read_corpus("emovo", folder, dialogues="turns")


def test_read_speech_is_one_class_by_design_and_others_are_not(tmp_path: Path) -> None:
    folder = labelled_clips(tmp_path, [("a.opus", "1", "neutral"), ("b.opus", "2", "neutral")])
    assert read_corpus("readers", folder).labels == ("neutral",)
    with pytest.raises(InputError, match="holds one class only"):
        read_corpus("emodb", folder)


def test_what_states_no_licence_never_trains_what_ships(tmp_path: Path) -> None:
    folder = labelled_clips(tmp_path, ROWS)
    read = read_corpus("ased", folder)
    assert list(read.splits) == ["test"]
    assert "select and validate" in read.note
    check_may_ship(["ravdess", "emodb", "readers"], "x")
    with pytest.raises(ConfigError, match="corpora: ased states no licence"):
        check_may_ship(["ravdess", "ased"], "corpora")
    with pytest.raises(ConfigError, match="no speech corpus is called 'tess'"):
        check_may_ship(["tess"], "corpora")


def test_a_checkpoint_names_the_corpora_that_trained_and_the_strictest_licence() -> None:
    assert data_of(["emodb", "ravdess"]) == ["RAVDESS (CC BY-NC-SA 4.0)", "EMO-DB (CC0 1.0)"]
    assert licence_of(["emodb", "ravdess", "readers"]) == "CC-BY-NC-SA-4.0 (RAVDESS): non-commercial"
    assert licence_of(["emodb", "readers"]) == "CC-BY-4.0"
    assert SOURCES["emogator"].kind == "bursts", "a burst is no speech"


def test_prepare_shows_and_writes_a_manifest(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder, table = labelled_clips(tmp_path / "emodb", ROWS), tmp_path / "m.csv"
    code, out, err = train_command(capsys, "prepare", "emodb", folder, "--dialogues", "speakers", "--manifest", table)
    assert code == 0, err
    assert "manifest: 4 utterances" in out
    assert [len(d) for d in read_corpus("manifest", table).splits["train"]] == [2, 2]


@pytest.mark.parametrize(
    ("name", "clips", "speakers", "neutral"),
    [
        ("emodb", 454, 10, 79), ("emovo", 588, 6, 84), ("emotiontts", 300, 15, 75), ("rakshak", 2023, 106, 750),
        ("ased", 2474, 65, 522), ("emogator", 3213, 357, 357), ("readers", 200, 200, 200),
    ],
)  # fmt: skip
def test_the_real_folders_are_whole(shared_data: Path, name: str, clips: int, speakers: int, neutral: int) -> None:
    found = read_labelled(shared_data / name, name)
    assert (len(found), len({c.speaker for c in found})) == (clips, speakers)
    assert Counter(LABELS[c.label] for c in found)["neutral"] == neutral
    read_corpus(name, shared_data / name)
